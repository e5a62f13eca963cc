package nginx

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/deis/deis/router/table"
)

// liveApp is an app in the shared dictionary, under a:<app>. A peer is
// [host, port, true if stale].
type liveApp struct {
	Peers [][]any   `json:"peers"`
	Allow *[][2]any `json:"allow,omitempty"`
}

// liveConf is what concerns all requests, under conf.
type liveConf struct {
	Subdomain  string    `json:"subdomain"`
	API        []any     `json:"api,omitempty"`
	APIAllow   *[][2]any `json:"api_allow,omitempty"`
	ForceHTTPS bool      `json:"force_https,omitempty"`
	ForceAllow bool      `json:"force_allow,omitempty"`
	HSTS       string    `json:"hsts,omitempty"`
	Draining   bool      `json:"draining,omitempty"`
}

// live makes the entries of the shared dictionary from a table: conf, an entry
// for each app, and d:<domain> for each custom domain.
func live(t *table.Table, draining bool) map[string]string {
	s := t.Settings
	entries := make(map[string]string, len(t.Apps)+len(t.Domains)+1)
	c := liveConf{
		Subdomain: s.Subdomain, APIAllow: allow(s.APIAllow), Draining: draining,
		ForceHTTPS: s.EnforceHTTPS, ForceAllow: s.EnforceWhitelist, HSTS: s.HSTS.Header(),
	}
	if t.API.IsValid() {
		c.API = peer(t.API, false)
	}
	entries["conf"] = encode(c)
	for name, app := range t.Apps {
		a := liveApp{Peers: [][]any{}, Allow: allow(app.Allow)}
		for _, e := range app.Endpoints {
			a.Peers = append(a.Peers, peer(e.Addr, e.Stale))
		}
		entries["a:"+name] = encode(a)
	}
	for domain, app := range t.Domains {
		entries["d:"+domain] = app
	}
	return entries
}

// peer is an address as the balancer wants it: IPv6 in brackets.
func peer(a netip.AddrPort, stale bool) []any {
	host := a.Addr().Unmap().String()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if stale {
		return []any{host, a.Port(), true}
	}
	return []any{host, a.Port()}
}

// allow writes prefixes as pairs of the address in hex and its bits.
func allow(list *[]netip.Prefix) *[][2]any {
	if list == nil {
		return nil
	}
	out := [][2]any{}
	for _, p := range *list {
		out = append(out, [2]any{hex.EncodeToString(p.Masked().Addr().AsSlice()), p.Bits()})
	}
	return &out
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and booleans
	}
	return string(b)
}

// change is one step of the shared dictionary, from base to seq. Without base
// it is the whole.
type change struct {
	Seq  int64             `json:"seq"`
	Base int64             `json:"base,omitempty"`
	Set  map[string]string `json:"set"`
	Del  []string          `json:"del"`
}

// diff is the change that leads from what was fed to what is wanted; ok is
// false if they are equal.
func diff(fed, wanted map[string]string, seq int64) (c change, ok bool) {
	c = change{Seq: seq + 1, Base: seq, Set: map[string]string{}, Del: []string{}}
	for k, v := range wanted {
		if old, ok := fed[k]; !ok || old != v {
			c.Set[k] = v
		}
	}
	for k := range fed {
		if _, ok := wanted[k]; !ok {
			c.Del = append(c.Del, k)
		}
	}
	return c, len(c.Set)+len(c.Del) > 0
}

// controlTimeout bounds one call to nginx's control socket.
const controlTimeout = 5 * time.Second

var errOutOfStep = errors.New("the dictionary is not where it was left")

// control speaks to nginx over its unix socket.
type control struct{ http http.Client }

func newControl(socket string) *control {
	return &control{http.Client{
		Timeout: controlTimeout,
		Transport: &http.Transport{
			// A new connection each time: after a reload it reaches the new workers.
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			},
		},
	}}
}

func (c *control) call(ctx context.Context, method, path string, body []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://nginx"+path, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return "", err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return string(answer), nil
	case http.StatusConflict:
		return "", errOutOfStep
	}
	return "", fmt.Errorf("nginx answers %s to %s", resp.Status, path)
}

func (c *control) feed(ctx context.Context, ch change) error {
	b, err := json.Marshal(ch)
	if err != nil {
		return err
	}
	_, err = c.call(ctx, http.MethodPost, "/feed", b)
	return err
}

// Endpoint is one that a worker dropped because it refused a connection.
type Endpoint struct {
	App  string
	Addr netip.AddrPort
}

func (c *control) gone(ctx context.Context) ([]Endpoint, error) {
	answer, err := c.call(ctx, http.MethodGet, "/gone", nil)
	if err != nil {
		return nil, err
	}
	var list []Endpoint
	for line := range strings.Lines(answer) {
		app, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		addr, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, fmt.Errorf("nginx names %q", text)
		}
		list = append(list, Endpoint{App: app, Addr: addr})
	}
	return list, nil
}
