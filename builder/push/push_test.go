package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/deis/deis/internal/httpapi"
)

func TestPrinterBeginsEachLine(t *testing.T) {
	var b bytes.Buffer
	p := newPrinter(&b, true)
	for _, part := range []string{"one\ntw", "o\n", "\n", "three"} {
		fmt.Fprint(p, part)
	}
	p.line("-----> Launching... ")
	p.warn("first\nsecond\n")
	want := "<one\n<two\n<\n<three\n<-----> Launching... \n< !     first\n< !     second\n"
	if got := strings.ReplaceAll(b.String(), overprint, "<"); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	b.Reset()
	newPrinter(&b, false).deployed("demo", 3, nil)
	if want := "       done, demo:v3 deployed to Deis\n\n       To learn more, use `deis help` or visit http://deis.io\n\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}

func TestLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l locks
		ctx := t.Context()
		for _, app := range []string{"a", "a", "b"} {
			if err := l.enter(ctx, app); err != nil {
				t.Fatal(err)
			}
		}
		if !l.push("a") || l.push("a") || !l.push("b") {
			t.Error("push is not one at a time, or not by app")
		}
		l.pushed("a")
		if !l.push("a") {
			t.Error("the lock is not free")
		}
		l.pushed("a")
		if done, _ := l.purge("a", 0, func() error { t.Error("purged while used"); return nil }); done {
			t.Error("done")
		}
		l.leave("a")
		l.leave("a")
		began, free := make(chan struct{}), make(chan struct{})
		go func() {
			_, _ = l.purge("a", 0, func() error { close(began); <-free; return nil })
		}()
		<-began
		entered := make(chan error, 2)
		go func() { entered <- l.enter(ctx, "a") }()
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if err := l.enter(gone, "a"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if done, _ := l.purge("a", 0, func() error { return nil }); done {
			t.Error("purged twice at once")
		}
		synctest.Wait()
		select {
		case <-entered:
			t.Error("entered while purged")
		default:
		}
		close(free)
		if err := <-entered; err != nil {
			t.Error(err)
		}
		l.leave("a")
		l.pushed("b")
		l.leave("b")
		if len(l.apps) != 0 {
			t.Error("locks are left:", len(l.apps))
		}
	})
}

func TestSentences(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&httpapi.Error{Status: http.StatusForbidden, Detail: "x"}, "bob may not push to demo"},
		{&httpapi.Error{Status: http.StatusNotFound, Detail: "x"}, "app demo does not exist"},
		{&httpapi.Error{Status: http.StatusUnauthorized}, "the controller does not accept this builder"},
		{&httpapi.Error{Status: http.StatusBadGateway, Detail: "gone"}, "could not read config: gone"},
		{errors.New("dial tcp 10.0.0.1: secret"), "the controller does not answer, try again in a moment"},
	} {
		if got := denied("bob", "demo", c.err).Error(); got != c.want {
			t.Errorf("%v: %q", c.err, got)
		}
	}
}

// FuzzReceive: what a hook hears from the socket is as it may be.
func FuzzReceive(f *testing.F) {
	f.Add([]byte(`{"text":"YQ=="}` + "\n" + `{"done":true,"reason":"no"}`))
	f.Add([]byte(`{"token":"x"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		m, err := receive(json.NewDecoder(bytes.NewReader(in)), &out)
		if err == nil && !m.Done && m.Token == "" {
			t.Fatal("neither an end nor an error")
		}
	})
}
