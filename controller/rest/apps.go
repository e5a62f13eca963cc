package rest

import (
	"net/http"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
)

type apps struct{ c Apps }

func (h apps) shape(a deis.App) api.App { return appShape(a, h.c.URL(a.ID)) }

func (h apps) list(w http.ResponseWriter, r *request) error {
	return list(w, r, h.shape, func(p deis.Page) ([]deis.App, int, error) { return h.c.Apps(r.Context(), r.by, p) })
}

func (h apps) create(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	var in deis.NewApp
	if f.has("id") {
		id := f.required("id")
		in.ID = &id
	}
	if f.has("structure") {
		in.Structure = f.object("structure")
	}
	if err := f.err(); err != nil {
		return err
	}
	a, err := h.c.CreateApp(r.Context(), r.by, in)
	if err != nil {
		return err
	}
	return r.answer(w, h.shape(a))
}

func (h apps) show(w http.ResponseWriter, r *request) error {
	a, err := h.c.App(r.Context(), r.by, r.path("app"))
	if err != nil {
		return err
	}
	return r.answer(w, h.shape(a))
}

// transfer without an owner changes nothing, and is no error.
func (h apps) transfer(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	owner := f.text("owner")
	if err := f.err(); err != nil {
		return err
	}
	return r.done(w, h.c.TransferApp(r.Context(), r.by, r.path("app"), owner))
}

func (h apps) destroy(w http.ResponseWriter, r *request) error {
	return r.done(w, h.c.DestroyApp(r.Context(), r.by, r.path("app")))
}
