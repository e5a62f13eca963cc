package controller_test

var certificateScenarios = []scenario{
	{"create_with_domain", func(w *stage) {
		w.create(w.root)
		w.want(made201, w.root, "POST", w.path("domains"), map[string]string{"domain": "autotest.example.org"})
		w.certify(made201, "autotest.example.org", "", `"common_name":"autotest.example.org"`)
	}},
	{"wildcard", func(w *stage) {
		w.certify(bad400, "foo.wild.example.org", "*.wild.example.org", `{"common_name":["Wildcard certificates are not supported"`)
		w.certify(bad400, "*.wild.example.org", "", `{"common_name":["Wildcard certificates are not supported"`)
	}},
	{"different_common_name", func(w *stage) {
		w.certify(made201, "*.other.example.org", "foo.other.example.org", `"common_name":"foo.other.example.org"`)
		w.certify(bad400, "bar.other.example.org", "foo.example.net", `{"common_name":["The certificate is not valid for foo.example.net."]}`)
	}},
	{"get_screens_data", func(w *stage) {
		w.certify(made201, "screened.example.org", "")
		a := w.want(ok200, w.root, "GET", "/v1/certs/screened.example.org", nil, `"owner":"`+by+`"`)
		w.shape(a, "id", "owner", "expires", "created", "updated", "common_name")
		var cert struct{ Expires string }
		if a.decode(w.T, &cert); !expiry.MatchString(cert.Expires) {
			w.Errorf("expires %s", cert.Expires)
		}
	}},
	{"denied_requests", func(w *stage) {
		w.certify(made201, "denied.example.org", "")
		for _, method := range []string{"PUT", "PATCH"} {
			for _, path := range []string{"/v1/certs", "/v1/certs/denied.example.org"} {
				w.want(verb405, w.root, method, path, nil, `{"detail":"Method '`+method+`' not allowed."}`)
			}
		}
	}},
	{"delete", func(w *stage) { // no wildcard is stored that could be deleted
		w.certify(made201, "deleted.example.org", "")
		w.want(done204, w.root, "DELETE", "/v1/certs/deleted.example.org", nil)
		w.want(missing404, w.root, "GET", "/v1/certs/deleted.example.org", nil)
		w.want(missing404, w.root, "DELETE", "/v1/certs/*.wild.example.org", nil)
	}},
}

// certify posts a certificate of a host, under a name if it is not empty.
func (w *stage) certify(line, host, name string, parts ...string) {
	w.Helper()
	cert, key := selfSigned(w.T, host)
	body := map[string]string{"certificate": cert, "key": key}
	if name != "" {
		body["common_name"] = name
	}
	w.want(line, w.root, "POST", "/v1/certs", body, parts...)
}
