package rest

import (
	"strconv"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
)

func userShape(u deis.User) api.User {
	last := u.LastLogin
	if last.IsZero() { // Deis v1 counted joining as one
		last = u.Joined
	}
	return api.User{
		ID: u.ID, Email: u.Email, Username: u.Username, FirstName: u.FirstName, LastName: u.LastName,
		IsSuperuser: u.Superuser, IsStaff: u.Superuser, Groups: []string{}, UserPermissions: []string{},
		LastLogin: microseconds(last), DateJoined: microseconds(u.Joined), IsActive: u.Active,
	}
}

func microseconds(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func adminShape(u deis.User) api.Admin {
	return api.Admin{Username: u.Username, IsSuperuser: u.Superuser}
}

func keyShape(k deis.Key) api.Key {
	return api.Key{
		UUID: k.UUID, Owner: k.Owner, Fingerprint: k.Fingerprint,
		Created: api.Time{Time: k.Created}, Updated: api.Time{Time: k.Updated}, ID: k.ID, Public: k.Public,
	}
}

func appShape(a deis.App, url string) api.App {
	return api.App{
		UUID: a.UUID, ID: a.ID, Owner: a.Owner, URL: url, Structure: orEmpty(a.Structure),
		Created: api.Time{Time: a.Created}, Updated: api.Time{Time: a.Updated},
	}
}

func configShape(c deis.Config) api.Config {
	return api.Config{
		UUID: c.UUID, App: c.App, Owner: c.Owner,
		Values: orEmpty(c.Values), Memory: orEmpty(c.Memory), CPU: orEmpty(c.CPU), Tags: orEmpty(c.Tags),
		Created: api.Time{Time: c.Created}, Updated: api.Time{Time: c.Updated},
	}
}

func buildShape(b deis.Build) api.Build {
	return api.Build{
		Owner: b.Owner, App: b.App, Image: b.Image, SHA: b.SHA, Procfile: orEmpty(b.Procfile), Dockerfile: b.Dockerfile,
		Created: api.Time{Time: b.Created}, Updated: api.Time{Time: b.Updated}, UUID: b.UUID,
	}
}

func releaseShape(r deis.Release) api.Release {
	out := api.Release{
		UUID: r.UUID, App: r.App, Owner: r.Owner, Created: api.Time{Time: r.Created}, Updated: api.Time{Time: r.Updated},
		Version: r.Version, Summary: r.Summary, Config: r.Config,
	}
	if r.Build != "" {
		out.Build = &r.Build
	}
	return out
}

func containerShape(p deis.Process) api.Container {
	return api.Container{
		Owner: p.Owner, App: p.App, Release: "v" + strconv.Itoa(p.Version), Type: p.Type, Num: p.Num, State: string(p.State),
		Created: api.Time{Time: p.Created}, Updated: api.Time{Time: p.Updated}, UUID: p.UUID,
	}
}

func domainShape(d deis.Domain) api.Domain {
	return api.Domain{Owner: d.Owner, Created: api.Time{Time: d.Created}, Updated: api.Time{Time: d.Updated}, App: d.App, Domain: d.Domain}
}

func certShape(c deis.Cert) api.Cert {
	return api.Cert{
		ID: c.ID, Owner: c.Owner, Expires: api.Time{Time: c.Expires},
		Created: api.Time{Time: c.Created}, Updated: api.Time{Time: c.Updated}, CommonName: c.CommonName,
	}
}

func credentialShape(c deis.Credential) api.Credential {
	return api.Credential{
		Owner: c.Owner, Created: api.Time{Time: c.Created}, Updated: api.Time{Time: c.Updated}, App: c.App, Registry: c.Registry, Username: c.Username,
	}
}

func pushShape(p deis.Push) api.Push {
	return api.Push{
		UUID: p.UUID, Owner: p.Owner, App: p.App, SHA: p.SHA, Fingerprint: p.Fingerprint,
		ReceiveUser: p.ReceiveUser, ReceiveRepo: p.ReceiveRepo, SSHConnection: p.SSHConnection, SSHOriginalCommand: p.SSHOriginalCommand,
		Created: api.Time{Time: p.Created}, Updated: api.Time{Time: p.Updated},
	}
}

// orEmpty keeps null out of answers: clients read an object.
func orEmpty[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}
