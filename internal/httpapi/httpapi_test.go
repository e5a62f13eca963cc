package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWrapWritesErrors(t *testing.T) {
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	for name, c := range map[string]struct {
		err    error
		status int
		body   string
		logged bool
	}{
		"detail":   {Errorf(404, "Not found"), 404, `{"detail":"Not found"}`, false},
		"fields":   {&Error{Status: 400, Fields: map[string][]string{"id": {"This field must be unique."}}}, 400, `{"id":["This field must be unique."]}`, false},
		"internal": {errors.New("pq: secret"), 500, `{"detail":"Something went wrong on the server."}`, true},
		"503":      {&Error{Status: 503, Detail: "no <b>", Cause: errors.New("why")}, 503, `{"detail":"no <b>"}`, true},
	} {
		logged.Reset()
		w := httptest.NewRecorder()
		Wrap(log, func(http.ResponseWriter, *http.Request) error { return c.err }).ServeHTTP(w, httptest.NewRequest("GET", "/x", nil))
		if w.Code != c.status || w.Body.String() != c.body || (logged.Len() > 0) != c.logged {
			t.Errorf("%s: %d %s, logged %q", name, w.Code, w.Body, logged.String())
		}
		if strings.Contains(w.Body.String(), "secret") {
			t.Error(name + " shows its cause")
		}
	}
}

func TestServeWaitsForRequests(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	entered, finish := make(chan struct{}), make(chan struct{})
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-finish
			_, _ = io.WriteString(w, "whole")
		}))
	}()
	got := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + ln.Addr().String())
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		got <- string(b)
	}()
	<-entered
	cancel()
	close(finish)
	if body := <-got; body != "whole" {
		t.Error(body)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
