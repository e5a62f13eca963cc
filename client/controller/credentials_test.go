package controller

import (
	"testing"

	"github.com/deis/deis/internal/api"
)

func TestCredentials(t *testing.T) {
	const robot = `{"owner":"bob","created":"2014-01-01T00:00:00UTC","updated":"2014-01-01T00:00:00UTC","app":"demo","registry":"quay.io:443","username":"robot"}`
	srv, last := serve(t, 200, `{"count":3,"results":[`+robot+`]}`)
	page, err := client(t, Options{URL: srv.URL}).ListCredentials(t.Context(), "demo", 1)
	if want := "GET /v1/apps/demo/credentials/?page_size=1"; err != nil || *last != want || page.Count != 3 || page.Results[0].Username != "robot" {
		t.Errorf("%s, %+v, %v", *last, page, err)
	}
	srv, last = serve(t, 201, robot)
	set, err := client(t, Options{URL: srv.URL}).SetCredential(t.Context(), "demo", "quay.io:443", "robot", `p"w`)
	if want := `POST /v1/apps/demo/credentials/ {"registry":"quay.io:443","username":"robot","password":"p\"w"}`; err != nil || *last != want {
		t.Errorf("%s, %v", *last, err)
	}
	set.Created, set.Updated = api.Time{}, api.Time{}
	if want := (Credential{Owner: "bob", App: "demo", Registry: "quay.io:443", Username: "robot"}); set != want {
		t.Errorf("%+v", set)
	}
	srv, last = serve(t, 204, "")
	err = client(t, Options{URL: srv.URL}).RemoveCredential(t.Context(), "demo", "quay.io:443")
	if want := "DELETE /v1/apps/demo/credentials/quay.io:443"; err != nil || *last != want {
		t.Errorf("%s, %v", *last, err)
	}
	c := client(t, Options{URL: srv.URL})
	if _, err := c.ListCredentials(t.Context(), "", 1); err == nil {
		t.Error("no app")
	}
	if _, err := c.SetCredential(t.Context(), "..", "x", "y", "z"); err == nil {
		t.Error("no app")
	}
	if err := c.RemoveCredential(t.Context(), "demo", ""); err == nil {
		t.Error("no registry")
	}
}
