package announce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/deis/deis/internal/retry"
)

const (
	fastInterval = 20 * time.Millisecond // while a container is young and does not answer
	youth        = 10 * time.Second
	slowInterval = time.Second     // while an older one does not answer, or one has begun to fail
	upInterval   = 5 * time.Second // while it answers
	fall         = 3               // failures in a row that end an announcement
)

// result is what a container's probe has come to.
type result struct {
	up     bool   // it may be announced
	ok     bool   // of the last probe
	detail string // of the last probe, for people
	wait   bool   // there was no probe yet, because of the initial delay
}

// prober asks one container again and again whether it answers.
type prober struct {
	target  target
	metrics metrics
	since   time.Time // when its youth began: its start, or the end of a pause
	up      bool      // from the start: it was announced before this process began
	client  http.Client
}

func newProber(t target, m metrics, since time.Time, up bool) *prober {
	p := &prober{target: t, metrics: m, since: since, up: up}
	p.client = http.Client{
		Timeout: t.timeout,
		Transport: &http.Transport{
			DialContext:       (&net.Dialer{Timeout: t.timeout}).DialContext,
			DisableKeepAlives: true,
		},
		// The publisher is on the host's network: a container must not send it elsewhere.
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if req.URL.Host != via[0].URL.Host || req.URL.Scheme != "http" || len(via) > 5 {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
	return p
}

// run calls report after each probe that says something new, and first of all
// when the first is done, until ctx ends.
func (p *prober) run(ctx context.Context, report func(result)) {
	if p.target.check != nil {
		if wait := time.Until(p.target.started.Add(p.target.delay)); wait > 0 {
			report(result{up: p.up, detail: "waiting for the initial delay", wait: true})
			if retry.Sleep(ctx, wait) != nil {
				return
			}
			p.since = time.Now() // those that wait long are asked often only then
		}
	}
	failures, last := 0, result{}
	for first := true; ; first = false {
		err := p.probe(ctx)
		if ctx.Err() != nil {
			return
		}
		now := result{ok: err == nil}
		if err != nil {
			failures++
			now.detail = err.Error()
		} else {
			failures = 0
		}
		now.up = now.ok || p.up && failures < fall
		p.up = now.up
		if first || now != last {
			report(now)
		}
		last = now
		if retry.Sleep(ctx, p.pause(now)) != nil {
			return
		}
	}
}

func (p *prober) pause(r result) time.Duration {
	switch {
	case r.ok:
		return upInterval
	case !r.up && time.Since(p.since) < youth:
		return fastInterval
	}
	return slowInterval
}

func (p *prober) probe(ctx context.Context) error {
	began := time.Now()
	err := p.ask(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	p.metrics.probes.WithLabelValues(outcome).Observe(time.Since(began).Seconds())
	return err
}

func (p *prober) ask(ctx context.Context) error {
	if p.target.check == nil {
		conn, err := (&net.Dialer{Timeout: p.target.timeout}).DialContext(ctx, "tcp", p.target.addr.String())
		if err != nil {
			return err
		}
		return conn.Close()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.target.check.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "deis-publisher")
	resp, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("failed to connect to container (%s)", why(err))
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the app can finish its answer
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("app failed health check (got '%d', expected: '200')", resp.StatusCode)
	}
	return nil
}

// why says what kept a request from being answered, in the same words each
// time: the port from which it came is no news.
func why(err error) string {
	var op *net.OpError
	var call *url.Error
	switch {
	case errors.As(err, &op) && op.Addr != nil:
		return fmt.Sprintf("%s %s: %v", op.Op, op.Addr, op.Err)
	case errors.As(err, &call) && call.Timeout():
		return "no answer in time"
	case errors.As(err, &call):
		return call.Err.Error()
	}
	return err.Error()
}
