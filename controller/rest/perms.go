package rest

import (
	"net/http"

	"github.com/deis/deis/internal/api"
)

type perms struct{ c Perms }

func (h perms) list(w http.ResponseWriter, r *request) error {
	users, err := h.c.Perms(r.Context(), r.by, r.path("app"))
	if err != nil {
		return err
	}
	return r.answer(w, api.Perms{Users: append([]string{}, users...)})
}

func (h perms) share(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	username := f.required("username")
	if err := f.err(); err != nil {
		return err
	}
	return r.done(w, h.c.Share(r.Context(), r.by, r.path("app"), username))
}

func (h perms) unshare(w http.ResponseWriter, r *request) error {
	return r.done(w, h.c.Unshare(r.Context(), r.by, r.path("app"), r.path("username")))
}
