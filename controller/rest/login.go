package rest

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/controller/deis"
)

// client is the address that a request comes from, for counting. Routers say it
// in X-Forwarded-For, replacing what they were sent; they are on private
// addresses, or known. Who is none of them is taken for what its connection is
// from, whatever it says.
func (s *server) client(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // is one, but for tests' recorders
	from := peer.Addr().Unmap()
	if !from.IsLoopback() && !from.IsPrivate() && !from.IsLinkLocalUnicast() && (s.isRouter == nil || !s.isRouter(from)) {
		return from
	}
	forwarded := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	last := strings.TrimSpace(forwarded[strings.LastIndexByte(forwarded, ',')+1:])
	if said, err := netip.ParseAddr(last); err == nil {
		return said.Unmap()
	}
	return from
}

// Outcomes of logins, as counted.
const (
	loggedIn = "ok"
	refused  = "refused" // a wrong name or password, or an account that is disabled
	limited  = "limited" // too many before
	failed   = "failed"  // could not be decided
)

func newLogins() *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deis_controller_logins_total",
		Help: "Logins with a password: ok, refused, limited (too many wrong ones before) or failed.",
	}, []string{"outcome"})
	for _, outcome := range []string{loggedIn, refused, limited, failed} {
		v.WithLabelValues(outcome)
	}
	return v
}

// counting is a Controller whose logins are counted.
type counting struct {
	Controller
	logins *prometheus.CounterVec
}

func (c counting) Login(ctx context.Context, from netip.Addr, username, password string) (string, error) {
	token, err := c.Controller.Login(ctx, from, username, password)
	outcome := failed
	switch kind := deis.KindOf(err); {
	case err == nil:
		outcome = loggedIn
	case kind == deis.Invalid:
		outcome = refused
	case kind == deis.TooMany:
		outcome = limited
	}
	c.logins.WithLabelValues(outcome).Inc()
	return token, err
}
