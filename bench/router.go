package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/deis/deis/internal/version"
)

var routerRow = row{name: "router", bars: []Bar{throughputBar, latencyBar}, measure: measureRouter}

var (
	throughputBar = Bar{What: "router: requests a second", Text: "≥ 0.90×", Allowed: factor(0.90, 0), AtLeast: true}
	latencyBar    = Bar{What: "router: p99", Text: "≤ 1.3×", Allowed: factor(1.3, 0)}
)

// peerConfig is the nginx of the router's image as one would write it by hand
// for one backend: what the router promises an app (headers, no buffering,
// compression, access log) and kept upstream connections.
const peerConfig = `user www-data;
daemon off;
error_log stderr notice;
worker_processes auto;
pid /tmp/nginx.pid;
events { worker_connections 4096; }
http {
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    gzip on;
    gzip_comp_level 5;
    gzip_disable "msie6";
    gzip_min_length 256;
    gzip_proxied any;
    gzip_types text/plain text/css application/json application/javascript application/xml image/svg+xml;
    gzip_vary on;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    keepalive_timeout 1300s;
    keepalive_requests 10000;
    log_format deis '[INFO] - [$time_local] - $remote_addr - $remote_user - $status - "$request" - $bytes_sent - "$http_referer" - '
                    '"$http_user_agent" - "bench" - $upstream_addr - $http_host - $upstream_response_time - $request_time';
    access_log /dev/stdout deis buffer=32k flush=1s;
    upstream app {
        server BACKEND:5000;
        keepalive 128;
        keepalive_requests 100000;
        keepalive_timeout 4s;
    }
    server {
        listen 127.0.0.1:PORT default_server;
        location / {
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_redirect off;
            proxy_connect_timeout 30s;
            proxy_send_timeout 1300s;
            proxy_read_timeout 1300s;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Port 80;
            proxy_set_header X-Forwarded-Ssl off;
            proxy_set_header Upgrade "";
            proxy_set_header Connection "";
        }
    }
}
`

// measureRouter asks an app that costs nothing through the router and through
// the nginx of peerConfig, by wrk, in turns.
func measureRouter(ctx context.Context, b *bench) ([]Line, error) {
	if err := b.installWrk(ctx); err != nil {
		return nil, err
	}
	a, err := b.deploy(ctx, "router", "./bench/backend", map[string]string{"Dockerfile": "FROM scratch\nCOPY app /app\nEXPOSE 5000\nCMD [\"/app\"]\n"})
	if err != nil {
		return nil, err
	}
	defer a.destroy()
	all, err := a.containers(ctx)
	if err != nil {
		return nil, err
	}
	backend, err := b.addressOf(ctx, all[0].ID)
	if err != nil {
		return nil, err
	}
	peer, err := b.startPeer(ctx, "bare-"+a.name, backend)
	if err != nil {
		return nil, err
	}
	seconds := 5
	if b.few {
		seconds = 2
	}
	beside := &proxy{bench: b, host: a.name + ".localhost", container: "bare-" + a.name, address: peer, seconds: seconds}
	router := &proxy{bench: b, host: beside.host, container: b.platform.Container("router"), address: "127.0.0.1:" + b.platform.Env["HTTP_PORT"], seconds: seconds}
	whole, err := router.round(ctx)
	if err != nil {
		return nil, err
	}
	// Nobody ships the peer's access log to the logger, so the router's stays too.
	if err := b.engine.ContainerPause(ctx, b.platform.Container("logspout")); err != nil {
		return nil, err
	}
	defer b.engine.ContainerUnpause(context.WithoutCancel(ctx), b.platform.Container("logspout"))
	router.p99, router.cost = nil, nil
	limit, ours, err := interleave(ctx, b.rounds(false), PerSecond, beside.round, router.round)
	if err != nil {
		return nil, err
	}
	const limitIs = "hand-tuned nginx with upstream keepalive"
	lines := []Line{
		throughputBar.against(limitIs, limit, ours),
		latencyBar.against(limitIs, NewSeries(Seconds, beside.p99[1:]), NewSeries(Seconds, router.p99[1:])),
	}
	note := fmt.Sprintf("wrk, 2 threads, 64 kept connections, %d s a round, 1 KB from a backend of a few system calls, all on the same cores; "+
		"both write the same access log, with logspout paused (shipping the router's to the logger as well, the platform answered %s); "+
		"processor time a request: %.1f µs, hand-tuned %.1f µs",
		seconds, PerSecond.Format(whole), 1e6*quantile(router.cost[1:], 0.5), 1e6*quantile(beside.cost[1:], 0.5))
	for i := range lines {
		lines[i].Note = note
	}
	return lines, b.removeBare(ctx)
}

