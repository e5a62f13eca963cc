package rest

import (
	"net/http"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
)

type accounts struct{ c Accounts }

func (h accounts) register(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	in := deis.Registration{
		Username: f.optional("username"), Password: f.optional("password"),
		Email: f.text("email"), FirstName: f.text("first_name"), LastName: f.text("last_name"),
	}
	if f.err() != nil { // told at once with what else is wrong
		f.required("username")
		f.required("password")
		return f.err()
	}
	var by *deis.User
	if r.known {
		by = &r.by
	}
	u, err := h.c.Register(r.Context(), by, in)
	if err != nil {
		return err
	}
	return r.answer(w, userShape(u))
}

func (h accounts) login(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	username, password := f.required("username"), f.required("password")
	if err := f.err(); err != nil {
		return err
	}
	token, err := h.c.Login(r.Context(), r.from, username, password)
	if err != nil {
		return err
	}
	return r.answer(w, api.Token{Token: token})
}

func (h accounts) cancel(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	username := f.text("username")
	if err := f.err(); err != nil {
		return err
	}
	return r.done(w, h.c.CancelUser(r.Context(), r.by, username))
}

func (h accounts) passwd(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	in := deis.PasswordChange{From: r.from, Username: f.text("username"), Password: f.optional("password"), NewPassword: f.required("new_password")}
	if err := f.err(); err != nil {
		return err
	}
	if err := h.c.ChangePassword(r.Context(), r.by, in); err != nil {
		return err
	}
	return r.answer(w, map[string]string{"status": "password set"})
}

// regenerate makes new tokens: all is asked for by the field's presence, and
// the answer is then "".
func (h accounts) regenerate(w http.ResponseWriter, r *request) error {
	f, err := r.fields(w)
	if err != nil {
		return err
	}
	username, all := f.text("username"), f.has("all")
	if err := f.err(); err != nil {
		return err
	}
	token, err := h.c.RegenerateToken(r.Context(), r.by, username, all)
	switch {
	case err != nil:
		return err
	case all:
		return r.answer(w, "")
	}
	return r.answer(w, api.Token{Token: token})
}
