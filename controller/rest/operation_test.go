package rest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/controller/deis"
)

// record sends a request without a network; there are no reason phrases.
func record(h http.Handler, method, path, body string) answer {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "token bob")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Result().Status, w.Result().Header, w.Body.String()}
}

const deploy = "POST /v1/apps/demo/builds HTTP/1.1\r\nHost: x\r\nAuthorization: token bob\r\n" +
	"Content-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"image\":\"nginx\"}"

// TestDeployOutlivesItsClient: a client that goes away does not cut a deploy
// in two, and serving ends only after it.
func TestDeployOutlivesItsClient(t *testing.T) {
	deploying, finish := make(chan context.Context, 1), make(chan struct{})
	f := &fake{createBuild: func(ctx context.Context) (deis.Build, int, error) {
		deploying <- ctx
		<-finish
		return build, 1, ctx.Err()
	}}
	api := New(Config{Log: quiet(), Metrics: prometheus.NewRegistry(), Controller: f})
	clients := make(chan context.Context, 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, quiet(), ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			clients <- r.Context()
			api.ServeHTTP(w, r)
		}))
	}()

	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, deploy); err != nil {
		t.Fatal(err)
	}
	client, operation := <-clients, <-deploying
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	<-client.Done() // the server has noticed
	if err := operation.Err(); err != nil {
		t.Error("the operation ended with its client:", err)
	}
	if _, ok := operation.Deadline(); !ok {
		t.Error("the operation has no deadline")
	}
	stop()
	select {
	case err := <-served:
		t.Fatal("serving ended before the operation:", err)
	default:
	}
	close(finish)
	if err := <-served; err != nil {
		t.Error(err)
	}
	if operation.Err() == nil {
		t.Error("the operation's context was not released")
	}
}

// TestReadEndsWithItsClient: nobody waits for what is only read.
func TestReadEndsWithItsClient(t *testing.T) {
	reading, ended := make(chan struct{}), make(chan error, 1)
	f := &fake{config: func(ctx context.Context) (deis.Config, error) {
		close(reading)
		<-ctx.Done()
		ended <- ctx.Err()
		return deis.Config{}, ctx.Err()
	}}
	c := serve(t, f, quiet())
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /v1/apps/demo/config HTTP/1.1\r\nHost: x\r\nAuthorization: token bob\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-reading
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
