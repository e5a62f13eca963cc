package weblog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

type fake struct {
	Store
	destroyed []string
	err       error
}

func (f *fake) Tail(app string, n int, w io.Writer) error {
	if f.err != nil {
		return f.err
	}
	if app != "demo" && app != "_unparsed" && app != "A.b-c" {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s %d\n", app, n)
	return err
}

func (f *fake) Destroy(app string) error {
	f.destroyed = append(f.destroyed, app)
	return f.err
}

func TestRequests(t *testing.T) {
	for _, c := range []struct {
		method, target string
		status         int
		body           string
	}{
		{"GET", "/demo", 200, "demo 100\n"},
		{"GET", "/demo/", 200, "demo 100\n"},
		{"GET", "/demo?log_lines=5", 200, "demo 5\n"},
		{"GET", "/demo/?log_lines=5", 200, "demo 5\n"},
		{"GET", "/demo?log_lines=0", 200, "demo 100\n"},
		{"GET", "/demo?log_lines=-1", 200, "demo 100\n"},
		{"GET", "/demo?log_lines=x", 200, "demo 100\n"},
		{"GET", "/demo?log_lines=", 200, "demo 100\n"},
		{"GET", "/_unparsed", 200, "_unparsed 100\n"},
		{"GET", "/A.b-c", 200, "A.b-c 100\n"},
		{"GET", "/nobody", 204, ""},
		{"GET", "/demo?other=1", 404, ""},
		{"GET", "/demo?log_lines=1&other=1", 404, ""},
		{"GET", "/demo?follow=0", 404, ""},
		{"GET", "/demo?follow=yes", 404, ""},
		{"GET", "/demo?follow=1&follow=1", 404, ""},
		{"GET", "/demo?follow=1&position=12", 404, ""},
		{"GET", "/demo?position=0123456789abcdef-0", 404, ""},
		{"GET", "/demo/more", 404, ""},
		{"GET", "/", 404, ""},
		{"GET", "/a%20b", 404, ""},
		{"GET", "/a%2fb", 404, ""},
		{"DELETE", "/demo", 200, ""},
		{"DELETE", "/nobody/", 200, ""},
		{"HEAD", "/demo", 400, ""},
		{"POST", "/demo", 400, ""},
		{"PUT", "/", 404, ""},
	} {
		w := httptest.NewRecorder()
		New(t.Context(), new(fake), slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(c.method, c.target, nil))
		if w.Code != c.status || c.status < 400 && w.Body.String() != c.body {
			t.Errorf("%s %s: %d %q", c.method, c.target, w.Code, w.Body)
		}
	}
}

func TestFailures(t *testing.T) {
	f := &fake{err: errors.New("disk away, at /data/logs")}
	for _, method := range []string{"GET", "DELETE"} {
		w := httptest.NewRecorder()
		New(t.Context(), f, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(method, "/demo", nil))
		if w.Code != 500 || strings.Contains(w.Body.String(), "/data") {
			t.Errorf("%s: %d %q", method, w.Code, w.Body)
		}
	}
}

// breaks in the middle of the answer.
type breaks struct{ fake }

func (breaks) Tail(_ string, _ int, w io.Writer) error {
	if _, err := w.Write(make([]byte, 100<<10)); err != nil {
		return err
	}
	return errors.New("read error")
}

// A client must not take half an answer for the whole.
func TestBreaksInTheMiddle(t *testing.T) {
	srv := httptest.NewUnstartedServer(New(t.Context(), new(breaks), slog.New(slog.DiscardHandler)))
	srv.Config.ErrorLog = nil
	srv.Start()
	defer srv.Close()
	resp, err := http.Get(srv.URL + "/demo")
	if err != nil {
		return // as good
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%d bytes and no error", len(b))
	}
}
