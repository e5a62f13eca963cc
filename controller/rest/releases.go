package rest

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/httpapi"
)

// releaseHeaders tell which release the request made.
func releaseHeaders(w http.ResponseWriter, version int) {
	v := strconv.Itoa(version)
	w.Header().Set(api.HeaderRelease, v)
	w.Header().Set(api.HeaderXRelease, v)
}

type configs struct{ c Configs }

func (h configs) show(w http.ResponseWriter, r *request) error {
	c, err := h.c.Config(r.Context(), r.by, r.path("app"))
	if err != nil {
		return err
	}
	return r.answer(w, configShape(c))
}

// set changes the config. What stands in the way is told by `error`, not by
// `detail`, here alone.
func (h configs) set(w http.ResponseWriter, r *request) error {
	f, err := r.fieldsUpTo(w, maxConfigBody)
	if err != nil {
		return err
	}
	in := deis.ConfigChange{Values: f.object("values"), Memory: f.object("memory"), CPU: f.object("cpu"), Tags: f.object("tags")}
	if err := f.err(); err != nil {
		return err
	}
	c, version, err := h.c.SetConfig(r.Context(), r.by, r.path("app"), in)
	switch {
	case deis.KindOf(err) == deis.Conflict:
		httpapi.WriteJSON(w, http.StatusConflict, map[string]string{"error": textConfigLocked})
		return nil
	case err != nil:
		return err
	}
	releaseHeaders(w, version)
	return r.answer(w, configShape(c))
}

type builds struct{ c Builds }

func (h builds) list(w http.ResponseWriter, r *request) error {
	return list(w, r, buildShape, func(p deis.Page) ([]deis.Build, int, error) {
		return h.c.Builds(r.Context(), r.by, r.path("app"), p)
	})
}

func (h builds) show(w http.ResponseWriter, r *request) error {
	b, err := h.c.Build(r.Context(), r.by, r.path("app"), r.path("uuid"))
	if err != nil {
		return err
	}
	return r.answer(w, buildShape(b))
}

func (h builds) create(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	in := newBuild(f)
	if err := f.err(); err != nil {
		return err
	}
	b, version, err := h.c.CreateBuild(r.Context(), r.by, r.path("app"), in)
	if err != nil {
		return err
	}
	releaseHeaders(w, version)
	return r.answer(w, buildShape(b))
}

func newBuild(f *fields) deis.NewBuild {
	return deis.NewBuild{
		Image: f.required("image"), SHA: f.text("sha"), Procfile: f.object("procfile"), Dockerfile: f.text("dockerfile"),
	}
}

type releases struct{ c Releases }

func (h releases) list(w http.ResponseWriter, r *request) error {
	return list(w, r, releaseShape, func(p deis.Page) ([]deis.Release, int, error) {
		return h.c.Releases(r.Context(), r.by, r.path("app"), p)
	})
}

func (h releases) show(w http.ResponseWriter, r *request) error {
	version, err := positive(strings.TrimPrefix(r.path("version"), "v"))
	if err != nil {
		return err
	}
	rel, err := h.c.Release(r.Context(), r.by, r.path("app"), version)
	if err != nil {
		return err
	}
	return r.answer(w, releaseShape(rel))
}

func (h releases) rollback(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	version := f.number("version")
	if err := f.err(); err != nil {
		return err
	}
	made, err := h.c.Rollback(r.Context(), r.by, r.path("app"), version)
	if err != nil {
		return err
	}
	return r.answer(w, api.Rollback{Version: made})
}

// positive reads a number in a path; there is nothing at any other.
func positive(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxNumber {
		return 0, errNotFound()
	}
	return n, nil
}
