package logger

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deis/deis/internal/api"
)

// TestFollowAcrossRestarts follows an app through restarts of the logger, by
// the position alone, while lines come and segments rotate.
func TestFollowAcrossRestarts(t *testing.T) {
	f := start(t)
	const rounds, lines = 4, 500
	padding := strings.Repeat("x", 400) // a round is more than a segment
	var got, want []string
	query := "?follow=1"
	for round := range rounds {
		resp, err := http.Get("http://" + f.web + "/demo" + query)
		if err != nil {
			t.Fatal(err)
		}
		at, err := api.ParseLogPosition(resp.Header.Get(api.HeaderLogPosition))
		if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get(api.HeaderLogGap) != "" {
			t.Fatalf("round %d: %s %v %v", round, resp.Status, resp.Header, err)
		}
		for i := range lines {
			text := fmt.Sprintf("%d.%d", round, i)
			want = append(want, text)
			f.send("demo", text+" "+padding, time.Now())
		}
		in := bufio.NewReader(resp.Body)
		take := func() bool {
			line, err := in.ReadString('\n')
			if err != nil {
				return false // half a line does not count
			}
			if line == "\n" {
				return true
			}
			at = at.Add(len(line))
			_, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "]: ")
			got = append(got, strings.TrimSuffix(text, " "+padding))
			return true
		}
		for len(got) < len(want)-lines/2 { // the rest is cut, or comes after it
			if !take() {
				t.Fatalf("round %d ended after %d lines", round, len(got))
			}
		}
		f.eventually("all are stored", func() bool {
			_, last := f.request("GET", "/demo?log_lines=1")
			return strings.Contains(last, fmt.Sprintf("]: %d.%d ", round, lines-1))
		})
		f.stop()
		for round%2 == 0 && take() { // in the other rounds what is under way is thrown away
		}
		resp.Body.Close()
		query = "?follow=1&log_lines=0&position=" + at.String()
		f.run()
	}
	resp, err := http.Get("http://" + f.web + "/demo" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for in := bufio.NewReader(resp.Body); len(got) < len(want); {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "]: ")
		got = append(got, strings.TrimSuffix(text, " "+padding))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d lines, not the %d that were sent, once and in order", len(got), len(want))
	}
}
