package rest

import (
	"net/http"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/httpapi"
)

type containers struct {
	c interface {
		Containers
		Apps
	}
}

func (h containers) list(w http.ResponseWriter, r *request) error {
	return list(w, r, containerShape, func(p deis.Page) ([]deis.Process, int, error) {
		return h.c.Containers(r.Context(), r.by, r.path("app"), r.path("type"), p)
	})
}

func (h containers) show(w http.ResponseWriter, r *request) error {
	num, err := positive(r.path("num"))
	if err != nil {
		return err
	}
	p, err := h.c.Container(r.Context(), r.by, r.path("app"), r.path("type"), num)
	if err != nil {
		return err
	}
	return r.answer(w, containerShape(p))
}

// restart answers with a bare array: it is not paginated.
func (h containers) restart(w http.ResponseWriter, r *request) error {
	num := 0 // all
	if text := r.path("num"); text != "" {
		var err error
		if num, err = positive(text); err != nil {
			return err
		}
	}
	ps, err := h.c.Restart(r.Context(), r.by, r.path("app"), r.path("type"), num)
	if err != nil {
		return err
	}
	return r.answer(w, shapeAll(ps, containerShape))
}

func (h containers) scale(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	return r.done(w, h.c.Scale(r.Context(), r.by, r.path("app"), f.values))
}

// run answers with JSON that is called text, as clients know it.
func (h containers) run(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	command := f.required("command")
	if err := f.err(); err != nil {
		return err
	}
	code, output, err := h.c.Run(r.Context(), r.by, r.path("app"), command)
	if err != nil {
		return err
	}
	body, err := httpapi.Marshal([]any{code, output})
	if err != nil {
		return err
	}
	writePlain(w, r.route.Status, body)
	return nil
}
