package rest

import (
	"net/http"

	"github.com/deis/deis/controller/deis"
)

type keys struct{ c Keys }

func (h keys) list(w http.ResponseWriter, r *request) error {
	return list(w, r, keyShape, func(p deis.Page) ([]deis.Key, int, error) { return h.c.Keys(r.Context(), r.by, p) })
}

func (h keys) add(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	id, public := f.required("id"), f.required("public")
	if err := f.err(); err != nil {
		return err
	}
	k, err := h.c.AddKey(r.Context(), r.by, id, public)
	if err != nil {
		return err
	}
	return r.answer(w, keyShape(k))
}

func (h keys) show(w http.ResponseWriter, r *request) error {
	k, err := h.c.Key(r.Context(), r.by, r.path("id"))
	if err != nil {
		return err
	}
	return r.answer(w, keyShape(k))
}

func (h keys) remove(w http.ResponseWriter, r *request) error {
	return r.done(w, h.c.RemoveKey(r.Context(), r.by, r.path("id")))
}
