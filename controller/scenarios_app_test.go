package controller_test

import (
	"errors"
	"regexp"
	"strings"
)

var middlewareScenarios = []scenario{
	{"version_header_good", func(w *stage) {
		a := w.headers(w.root, "GET", "/v1/apps", "", map[string]string{"Deis-Version": "1"})
		if a.line != ok200 || a.header.Get("DEIS_API_VERSION") != "1.7" {
			w.Errorf("%s %v", a.line, a.header)
		}
	}},
	{"version_header_bad", func(w *stage) {
		a := w.headers(w.root, "GET", "/v1/apps", "", map[string]string{"Deis-Version": "1234.5678"})
		if a.line != verb405 || a.body != `{"error":"Client and server versions do not match. Client version: 1234.5678 Server version: 1"}` {
			w.Errorf("%s %s", a.line, a.body)
		}
	}},
	{"version_header_not_present", func(w *stage) { w.want(ok200, w.root, "GET", "/v1/apps", nil) }},
}

var healthzScenarios = []scenario{
	{"healthz", func(w *stage) {
		nobody := w.as(w.url, "")
		if a := w.want(ok200, nobody, "GET", "/healthz", nil); a.body != "OK" {
			w.Error(a.body)
		}
		w.want(ok200, nobody, "HEAD", "/healthz", nil)
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			if a := w.want(verb405, nobody, method, "/healthz", nil); a.body != "" {
				w.Error(a.body)
			}
		}
	}},
}

var appKeys = []string{"uuid", "id", "owner", "url", "structure", "created", "updated"}

