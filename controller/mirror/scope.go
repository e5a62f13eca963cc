package mirror

import (
	"slices"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/keys"
)

// scope is what a pass compares: all, or some parts of it.
type scope struct {
	all   bool
	parts []deis.Part
}

// add makes a scope larger: by all if no parts are named.
func (s *scope) add(parts ...deis.Part) {
	if len(parts) == 0 {
		s.all = true
	}
	for _, p := range parts {
		if !slices.Contains(s.parts, p) {
			s.parts = append(s.parts, p)
		}
	}
}

// join makes a scope larger by another.
func (s *scope) join(other scope) {
	s.all = s.all || other.all
	for _, p := range other.parts {
		s.add(p)
	}
}

// named are the parts as Records.State takes them: none means all.
func (s scope) named() []deis.Part {
	if s.all {
		return nil
	}
	return s.parts
}

// prefixes are what must be read of etcd.
func (s scope) prefixes() []string {
	if s.all {
		return prefixes
	}
	out := make([]string, len(s.parts))
	for i, p := range s.parts {
		out[i] = prefixOf[p]
	}
	return out
}

// prefixOf says where the mirror writes a part.
var prefixOf = map[deis.Part]string{
	deis.PartApps: keys.Services, deis.PartDomains: keys.Domains, deis.PartKeys: keys.BuilderUsers,
	deis.PartCerts: keys.Certs, deis.PartConfigs: keys.Configs,
}
