package controller_test

import "strings"

func (w *stage) add(line string, c client, name string, parts ...string) answer {
	w.Helper()
	return w.want(line, c, "POST", w.path("domains"), map[string]string{"domain": name}, parts...)
}

// routed fails the test unless etcd leads the domain to an app, to none if app
// is empty.
func (w *stage) routed(name, app string) {
	w.Helper()
	e, _, err := w.kv.Get(w.Context(), "/deis/domains/"+name)
	if err != nil || e.Value != app {
		w.Errorf("%s leads to %q, want %q: %v", name, e.Value, app, err)
	}
}

var domainScenarios = []scenario{
	{"response_data", func(w *stage) {
		w.create(w.root)
		w.shape(w.add(made201, w.root, "test-domain.com"), "owner", "created", "updated", "app", "domain")
		w.shape(w.first(w.want(ok200, w.root, "GET", w.path("domains"), nil)), "owner", "created", "updated", "app", "domain")
	}},
	{"manage_domain", func(w *stage) {
		w.create(w.root)
		for _, name := range []string{
			"test-domain", "django.paas-sandbox", "domain", "not.too.loooong", "3com.com", "w3.example.org", "MYDOMAIN.NET", "autotest.127.0.0.1.xip.io", "xn--bcher-kva.example.org",
		} {
			kept := strings.ToLower(name)
			w.add(made201, w.root, name, `"domain":"`+kept+`"`)
			w.want(ok200, w.root, "GET", w.path("domains"), nil, `"domain":"`+kept+`"`)
			w.routed(kept, w.app)
			w.want(done204, w.root, "DELETE", w.path("domains", name), nil)
			w.routed(kept, "")
			if n := w.count(w.root, w.path("domains")); n != 0 {
				w.Errorf("%s: %d domains", name, n)
			}
		}
		w.want(ok200, w.root, "GET", w.path("logs"), nil, "domain 3com.com added", "domain 3com.com removed")
	}},
	{"delete_does_not_remove_latest", func(w *stage) {
		w.create(w.root)
		w.add(made201, w.root, "first.org")
		w.add(made201, w.root, "second.org")
		w.want(done204, w.root, "DELETE", w.path("domains", "first.org"), nil)
		w.want(ok200, w.root, "GET", w.path("domains"), nil, `"count":1`, `"domain":"second.org"`)
		w.want(missing404, w.root, "DELETE", w.path("domains", "first.org"), nil, `{"detail":"Not found"}`)
	}},
	{"delete_does_not_remove_others", func(w *stage) {
		w.create(w.user("ann"))
		w.add(made201, w.user("ann"), "of-ann.org")
		other := *w
		other.app += "-2"
		other.create(w.user("bob"))
		w.want(missing404, w.user("bob"), "DELETE", other.path("domains", "of-ann.org"), nil)
		w.want(ok200, w.user("ann"), "GET", w.path("domains"), nil, `"domain":"of-ann.org"`)
		other.add(bad400, w.user("bob"), "OF-ANN.org", `{"domain":["`)
	}},
	{"invalid_app", func(w *stage) {
		w.add(missing404, w.root, "test-domain.org")
		w.want(missing404, w.root, "GET", w.path("domains"), nil, `{"detail":"Not found"}`)
	}},
	{"invalid_domain", func(w *stage) {
		w.create(w.root)
		const invalid = `{"domain":["Hostname does not look valid."]}`
		for _, name := range []string{"this_is_an.invalid.domain", "this-is-an.invalid.1", "django.paas--sandbox", "domain1", "3333.com", "too.looooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong", "a b.com", "a/b.com", "-a.com", "a..b"} {
			w.add(bad400, w.root, name, invalid)
		}
		w.add(bad400, w.root, strings.Repeat("a.", 128)+"com", `{"domain":["Hostname must be 255 characters or less."]}`)
		w.add(bad400, w.root, "other-app."+domain, `{"domain":["`) // v1 gave away other apps' hosts
		w.want(bad400, w.root, "POST", w.path("domains"), nil, `{"domain":["This field is required."]}`)
		w.want(ok200, w.root, "GET", w.path("domains"), nil, `"count":0`)
	}},
	{"wildcard", func(w *stage) {
		w.create(w.root)
		w.add(bad400, w.root, "*.deis.example", `{"domain":["Adding a wildcard subdomain is currently not supported."]}`)
	}},
	{"admin", func(w *stage) {
		w.create(w.user("ann"))
		w.add(made201, w.root, "by-root.org", `"owner":"root"`)
		w.want(ok200, w.user("ann"), "GET", w.path("domains"), nil, `"domain":"by-root.org"`)
	}},
	{"unauthorized", func(w *stage) {
		w.create(w.user("ann"))
		w.add(not403, w.user("bob"), "of-bob.org", mayNot)
		w.want(not403, w.user("bob"), "GET", w.path("domains"), nil, mayNot)
	}},
}
