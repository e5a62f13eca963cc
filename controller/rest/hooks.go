package rest

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
)

type hooks struct{ c Hooks }

func (h hooks) push(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	in := deis.Push{
		ReceiveUser: f.required("receive_user"), ReceiveRepo: f.required("receive_repo"),
		SHA: f.required("sha"), Fingerprint: f.required("fingerprint"),
		SSHConnection: f.required("ssh_connection"), SSHOriginalCommand: f.required("ssh_original_command"),
	}
	if err := f.err(); err != nil {
		return err
	}
	p, err := h.c.PushHook(r.Context(), in)
	if err != nil {
		return err
	}
	return r.answer(w, pushShape(p))
}

func (h hooks) config(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	username, app := f.required("receive_user"), f.required("receive_repo")
	if err := f.err(); err != nil {
		return err
	}
	c, err := h.c.ConfigHook(r.Context(), username, app)
	if err != nil {
		return err
	}
	return r.answer(w, configShape(c))
}

// build deploys what was pushed. A push with an id may be sent again.
func (h hooks) build(w http.ResponseWriter, r *request) error {
	push := r.Header.Get(api.HeaderPush)
	if push != "" {
		id, err := uuid.Parse(push)
		if err != nil {
			return deis.Errorf(deis.Invalid, "%s is not a UUID.", api.HeaderPush)
		}
		push = id.String() // one push, one spelling
	}
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	username, app := f.required("receive_user"), f.required("receive_repo")
	in := newBuild(f)
	in.Push = push
	if err := f.err(); err != nil {
		return err
	}
	version, domains, err := h.c.BuildHook(r.Context(), username, app, in)
	if err != nil {
		return err
	}
	out := api.BuildHookResult{Domains: append([]string{}, domains...)}
	out.Release.Version = version
	return r.answer(w, out)
}
