package mirror

import (
	"slices"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/keys"
)

// scope is what a pass is about: all, or some parts of it.
type scope struct {
	all   bool
	parts []deis.Part
}

// maxParts is how many parts are worth a look at each of them.
const maxParts = 1000

// add makes a scope larger: by all if no parts are named.
func (s *scope) add(parts ...deis.Part) {
	if len(parts) == 0 || len(s.parts)+len(parts) > maxParts {
		*s = scope{all: true}
	}
	if s.all {
		return
	}
	for _, p := range parts {
		if !slices.Contains(s.parts, p) {
			s.parts = append(s.parts, p)
		}
	}
}

// join makes a scope larger by another.
func (s *scope) join(other scope) {
	if other.all {
		s.add()
	}
	for _, p := range other.parts {
		s.add(p)
	}
}

// keysOf are the keys of etcd that a part may have.
func keysOf(p deis.Part) []string {
	switch p.Kind {
	case deis.PartApp:
		return []string{keys.App(p.Name)}
	case deis.PartDomain:
		return []string{keys.Domain(p.Name)}
	case deis.PartKey:
		return []string{keys.BuilderUser(p.Owner, p.Name)}
	case deis.PartCert:
		return []string{keys.CertCert(p.Name), keys.CertKey(p.Name)}
	case deis.PartConfig:
		of := make([]string, len(settings))
		for i, name := range settings {
			of[i] = keys.Config(p.Name, name)
		}
		return of
	}
	panic("mirror: no such kind of record: " + string(p.Kind))
}
