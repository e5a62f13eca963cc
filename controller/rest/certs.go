package rest

import (
	"net/http"

	"github.com/deis/deis/controller/deis"
)

type certs struct{ c Certs }

func (h certs) list(w http.ResponseWriter, r *request) error {
	return list(w, r, certShape, func(p deis.Page) ([]deis.Cert, int, error) { return h.c.Certs(r.Context(), r.by, p) })
}

func (h certs) add(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	in := deis.NewCert{Certificate: f.required("certificate"), Key: f.required("key"), CommonName: f.text("common_name")}
	if err := f.err(); err != nil {
		return err
	}
	c, err := h.c.AddCert(r.Context(), r.by, in)
	if err != nil {
		return err
	}
	return r.answer(w, certShape(c))
}

func (h certs) show(w http.ResponseWriter, r *request) error {
	c, err := h.c.Cert(r.Context(), r.by, r.path("cn"))
	if err != nil {
		return err
	}
	return r.answer(w, certShape(c))
}

func (h certs) remove(w http.ResponseWriter, r *request) error {
	return r.done(w, h.c.RemoveCert(r.Context(), r.by, r.path("cn")))
}
