package nginx

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/router/table"
)

var update = flag.Bool("update", false, "write the golden files")

var options = Options{
	Dir: "/run/deis-router", Modules: "/usr/lib/nginx/modules", Listen: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")},
	HTTPPort: 80, HTTPSPort: 443, SSHPort: 2222, HealthPort: 9090,
}

func build(kv map[string]string) *table.Table {
	s := etcd.State{Revision: 1, Keys: map[string]etcd.Entry{}}
	for k, v := range kv {
		s.Keys[k] = etcd.Entry{Value: v, Mod: 1}
	}
	return table.Build(s, nil)
}

func TestRenderGolden(t *testing.T) {
	full := build(map[string]string{
		"/deis/builder/host": "10.0.0.6", "/deis/builder/port": "2223", "/deis/store/gateway/host": "10.0.0.7", "/deis/store/gateway/port": "8888",
		"/deis/router/proxyProtocol": "1", "/deis/router/sslSessionCache": "shared:SSL:10m", "/deis/router/sslCiphers": "HIGH:!aNULL",
		"/deis/services/demo": "demo", "/deis/domains/deis-store.example.org": "demo",
	})
	full.TLS.Platform = &table.Pair{Cert: "CERT", Key: "KEY"}
	full.TLS.Domains = map[string]table.Pair{"www.example.org": {Cert: "CERT2", Key: "KEY2"}, strings.Repeat("a.", 60) + "org": {Cert: "CERT3", Key: "KEY3"}}
	full.TLS.DHParam = "DH"
	for name, tb := range map[string]*table.Table{"empty": build(nil), "full": full} {
		r := render(options, tb)
		got := []byte(r.files["nginx.conf"])
		golden := filepath.Join("testdata", name+".conf")
		if *update {
			if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(golden, got, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Errorf("%s differs (-update writes it):\n%s", golden, got)
		}
		if again := render(options, tb); again.id != r.id || !reflect.DeepEqual(again.files, r.files) {
			t.Error("not the same twice")
		}
	}
	if len(render(options, full).files) != 2+1+2*3 {
		t.Error("files:", render(options, full).files)
	}
}

// What changes without a reload must not change the configuration, and what
// does must be seen to.
func TestConfigDependsOn(t *testing.T) {
	base := build(map[string]string{"/deis/services/demo": "demo"})
	for key, changes := range map[string]bool{
		"/deis/services/demo/demo_v1.web.1": false, "/deis/services/other": false, "/deis/domains/www.example.org": false, "/deis/config/demo/deis_whitelist": false,
		"/deis/controller/host": false, "/deis/router/enforceHTTPS": true, "/deis/router/bodySize": true, "/deis/router/gzip": true,
	} {
		kv := map[string]string{"/deis/services/demo": "demo", key: "true"}
		switch key {
		case "/deis/router/bodySize":
			kv[key] = "2m"
		case "/deis/router/gzip":
			kv[key] = "off"
		case "/deis/domains/www.example.org":
			kv[key] = "demo"
		}
		next := build(kv)
		if render(options, next).id != render(options, base).id != (changes && key != "/deis/router/enforceHTTPS") {
			t.Error(key, "changes the configuration or does not")
		}
		if same := sameConfig(base, next); same == changes {
			t.Error(key, "sameConfig:", same)
		}
	}
}

func TestLiveAndDiff(t *testing.T) {
	tb := build(map[string]string{
		"/deis/services/demo": "demo", "/deis/services/demo/demo_v1.web.1": "10.0.0.1:5000", "/deis/services/demo/demo_v1.web.2": "[2001:db8::1]:80",
		"/deis/domains/www.example.org": "demo", "/deis/config/demo/deis_whitelist": "10.0.0.0/8", "/deis/controller/host": "10.0.0.5", "/deis/controller/port": "8000",
		"/deis/services/shut": "shut", "/deis/config/shut/deis_whitelist": "x", "/deis/router/hsts/enabled": "true",
	})
	got := live(tb, true)
	want := map[string]string{
		"conf":              `{"subdomain":"deis","api":["10.0.0.5",8000],"force_https":true,"hsts":"max-age=10886400","draining":true}`,
		"a:demo":            `{"peers":[["10.0.0.1",5000],["[2001:db8::1]",80]],"allow":[["0a000000",8]]}`,
		"a:shut":            `{"peers":[],"allow":[]}`,
		"d:www.example.org": "demo",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	c, changed := diff(map[string]string{"a": "1", "b": "2", "c": "3"}, map[string]string{"a": "1", "b": "9", "d": "4"}, 5)
	if !changed || c.Seq != 6 || c.Base != 5 || !reflect.DeepEqual(c.Set, map[string]string{"b": "9", "d": "4"}) || !reflect.DeepEqual(c.Del, []string{"c"}) {
		t.Error(c)
	}
	if _, changed := diff(want, got, 5); changed {
		t.Error("equal states differ")
	}
}

func TestRelayKeepsWholeLinesAndNeverWaits(t *testing.T) {
	dropped := prometheus.NewCounter(prometheus.CounterOpts{Name: "x"})
	r := newRelay(dropped)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var reader sync.WaitGroup
	reader.Go(func() { r.read(in) })
	line := strings.Repeat("x", 99) + "\n"
	for range 200000 { // 20 MB that nobody reads: more than the queue holds
		if _, err := io.WriteString(out, line); err != nil {
			t.Fatal(err)
		}
	}
	_ = out.Close()
	reader.Wait()
	var b bytes.Buffer
	r.flush(&b)
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	for _, l := range lines {
		if l != line[:99] {
			t.Fatalf("a line was torn: %q", l)
		}
	}
	if len(lines) == 200000 || len(lines) < relayQueue {
		t.Error(len(lines), "lines")
	}
}

func TestErrorLogLevels(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	logErrors(log, io.NopCloser(strings.NewReader(`2026/11/23 03:45:03 [error] 12#12: *3 connect() failed
nginx: [emerg] bind() to 127.0.0.1:80 failed
2026/11/23 03:45:03 [notice] 12#12: exiting
something else
`)))
	want := `level=WARN msg="nginx says" text="*3 connect() failed"
level=ERROR msg="nginx says" text="bind() to 127.0.0.1:80 failed"
level=INFO msg="nginx says" text=exiting
level=INFO msg="nginx says" text="something else"
`
	if b.String() != want {
		t.Error(b.String())
	}
}

func TestFolder(t *testing.T) {
	o := options
	o.Dir = filepath.Join(t.TempDir(), "run")
	f := folder{o}
	if err := f.prepare(); err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for _, body := range []string{"1m", "2m"} {
		r := render(o, build(map[string]string{"/deis/router/bodySize": body}))
		dir, err := f.write(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.use(dir); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(f.current())
		if err != nil || !strings.Contains(string(got), r.id) {
			t.Error(err)
		}
		dirs = append(dirs, dir)
	}
	f.prune(dirs[1])
	if _, err := os.Stat(dirs[0]); !os.IsNotExist(err) {
		t.Error("old configuration stays")
	}
	if _, err := os.Stat(f.current()); err != nil {
		t.Error(err)
	}
}
