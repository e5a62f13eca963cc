package rest

import (
	"encoding/json"
	"testing"

	"github.com/deis/deis/controller/deis"
)

func TestPages(t *testing.T) {
	const total = 250
	var asked deis.Page
	f := &fake{apps: func(p deis.Page) ([]deis.App, int, error) {
		asked = p
		return []deis.App{app}, total, nil
	}}
	c := serve(t, f, quiet())
	base := "http://" + c.address + "/v1/apps"
	for query, want := range map[string]struct {
		page           deis.Page
		next, previous string
	}{
		"":                             {deis.Page{Size: 100, Number: 1}, "?page=2", ""},
		"?page=2":                      {deis.Page{Size: 100, Number: 2}, "?page=3", "?page=1"},
		"?page=3":                      {deis.Page{Size: 100, Number: 3}, "", "?page=2"},
		"?page=last":                   {deis.Page{Size: 100, Number: 1, Last: true}, "", "?page=2"},
		"?page_size=250":               {deis.Page{Size: 250, Number: 1}, "", ""},
		"?page_size=20":                {deis.Page{Size: 20, Number: 1}, "?page=2&page_size=20", ""},
		"?page_size=20&page=13":        {deis.Page{Size: 20, Number: 13}, "", "?page=12&page_size=20"},
		"?page_size=0":                 {deis.Page{Size: 100, Number: 1}, "?page=2&page_size=0", ""},
		"?page_size=-5":                {deis.Page{Size: 100, Number: 1}, "?page=2&page_size=-5", ""},
		"?page_size=x":                 {deis.Page{Size: 100, Number: 1}, "?page=2&page_size=x", ""},
		"?page_size=99999999999":       {deis.Page{Size: 1<<31 - 1, Number: 1}, "", ""},
		"?a=%26b&a=c&format=json":      {deis.Page{Size: 100, Number: 1}, "?a=%26b&a=c&format=json&page=2", ""},
		"?page=&page_size=":            {deis.Page{Size: 100, Number: 1}, "?page=2&page_size=", ""},
		"?page=2&page=3&page_size=100": {deis.Page{Size: 100, Number: 2}, "?page=3&page_size=100", "?page=1&page_size=100"},
	} {
		var got struct{ Next, Previous *string }
		a := c.do("GET", "/v1/apps"+query, "")
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != "200 OK" {
			t.Errorf("%s: %s %s", query, a.status, a.body)
			continue
		}
		if asked != want.page || !links(got.Next, base, want.next) || !links(got.Previous, base, want.previous) {
			t.Errorf("%s asks for %+v and says %s", query, asked, a.body)
		}
	}
	for _, query := range []string{"?page=0", "?page=-1", "?page=4", "?page=x", "?page=Last", "?page=1.0", "?page=99999999999999999999", "?page_size=250&page=2"} {
		if a := c.do("GET", "/v1/apps"+query, ""); a.status != "404 NOT FOUND" || a.body != `{"detail":"Not found"}` {
			t.Errorf("%s: %s %s", query, a.status, a.body)
		}
	}
}

func links(got *string, base, query string) bool {
	if query == "" {
		return got == nil
	}
	return got != nil && *got == base+query
}

func TestPagesOfNothing(t *testing.T) {
	f := &fake{apps: func(deis.Page) ([]deis.App, int, error) { return nil, 0, nil }}
	c := serve(t, f, quiet())
	for _, query := range []string{"", "?page=1", "?page=last"} {
		if a := c.do("GET", "/v1/apps"+query, ""); a.body != `{"count":0,"next":null,"previous":null,"results":[]}` {
			t.Errorf("%q: %s %s", query, a.status, a.body)
		}
	}
}

func TestLinksBehindRouter(t *testing.T) {
	f := &fake{apps: func(deis.Page) ([]deis.App, int, error) { return nil, 101, nil }}
	c := serve(t, f, quiet())
	for proto, want := range map[string]string{
		"https": "https://" + c.address + "/v1/apps/?page=2",
		"http":  "http://" + c.address + "/v1/apps/?page=2",
		"x":     "http://" + c.address + "/v1/apps/?page=2",
	} {
		if a := c.do("GET", "/v1/apps/", "", "X-Forwarded-Proto", proto); a.body != `{"count":101,"next":"`+want+`","previous":null,"results":[]}` {
			t.Errorf("%s: %s", proto, a.body)
		}
	}
}