var appScenarios = []scenario{
	{"app", func(w *stage) {
		ann := w.user("ann")
		var app struct{ ID, URL, Owner string }
		w.want(made201, ann, "POST", "/v1/apps", nil).decode(w.T, &app)
		if !regexp.MustCompile(`^[a-z]+-[a-z]+$`).MatchString(app.ID) || app.URL != app.ID+"."+domain || app.Owner != "ann" {
			w.Errorf("%+v", app)
		}
		if n := w.count(ann, "/v1/apps"); n != 1 {
			w.Errorf("%d apps", n)
		}
		path := "/v1/apps/" + app.ID
		w.want(ok200, ann, "GET", path, nil, `"id":"`+app.ID+`"`)
		w.want(verb405, ann, "PATCH", path, map[string]string{"id": "new"})
		w.want(verb405, ann, "PUT", path, map[string]string{"id": "new"})
		w.want(done204, ann, "DELETE", path, nil)
		w.want(missing404, ann, "GET", path, nil)
	}},
	{"response_data", func(w *stage) {
		w.shape(w.want(made201, w.root, "POST", "/v1/apps", map[string]string{"id": w.app}), appKeys...)
		w.shape(w.want(ok200, w.root, "GET", w.path(), nil), appKeys...)
		w.shape(w.first(w.want(ok200, w.root, "GET", "/v1/apps", nil)), appKeys...)
	}},
	{"app_override_id", func(w *stage) {
		w.create(w.root)
		w.want(bad400, w.user("ann"), "POST", "/v1/apps", map[string]string{"id": w.app}, `{"id":["This field must be unique."]}`)
	}},
	{"app_actions", func(w *stage) {
		w.create(w.root)
		w.must(w.logs.Delete(w.Context(), w.app))
		w.want(done204, w.root, "GET", w.path("logs"), nil)
		w.logs.Event("INFO", w.app, "one")
		w.logs.Event("INFO", w.app, "two")
		a := w.want(ok200, w.root, "GET", w.path("logs")+"?log_lines=1", nil)
		if a.body != "INFO ["+w.app+"]: two\n" || a.header.Get("Content-Type") != "text/plain" {
			w.Errorf("%q %v", a.body, a.header)
		}
		w.logs.failing(errors.New("away"))
		defer w.logs.failing(nil)
		w.want("500 INTERNAL SERVER ERROR", w.root, "GET", w.path("logs"), nil, "Error accessing logs for "+w.app)
	}},
	{"release_notes_in_logs", func(w *stage) {
		w.create(w.root)
		w.set(w.root, map[string]string{"NEW_URL": "http://localhost"})
		w.want(ok200, w.root, "GET", w.path("logs"), nil,
			"INFO ["+w.app+"]: root created initial release\n", "INFO ["+w.app+"]: root added NEW_URL\n")
	}},
	{"app_errors", func(w *stage) {
		w.want(bad400, w.root, "POST", "/v1/apps", map[string]string{"id": "camelCase"}, `{"id":["App IDs can only contain [a-z0-9-]."]}`)
		w.create(w.root)
		w.want(done204, w.root, "DELETE", w.path(), nil)
		for _, part := range []string{"containers", "config", "builds", "releases", "domains", "perms", "logs"} {
			w.want(missing404, w.root, "GET", w.path(part), nil, `{"detail":"Not found"}`)
		}
	}},
	{"reserved_names", func(w *stage) {
		for _, id := range []string{"deis", "deis-store", "localhost"} {
			w.want(bad400, w.root, "POST", "/v1/apps", map[string]string{"id": id}, `{"id":["`+id+` is a reserved name."]}`)
		}
	}},
	{"structure_is_valid_json", func(w *stage) {
		w.want(bad400, w.root, "POST", "/v1/apps", map[string]string{"id": w.app, "structure": "bad"}, `{"structure":["Value must be valid JSON."]}`)
		w.want(made201, w.root, "POST", "/v1/apps", map[string]string{"id": w.app, "structure": `{"web":1}`}, `"structure":{}`)
		w.want(made201, w.root, "POST", w.path("builds"), slug("web"))
		w.want(ok200, w.root, "GET", w.path(), nil, `"structure":{"web":1}`)
	}},
	{"admin_can_manage_other_apps", func(w *stage) {
		w.created(w.user("ann"), slug("web"))
		w.want(ok200, w.root, "GET", w.path(), nil, `"owner":"ann"`)
		w.want(ok200, w.root, "POST", w.path("run"), map[string]string{"command": "ls"})
		w.want(ok200, w.root, "GET", w.path("logs"), nil)
		w.want(done204, w.root, "DELETE", w.path(), nil)
	}},
	{"admin_can_see_other_apps", func(w *stage) {
		w.create(w.user("ann"))
		w.want(ok200, w.root, "GET", "/v1/apps", nil, `"id":"`+w.app+`"`)
	}},
	// v1 needed an SSH key of the hosts, and said that it had none.
	{"run_without_auth", func(w *stage) {
		w.created(w.root, slug("web"))
		w.want(ok200, w.root, "POST", w.path("run"), map[string]string{"command": "ls"}, "[0,")
	}},
	{"run_without_release_should_error", func(w *stage) {
		w.create(w.root)
		w.want(bad400, w.root, "POST", w.path("run"), map[string]string{"command": "ls"},
			`{"detail":"No build associated with this release to run this command"}`)
	}},
	{"unauthorized_user_cannot_see_app", func(w *stage) {
		w.created(w.root, slug("web"))
		bob := w.user("bob")
		w.want(not403, bob, "POST", w.path("run"), map[string]string{"command": "foo"}, mayNot)
		w.want(not403, bob, "GET", w.path("logs"), nil, mayNot)
		w.want(not403, bob, "GET", w.path(), nil, mayNot)
		w.want(not403, bob, "DELETE", w.path(), nil, mayNot)
		if a := w.want(ok200, bob, "GET", "/v1/apps", nil); strings.Contains(a.body, w.app) {
			w.Error(a.body)
		}
	}},
	{"info_not_showing_wrong_app", func(w *stage) {
		w.create(w.root)
		w.want(missing404, w.root, "GET", "/v1/apps/foo", nil, `{"detail":"Not found"}`)
	}},
	{"app_transfer", func(w *stage) {
		ann, bob, eve := w.user("ann"), w.user("bob"), w.user("eve")
		w.create(ann)
		w.want(made201, ann, "POST", w.path("perms"), map[string]string{"username": "eve"})
		w.want(not403, eve, "POST", w.path(), map[string]string{"owner": "eve"}, mayNot)
		w.want(ok200, ann, "POST", w.path(), map[string]string{"owner": "bob"})
		w.want(not403, ann, "GET", w.path(), nil, mayNot)
		w.want(ok200, bob, "GET", w.path(), nil, `"owner":"bob"`)
		w.want(ok200, w.root, "POST", w.path(), map[string]string{"owner": "ann"})
		w.want(ok200, ann, "GET", w.path(), nil, `"owner":"ann"`)
		w.want(not403, bob, "GET", w.path(), nil, mayNot)
		w.want(missing404, ann, "POST", w.path(), map[string]string{"owner": "nobody"})
	}},
}
