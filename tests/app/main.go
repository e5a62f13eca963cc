// App is what the tests push: a web server that can be slow, and that ends as
// its environment says when it gets SIGTERM. It can also be a worker, print
// the time (clock), look for what can be reached from where it runs (probe),
// play what is looked for (listen), and try to take others' addresses (spoof).
// Under the name of bash it is the shell of an image that has none, and knows
// only its own commands.
package main

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if filepath.Base(os.Args[0]) == "bash" && len(os.Args) == 3 { // bash -c 'app worker'
		os.Args = strings.Fields(os.Args[2])
	}
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "worker":
			work()
		case "clock":
			clock()
		case "probe":
			probe(os.Args[2:])
			return
		case "spoof":
			spoof(os.Args[2:])
			return
		case "listen":
			listen(os.Args[2:])
		}
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		for range term {
			log.Print("got SIGTERM")
			if os.Getenv("ON_TERM") != "ignore" {
				os.Exit(0)
			}
		}
	}()
	http.HandleFunc("/", hello)
	http.HandleFunc("/env", environment)
	http.HandleFunc("/echo", echo)
	http.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	if delay, err := time.ParseDuration(os.Getenv("START_DELAY")); err == nil {
		time.Sleep(delay)
	}
	if os.Getenv("FAIL") != "" {
		log.Fatal("told to fail: " + os.Getenv("FAIL"))
	}
	log.Printf("listening as %s", os.Getenv("DEIS_RELEASE"))
	log.Fatal(http.ListenAndServe(":5000", nil))
}

// work is the worker process: it does nothing but say so.
func work() {
	for n := 1; ; n++ {
		log.Printf("worked %d times", n)
		time.Sleep(time.Second)
	}
}

// clock prints the time in nanoseconds about fifty times a second, never in
// step with anything.
func clock() {
	for {
		fmt.Println(time.Now().UnixNano())
		time.Sleep(10*time.Millisecond + rand.N(20*time.Millisecond))
	}
}

// hello answers after ?ms= milliseconds.
func hello(w http.ResponseWriter, r *http.Request) {
	if ms, err := strconv.Atoi(r.URL.Query().Get("ms")); err == nil {
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
	log.Printf("asked for %s", r.URL.Path)
	fmt.Fprintf(w, "Powered by %s release %s\n", os.Getenv("POWERED_BY"), os.Getenv("DEIS_RELEASE"))
}

func environment(w http.ResponseWriter, _ *http.Request) {
	env := os.Environ()
	sort.Strings(env)
	fmt.Fprintln(w, strings.Join(env, "\n"))
}

// echo answers with the request's body and what the router said of it.
func echo(w http.ResponseWriter, r *http.Request) {
	if ms, err := strconv.Atoi(r.URL.Query().Get("ms")); err == nil {
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%s %s proto=%s for=%s\n", r.Method, body, r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-For"))
}
