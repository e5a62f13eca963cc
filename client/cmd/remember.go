package cmd

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/deis/deis/client/settings"
)

// How long completion goes by an answer of the controller, and for how long it
// does not ask again one that was away.
const (
	rememberFor = 30 * time.Second
	awayFor     = 5 * time.Second
)

// memory is an answer that completion keeps on the disk, for the user's eyes
// only. It holds names, never a value of an app's config nor a token.
type memory struct {
	Asked  time.Time `json:"asked"`
	Away   bool      `json:"away,omitempty"` // nobody answered: the values are those of the time before
	Values []string  `json:"values"`
}

func (m memory) fresh(now time.Time) bool {
	age, most := now.Sub(m.Asked), rememberFor
	if m.Away {
		most = awayFor
	}
	return age >= 0 && age < most
}

// memories is the folder that completion keeps its answers in, empty if there
// is no place for one.
func (f *Factory) memories() string {
	cache := f.Getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(cache) {
		home := settings.Home(f.Getenv)
		if home == "" {
			return ""
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "deis", "completion")
}

// recall is the answer to a question about a session's controller, or an app
// there: the one of a moment ago, else what ask says, else an older one. Where
// nothing can be kept, each call asks.
func (f *Factory) recall(name string, s *settings.Session, app string, ask func() ([]string, error)) []string {
	dir, question := f.memories(), strings.Join([]string{s.Controller, s.Username, name, app}, "\x00")
	file := filepath.Join(dir, fmt.Sprintf("%x.json", sha256.Sum256([]byte(question))))
	var m memory
	if b, err := os.ReadFile(file); err == nil && json.Unmarshal(b, &m) != nil {
		m = memory{}
	}
	now := f.Now()
	if m.fresh(now) {
		return m.Values
	}
	values, err := ask()
	m.Asked, m.Away = now, err != nil
	if err == nil {
		m.Values = values
	}
	if dir != "" {
		m.keep(file)
	}
	return m.Values
}

// keep writes the file whole, or leaves it: what is not kept is asked again.
func (m memory) keep(file string) {
	b, err := json.Marshal(m)
	if err != nil || os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".answer-*") // made with 0600
	if err != nil {
		return
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if closed := tmp.Close(); err != nil || closed != nil {
		return
	}
	_ = os.Rename(tmp.Name(), file)
}

// forget removes all answers, after a command that may have changed them.
func (f *Factory) forget() {
	if dir := f.memories(); dir != "" {
		_ = os.RemoveAll(dir)
	}
}

// onlyReads tells a verb that changes nothing that completion remembers.
func (v *verb) onlyReads() bool {
	_, action, _ := strings.Cut(v.Name(), ":")
	switch action {
	case "", "info", "list", "logs", "open", "pull", "remote", "whoami":
		return true
	}
	return false
}
