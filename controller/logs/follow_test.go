package logs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
)

// followed is the logger's answer to followers.
func followed(w http.ResponseWriter, r *http.Request, q url.Values) {
	switch r.URL.Path {
	case "/demo":
		w.Header().Set("Deis-Log-Position", "0123456789abcdef-7")
		w.Header().Set("Deis-Log-Gap", "5")
		fmt.Fprintf(w, "lines=%s position=%s\n", q.Get("log_lines"), q.Get("position"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case "/busy":
		http.Error(w, "too many", http.StatusServiceUnavailable)
	case "/old": // a logger that does not know how to follow
		fmt.Fprintln(w, "a line")
	case "/slow":
		<-r.Context().Done()
	default:
		http.Error(w, "broken", http.StatusInternalServerError)
	}
}

func TestFollow(t *testing.T) {
	l, srv := open(t, true)
	at := api.LogPosition{Log: "fedcba9876543210", Offset: 3}
	for want, from := range map[string]deis.LogStart{
		"lines=0 position=\n":                   {},
		"lines=9 position=fedcba9876543210-3\n": {Lines: 9, Position: &at},
	} {
		log, err := l.Follow(t.Context(), "demo", from)
		if err != nil || log.Gap != "5" || log.Position != (api.LogPosition{Log: "0123456789abcdef", Offset: 7}) {
			t.Fatalf("%+v %v", log, err)
		}
		in := bufio.NewReader(log)
		if line, err := in.ReadString('\n'); line != want || err != nil {
			t.Errorf("%q %v", line, err)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		if _, err := in.ReadByte(); err == nil {
			t.Error("reads on after its end")
		}
	}
	for _, app := range []string{"broken", "old"} {
		_, err := l.Follow(t.Context(), app, deis.LogStart{})
		isAccessError(t, err, app)
	}
	if _, err := l.Follow(t.Context(), "busy", deis.LogStart{}); deis.KindOf(err) != deis.Unavailable {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := l.Follow(ctx, "slow", deis.LogStart{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	log, err := l.Follow(ctx, "demo", deis.LogStart{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cancel()
	if _, err := io.Copy(io.Discard, log); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	srv.CloseClientConnections()
	srv.Close()
	_, err = l.Follow(t.Context(), "demo", deis.LogStart{})
	isAccessError(t, err, "demo")
}

// A logger that hangs is not waited for forever.
func TestFollowSilence(t *testing.T) {
	l, _ := open(t, true)
	log, err := l.Follow(t.Context(), "demo", deis.LogStart{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	log.ReadCloser.(*live).silence = 10 * time.Millisecond
	if _, err := io.Copy(io.Discard, log); err == nil {
		t.Error("ended as if that were all")
	}
}

func TestFollowWithoutLogger(t *testing.T) {
	l, _ := open(t, false)
	_, err := l.Follow(t.Context(), "demo", deis.LogStart{})
	isAccessError(t, err, "demo")
}
