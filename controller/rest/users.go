package rest

import (
	"net/http"

	"github.com/deis/deis/controller/deis"
)

type users struct{ c Users }

func (h users) list(w http.ResponseWriter, r *request) error {
	return list(w, r, userShape, func(p deis.Page) ([]deis.User, int, error) { return h.c.Users(r.Context(), r.by, p) })
}

func (h users) admins(w http.ResponseWriter, r *request) error {
	return list(w, r, adminShape, func(p deis.Page) ([]deis.User, int, error) { return h.c.Admins(r.Context(), r.by, p) })
}

func (h users) promote(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	username := f.required("username")
	if err := f.err(); err != nil {
		return err
	}
	return r.done(w, h.c.SetAdmin(r.Context(), r.by, username, true))
}

func (h users) demote(w http.ResponseWriter, r *request) error {
	return r.done(w, h.c.SetAdmin(r.Context(), r.by, r.path("username"), false))
}
