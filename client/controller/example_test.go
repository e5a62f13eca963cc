package controller_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/deis/deis/client/controller"
)

// standIn answers as a controller does that has one app, demo.
func standIn() *httptest.Server {
	mux := http.NewServeMux()
	answer := func(pattern string, status int, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("DEIS_API_VERSION", "1.7")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	answer("POST /v1/auth/login/", 200, `{"token":"abc"}`)
	answer("GET /v1/apps/demo/", 200, `{"uuid":"u","id":"demo","owner":"bob","url":"demo.example.com","structure":{"web":1}}`)
	answer("POST /v1/apps/demo/scale/", 204, "")
	answer("GET /v1/apps/demo/containers/", 200, `{"count":2,"next":null,"previous":null,"results":[`+
		`{"release":"v3","type":"web","num":1,"state":"up"},{"release":"v3","type":"web","num":2,"state":"up"}]}`)
	answer("/", 404, `{"detail":"Not found"}`)
	return httptest.NewServer(mux)
}

// A program logs in, scales an app and says what runs.
func Example() {
	server := standIn()
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute) // a deploy takes its time
	defer cancel()

	anonymous, err := controller.New(controller.Options{URL: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := anonymous.Login(ctx, "bob", "secret")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := controller.New(controller.Options{URL: server.URL, Token: token})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := c.Scale(ctx, "demo", map[string]int{"web": 2}); err != nil {
		fmt.Println(err)
		return
	}
	page, err := c.ListContainers(ctx, "demo", 100)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range page.Results {
		fmt.Printf("%s.%d is %s (%s)\n", p.Type, p.Num, p.State, p.Release)
	}
	_, err = c.App(ctx, "dmeo")
	fmt.Println("no such app:", controller.IsNotFound(err))
	// Output:
	// web.1 is up (v3)
	// web.2 is up (v3)
	// no such app: true
}
