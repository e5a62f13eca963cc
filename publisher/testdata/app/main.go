// App is what the publisher's tests run in containers: it listens on ADDR
// after DELAY, and answers /health with the status in HEALTH.
package main

import (
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	if d, err := time.ParseDuration(os.Getenv("DELAY")); err == nil {
		<-time.After(d)
	}
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if code, err := strconv.Atoi(os.Getenv("HEALTH")); err == nil {
			w.WriteHeader(code)
		}
	})
	if err := http.ListenAndServe(os.Getenv("ADDR"), nil); err != nil {
		os.Exit(1)
	}
}
