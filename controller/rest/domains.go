package rest

import (
	"net/http"

	"github.com/deis/deis/controller/deis"
)

type domains struct{ c Domains }

func (h domains) list(w http.ResponseWriter, r *request) error {
	return list(w, r, domainShape, func(p deis.Page) ([]deis.Domain, int, error) {
		return h.c.Domains(r.Context(), r.by, r.path("app"), p)
	})
}

func (h domains) add(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	domain := f.required("domain")
	if err := f.err(); err != nil {
		return err
	}
	d, err := h.c.AddDomain(r.Context(), r.by, r.path("app"), domain)
	if err != nil {
		return err
	}
	return r.answer(w, domainShape(d))
}

func (h domains) remove(w http.ResponseWriter, r *request) error {
	return r.done(w, h.c.RemoveDomain(r.Context(), r.by, r.path("app"), r.path("domain")))
}
