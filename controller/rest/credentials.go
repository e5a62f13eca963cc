package rest

import (
	"net/http"

	"github.com/deis/deis/controller/deis"
)

type credentials struct{ c Credentials }

func (h credentials) list(w http.ResponseWriter, r *request) error {
	return list(w, r, credentialShape, func(p deis.Page) ([]deis.Credential, int, error) {
		return h.c.Credentials(r.Context(), r.by, r.path("app"), p)
	})
}

func (h credentials) set(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	in := deis.Login{Registry: f.required("registry"), Username: f.required("username"), Password: deis.Secret(f.required("password"))}
	if err := f.err(); err != nil {
		return err
	}
	c, err := h.c.SetCredential(r.Context(), r.by, r.path("app"), in)
	if err != nil {
		return err
	}
	return r.answer(w, credentialShape(c))
}

func (h credentials) remove(w http.ResponseWriter, r *request) error {
	return r.done(w, h.c.RemoveCredential(r.Context(), r.by, r.path("app"), r.path("registry")))
}