// proxy is one of the two that are compared, and what its rounds showed beside
// their rate.
type proxy struct {
	*bench
	host, container, address string
	seconds                  int
	p99, cost                []float64 // seconds; seconds of a core for a request
}

// round asks through the proxy for some seconds.
func (p *proxy) round(ctx context.Context) (rate float64, err error) {
	before, err := p.usedBy(ctx, p.container)
	if err != nil {
		return 0, err
	}
	rate, p99, err := p.wrk(ctx, 64, p.seconds, "--header", "Host: "+p.host, "http://"+p.address+"/")
	if err != nil {
		return 0, err
	}
	after, err := p.usedBy(ctx, p.container)
	p.p99 = append(p.p99, p99)
	p.cost = append(p.cost, (after-before).Seconds()/(rate*float64(p.seconds)))
	return rate, err
}

// startPeer runs the hand-written nginx beside the router and gives its address.
func (b *bench) startPeer(ctx context.Context, name, backend string) (address string, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address = ln.Addr().String()
	if err := ln.Close(); err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	file := filepath.Join(b.dir, "nginx.conf")
	config := strings.NewReplacer("BACKEND", backend, "PORT", port).Replace(peerConfig)
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return "", err
	}
	args := []string{"run", "--detach", "--name", name, "--label", b.bareLabel(), "--network", "host", "--log-opt", "max-size=16m", "--log-opt", "max-file=3",
		"--volume", file + ":/nginx.conf:ro", "--entrypoint", "/usr/sbin/nginx", "deis/router:" + version.Platform, "-e", "stderr", "-c", "/nginx.conf"}
	if _, err := b.command(ctx, nil, "docker", args...); err != nil {
		return "", err
	}
	_, err = when(ctx, 50*time.Millisecond, "the hand-tuned nginx answers", func(ctx context.Context) bool {
		status, _ := fetch(ctx, b.direct, "http://"+address+"/")
		return status == http.StatusOK
	})
	return address, err
}

func (b *bench) installWrk(ctx context.Context) error {
	if _, err := exec.LookPath("wrk"); err == nil {
		return nil
	}
	_, err := b.command(ctx, []string{"DEBIAN_FRONTEND=noninteractive"}, "sh", "-c", "apt-get update -q && apt-get install -qy wrk")
	return err
}

var (
	wrkRate   = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkP99    = regexp.MustCompile(`(?m)^\s+99%\s+([0-9.]+[a-z]+)`)
	wrkFaults = regexp.MustCompile(`(?m)^\s*(Non-2xx.*|Socket errors.*)$`)
)

// wrk asks for some seconds; its last argument is a URL.
func (b *bench) wrk(ctx context.Context, connections, seconds int, args ...string) (rate, p99 float64, err error) {
	out, err := b.command(ctx, nil, "wrk", append([]string{"--threads", strconv.Itoa(wrkThreads), "--connections", strconv.Itoa(connections), "--duration", strconv.Itoa(seconds) + "s", "--latency"}, args...)...)
	if err != nil {
		return 0, 0, err
	}
	return parseWrk(out)
}

// wrkThreads share wrk's connections.
const wrkThreads = 2

// parseWrk reads what wrk printed; an answer other than 200 spoils the round.
func parseWrk(out string) (rate, p99 float64, err error) {
	if fault := wrkFaults.FindString(out); fault != "" {
		return 0, 0, fmt.Errorf("wrk: %s", strings.TrimSpace(fault))
	}
	r, p := wrkRate.FindStringSubmatch(out), wrkP99.FindStringSubmatch(out)
	if r == nil || p == nil {
		return 0, 0, fmt.Errorf("wrk printed neither rate nor latency:\n%s", out)
	}
	if rate, err = strconv.ParseFloat(r[1], 64); err != nil {
		return 0, 0, err
	}
	late, err := time.ParseDuration(p[1])
	return rate, late.Seconds(), err
}
