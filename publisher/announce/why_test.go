package announce

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What a failed check is called does not change from one probe to the next:
// each change is written into etcd and the app's log.
func TestFailuresToConnectAreCalledTheSame(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		if r.URL.Path == "/reset" {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
		_ = conn.Close()
	}))
	defer srv.Close()
	defer close(hang)
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, test := range []struct{ at, path, want string }{
		{closed.Listener.Addr().String(), "/", "failed to connect to container (dial " + closed.Listener.Addr().String() + ": connect: connection refused)"},
		{srv.Listener.Addr().String(), "/close", "failed to connect to container (EOF)"},
		{srv.Listener.Addr().String(), "/reset", "failed to connect to container (read " + srv.Listener.Addr().String() + ": read: connection reset by peer)"},
		{srv.Listener.Addr().String(), "/hang", "failed to connect to container (no answer in time)"},
	} {
		p := newProber(target{
			addr: netip.MustParseAddrPort(test.at), check: &url.URL{Scheme: "http", Host: test.at, Path: test.path}, timeout: 200 * time.Millisecond,
		}, newMetrics(prometheus.NewRegistry()), time.Now(), false)
		for range 3 {
			if err := p.ask(t.Context()); err == nil || err.Error() != test.want {
				t.Errorf("%s: %v, want %s", test.path, err, test.want)
			}
		}
	}
}
