package images

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/deis/deis/controller/deis"
)

const right = "it's right: \"£\"\n"

// gate stands before a registry and lets in who knows the password.
type gate struct {
	*httptest.Server
	addr string

	mu    sync.Mutex
	shown []string // Authorization headers that came here
}

// newGate starts a server that answers by next after it has noted what it was
// shown.
func newGate(t *testing.T, ip string, next http.Handler) *gate {
	t.Helper()
	g := &gate{}
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if auth := r.Header.Get("Authorization"); auth != "" {
			g.mu.Lock()
			g.shown = append(g.shown, auth)
			g.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	}))
	serve(t, g.Server, ip)
	g.addr = g.Listener.Addr().String()
	return g
}

// saw takes what was shown since the last time.
func (g *gate) saw() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer func() { g.shown = nil }()
	return g.shown
}

func knows(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	return ok && user == "robot" && password == right
}

// basic asks for the password itself.
func basic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !knows(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bearer asks for a token, which another server gives to who knows the
// password: auth.example.com, where a private address would not be believed.
func bearer(t *testing.T, i *Images, next http.Handler) http.Handler {
	const token = "let-me-in"
	service := newGate(t, "127.0.0.3", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !knows(r) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if scope := r.FormValue("scope"); scope != "repository:team/tool:pull" {
			t.Errorf("asked for %q", scope)
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"token": token})
	}))
	transport := i.external.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == "auth.example.com:443" {
			addr = service.addr
		}
		return dial(ctx, network, addr)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://auth.example.com/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func login(registry, password string) []deis.Login {
	return []deis.Login{
		{Registry: "registry.example.com", Username: "robot", Password: "of another registry"},
		{Registry: registry, Username: "robot", Password: deis.Secret(password)},
	}
}

func TestCredentials(t *testing.T) {
	for name, guard := range map[string]func(*testing.T, *Images, http.Handler) http.Handler{
		"basic": func(_ *testing.T, _ *Images, next http.Handler) http.Handler { return basic(next) },
		"token": bearer,
	} {
		t.Run(name, func(t *testing.T) {
			r, store := newRegistry(t, "127.0.0.1"), newRegistry(t, "127.0.0.2")
			img := store.push("team/tool:1", v1.Config{Env: []string{"B=2"}})
			// Large things are redirected to another host, as the large registries do.
			elsewhere := newGate(t, "127.0.0.2", store.Config.Handler)
			redirecting := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if strings.Contains(req.URL.Path, "/blobs/") {
					http.Redirect(w, req, "https://"+elsewhere.addr+req.URL.Path, http.StatusTemporaryRedirect)
					return
				}
				store.Config.Handler.ServeHTTP(w, req)
			})
			i := r.images(func(a netip.Addr) bool { return a != netip.MustParseAddr("127.0.0.1") })
			private := newGate(t, "127.0.0.2", guard(t, i, redirecting))

			release := func(logins []deis.Login) (string, error) {
				in := external(2, private.addr+"/team/tool:1")
				in.Logins = logins
				return i.Release(t.Context(), in)
			}
			fails := func(what string, logins []deis.Login, why string) {
				t.Helper()
				_, err := release(logins)
				want := "The image " + private.addr + "/team/tool:1 could not be fetched: " + why + "."
				kind(t, err, deis.Unavailable, want)
				if err != nil && strings.Contains(fmt.Sprintf("%v %+v", err, err), right[:10]) {
					t.Errorf("%s: the password is in the error: %v", what, err)
				}
				if tags := r.tags("demo"); len(tags) != 0 {
					t.Errorf("%s: something was stored: %v", what, tags)
				}
			}
			fails("none", nil, "its registry does not have it, or not for everybody")
			fails("another's", login("registry.example.com:5000", right), "its registry does not have it, or not for everybody")
			if shown := private.saw(); len(shown) != 0 {
				t.Error("another registry's credentials were shown:", shown)
			}
			fails("wrong", login(private.addr, "wrong"), "its registry refuses the app's credentials")

			digest, err := release(login(private.addr, right))
			must(t, err)
			copied, err := remote.Image(r.ref("demo@" + digest))
			must(t, err)
			if got, want := layers(t, copied), layers(t, img); len(got) != len(want) || got[0] != want[0] {
				t.Error("layers differ")
			}
			if shown := elsewhere.saw(); len(shown) != 0 {
				t.Error("the host of a redirect was shown", shown)
			}
			config, _ := r.config("demo:v2")
			if text := fmt.Sprintf("%+v", config); strings.Contains(text, "robot") || strings.Contains(text, right[:10]) {
				t.Error("credentials are in the image:", text)
			}
		})
	}
}

// What names mean to people and to the registry's protocol is not the same.
func TestLoginFor(t *testing.T) {
	i := newRegistry(t, "127.0.0.1").images(nil)
	logins := []deis.Login{{Registry: "docker.io", Username: "a"}, {Registry: "quay.io", Username: "b"}, {Registry: "quay.io:5000", Username: "c"}}
	for image, want := range map[string]string{
		"redis:7": "a", "ann/tool": "a", "docker.io/ann/tool": "a", "index.docker.io/ann/tool:1": "a",
		"quay.io/ann/tool": "b", "QUAY.io/ann/tool": "b", "quay.io:5000/ann/tool": "c", "quay.io:443/ann/tool": "", "sub.quay.io/ann/tool": "",
		"ghcr.io/ann/tool": "",
	} {
		ref, err := i.foreign(t.Context(), image)
		must(t, err)
		auth, err := loginFor(ref.Context().RegistryStr(), logins).Authorization()
		must(t, err)
		if auth.Username != want {
			t.Errorf("%s: %q, want %q", image, auth.Username, want)
		}
	}
}
