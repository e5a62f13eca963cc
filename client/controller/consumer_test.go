package controller

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestConsumer: a program of another module is built with this package and
// nothing from the network, and does its work.
func TestConsumer(t *testing.T) {
	program := filepath.Join(t.TempDir(), "consumer")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = "testdata/consumer"
	build.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	var changed []string
	answers := map[string]string{
		"POST /v1/auth/login/":                       `{"token":"abc"}`,
		"GET /v1/apps/?page_size=2":                  `{"count":3,"next":"http://x/v1/apps/?page=2\u0026page_size=2","previous":null,"results":[{"id":"one"},{"id":"two"}]}`,
		"GET /v1/apps/?page=2&page_size=2":           `{"count":4,"next":null,"previous":null,"results":[{"id":"three"},{"id":"gone"}]}`,
		"GET /v1/apps/one/containers/?page_size=1":   `{"count":2,"next":null,"previous":null,"results":[{"type":"web"}]}`,
		"GET /v1/apps/two/containers/?page_size=1":   `{"count":0,"next":null,"previous":null,"results":[]}`,
		"GET /v1/apps/three/containers/?page_size=1": `{"count":1,"next":null,"previous":null,"results":[{"type":"web"}]}`,
		"POST /v1/apps/one/config/":                  `{"uuid":"u","values":{"DEIS_RELEASE":"v4"}}`,
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := r.Method + " " + r.RequestURI
		if r.Method == http.MethodPost {
			var body map[string]any
			_ = json.NewDecoder(r.Body).Decode(&body)
			if values, ok := body["values"]; ok {
				b, _ := json.Marshal(values)
				changed = append(changed, call+" "+string(b)+" "+r.Header.Get("Authorization")+" "+r.UserAgent())
			}
		}
		switch answer, ok := answers[call]; {
		case ok:
			_, _ = io.WriteString(w, answer)
		case strings.HasSuffix(call, "/config/"):
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"error":"Config changes already in progress."}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"detail":"Not found"}`)
		}
	}))
	defer srv.Close()
	run := func(address string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, address, "bob", "MODE=prod")
		cmd.Stdin = strings.NewReader("secret\n")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	const want = `one: v4 on 2 processes
two: runs nothing
three: refused with 409: error: Config changes already in progress.
gone: is gone
`
	if got, err := run(srv.URL); err != nil || got != want {
		t.Errorf("%v: %s\nwant %s", err, got, want)
	}
	wantChanged := []string{
		`POST /v1/apps/one/config/ {"MODE":"prod"} token abc consumer/1`,
		`POST /v1/apps/three/config/ {"MODE":"prod"} token abc consumer/1`,
	}
	if !slices.Equal(changed, wantChanged) {
		t.Errorf("%q", changed)
	}
	srv.Close()
	if got, err := run(srv.URL); err == nil || got != "consumer: "+srv.URL+" cannot be reached: connection refused\n" {
		t.Errorf("%v: %s", err, got)
	}
}
