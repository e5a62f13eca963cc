// Command example-go answers HTTP requests, or works in the background when it is told to.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/julienschmidt/httprouter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := serve
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		run = work
	}
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

// serve answers on $PORT until ctx ends, then finishes what it has begun.
func serve(ctx context.Context) error {
	routes := httprouter.New()
	routes.GET("/", hello)
	server := &http.Server{Addr: ":" + env("PORT", "5000"), Handler: routes, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		timeout, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		done <- server.Shutdown(timeout)
	}()
	log.Printf("listening on %s", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-done
}

func hello(w http.ResponseWriter, _ *http.Request, _ httprouter.Params) {
	host, _ := os.Hostname()
	fmt.Fprintf(w, "Powered by %s\nContainer %s, release %s\n", env("POWERED_BY", "Deis"), host, env("DEIS_RELEASE", "unknown"))
}

// work prints a line a minute, where a real worker would take jobs from a queue.
func work(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		log.Print("working")
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func env(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}
