package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/mirror"
	"github.com/deis/deis/controller/postgres"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/pgtest"
	"github.com/deis/deis/internal/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// records are a truth that tests change, and that can be made to fail or wait.
type records struct {
	mu    sync.Mutex
	apps  []string
	keys  []deis.Key
	certs []deis.Pair
	err   error
	reads int
	hook  func() // called by each read, before it
}

func (r *records) State(_ context.Context, _ []string, parts ...deis.Part) (apps []string, domains []deis.Domain, keys []deis.Key, certs []deis.Pair, configs []deis.Config, err error) {
	r.mu.Lock()
	hook := r.hook
	r.mu.Unlock()
	if hook != nil {
		hook()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	asked := func(kind deis.PartKind, name string) bool {
		return len(parts) == 0 || slices.ContainsFunc(parts, func(p deis.Part) bool { return p.Kind == kind && p.Name == name })
	}
	for _, app := range r.apps {
		if asked(deis.PartApp, app) {
			apps = append(apps, app)
		}
	}
	for _, k := range r.keys {
		if asked(deis.PartKey, k.Fingerprint) {
			keys = append(keys, k)
		}
	}
	for _, c := range r.certs {
		if asked(deis.PartCert, c.CommonName) {
			certs = append(certs, c)
		}
	}
	return apps, nil, keys, certs, nil, r.err
}

func (r *records) set(change func(r *records)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

func run(t testing.TB, r mirror.Records, kv *etcd.KV) *mirror.Mirror {
	t.Helper()
	m := mirror.New(r, kv, quiet, prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return m
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, kv *etcd.KV, keys ...string) {
	t.Helper()
	for _, k := range keys {
		_, err := kv.Put(t.Context(), k, "x")
		must(t, err)
	}
}

// has checks which keys etcd has.
func has(t testing.TB, kv *etcd.KV, want ...string) {
	t.Helper()
	s, err := kv.List(t.Context(), "/deis/")
	must(t, err)
	got := slices.Sorted(maps.Keys(s.Keys))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if retry.Until(ctx, 5*time.Millisecond, func(context.Context) (bool, error) { return cond(), nil }) != nil {
		t.Fatalf("not in 30 s: %s", what)
	}
}

func TestMirrorTouchesNothingForeign(t *testing.T) {
	kv := etcdtest.New(t)
	foreign := []string{
		"/deis/services/demo/demo_v2.web.1", "/deis/services/gone/gone_v2.web.1", "/deis/certsetc",
		"/deis/builder/host", "/deis/builder/usersettings", "/deis/controller/builderKey", "/deis/platform/domain",
		"/deis/publisher/withdraw/gone/gone_v2.web.1", "/deis/publisher/checks/gone/gone_v2.web.1",
		"/deis/router/hosts/h", "/deis/logs/host", "/deis/configuration", "/deis/domainsetc",
	}
	put(t, kv, foreign...)
	put(t, kv, "/deis/services/gone", "/deis/domains/gone.org", "/deis/builder/users/gone/aa", "/deis/config/gone/deis_whitelist", "/deis/certs/gone.org/cert", "/deis/certs/gone.org/key")
	m := run(t, &records{apps: []string{"demo"}, keys: []deis.Key{{Owner: "bob", Fingerprint: "aa", Public: "p"}}}, kv)
	must(t, m.Update(t.Context()))
	has(t, kv, append(foreign, "/deis/services/demo", "/deis/builder/users/bob/aa", "/deis/controller/mirrored")...)
}

func TestPassOverWhatIsRightWritesNothing(t *testing.T) {
	kv := etcdtest.New(t)
	m := run(t, &records{apps: []string{"a", "b"}}, kv)
	must(t, m.Update(t.Context()))
	before, err := kv.Revision(t.Context())
	must(t, err)
	for range 5 {
		must(t, m.Update(t.Context()))
	}
	if after, err := kv.Revision(t.Context()); after != before || err != nil {
		t.Error(before, after, err)
	}
}

// An update of one part neither reads nor writes the others; what is wrong
// there waits for a pass over all.
func TestUpdateOfAPart(t *testing.T) {
	kv := etcdtest.New(t)
	r := &records{apps: []string{"a"}}
	m := run(t, r, kv)
	must(t, m.Update(t.Context()))
	put(t, kv, "/deis/services/gone", "/deis/domains/gone.org", "/deis/builder/users/gone/aa")
	r.set(func(r *records) {
		r.apps = []string{"b"}
		r.keys = []deis.Key{{Owner: "bob", Fingerprint: "aa", Public: "p"}}
		r.certs = []deis.Pair{{CommonName: "x.org", Chain: "C", Key: "K"}, {CommonName: "y.org", Chain: "C", Key: "K"}}
	})
	bobs := deis.Part{Kind: deis.PartKey, Owner: "bob", Name: "aa"}
	wrong := []string{"/deis/services/gone", "/deis/domains/gone.org", "/deis/builder/users/gone/aa", "/deis/controller/mirrored"}
	must(t, m.Update(t.Context(), bobs))
	has(t, kv, append(wrong, "/deis/services/a", "/deis/builder/users/bob/aa")...)
	must(t, m.Update(t.Context(), deis.Part{Kind: deis.PartApp, Name: "a"}, deis.Part{Kind: deis.PartApp, Name: "b"}, deis.Part{Kind: deis.PartCert, Name: "x.org"}))
	has(t, kv, append(wrong, "/deis/services/b", "/deis/builder/users/bob/aa", "/deis/certs/x.org/cert", "/deis/certs/x.org/key")...)
	r.set(func(r *records) { r.keys, r.certs = nil, r.certs[1:] })
	must(t, m.Update(t.Context(), bobs, deis.Part{Kind: deis.PartCert, Name: "x.org"}))
	has(t, kv, append(wrong, "/deis/services/b")...)
	must(t, m.Update(t.Context()))
	has(t, kv, "/deis/services/b", "/deis/certs/y.org/cert", "/deis/certs/y.org/key", "/deis/controller/mirrored")
}

func TestAnswers(t *testing.T) {
	srv := etcdtest.Start(t)
	m := run(t, &records{apps: []string{"a"}}, srv.Dial())
	must(t, m.Update(t.Context()))
	must(t, m.Answers(t.Context()))
	srv.Stop()
	eventually(t, "it is told that etcd is away", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := m.Answers(ctx)
		var e *deis.Error
		return errors.As(err, &e) && e.Kind == deis.Unavailable && e.Detail == "etcd is not available."
	})
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Answers(canceled); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	srv.Restart()
	must(t, m.Answers(t.Context()))
}

// A pass over a part that failed is made up for, whatever is asked for next.
func TestFailedPartIsRepeated(t *testing.T) {
	kv := etcdtest.New(t)
	r := &records{}
	m := run(t, r, kv)
	must(t, m.Update(t.Context()))
	r.set(func(r *records) {
		r.err = &deis.Error{Kind: deis.Unavailable, Detail: "The database is not available."}
		r.apps = []string{"a"}
		r.keys = []deis.Key{{Owner: "bob", Fingerprint: "aa", Public: "p"}}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := m.Update(ctx, deis.Part{Kind: deis.PartKey, Owner: "bob", Name: "aa"}); deis.KindOf(err) != deis.Unavailable {
		t.Fatal(err)
	}
	r.set(func(r *records) { r.err = nil })
	must(t, m.Update(t.Context(), deis.Part{Kind: deis.PartApp, Name: "a"}))
	has(t, kv, "/deis/services/a", "/deis/builder/users/bob/aa", "/deis/controller/mirrored")
}

func TestEmptiedEtcdIsFilledAgain(t *testing.T) {
	kv := etcdtest.New(t)
	m := run(t, &records{apps: []string{"a"}}, kv)
	must(t, m.Update(t.Context()))
	must(t, kv.DeletePrefix(t.Context(), "/deis/"))
	must(t, m.Update(t.Context()))
	has(t, kv, "/deis/services/a", "/deis/controller/mirrored")
}

// TestCertAndKeyChangeTogether: at no revision does etcd have a certificate
// with another one's key, or one of the two alone.
func TestCertAndKeyChangeTogether(t *testing.T) {
	kv := etcdtest.New(t)
	r := &records{}
	m := run(t, r, kv)
	pairs := [][]deis.Pair{nil}
	for i := range 4 {
		pairs = append(pairs, []deis.Pair{{CommonName: "x.org", Chain: fmt.Sprint(i), Key: fmt.Sprint(i)}, {CommonName: "y.org", Chain: fmt.Sprint(-i), Key: fmt.Sprint(-i)}})
	}
	pairs = append(pairs, nil)
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan string, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- etcd.Follow(ctx, kv, []string{"/deis/certs/"}, func(_ context.Context, s etcd.State) error {
			for _, cn := range []string{"x.org", "y.org"} {
				cert, key := s.Keys["/deis/certs/"+cn+"/cert"], s.Keys["/deis/certs/"+cn+"/key"]
				if cert.Mod != key.Mod || cert.Value != key.Value {
					t.Errorf("at revision %d: %v with %v", s.Revision, cert, key)
				}
			}
			seen <- s.Keys["/deis/certs/x.org/cert"].Value
			return nil
		})
	}()
	for _, p := range pairs {
		r.set(func(r *records) { r.certs = p })
		must(t, m.Update(t.Context()))
		want := ""
		if p != nil {
			want = p[0].Chain
		}
		for got := <-seen; got != want; got = <-seen {
		}
	}
	cancel()
	<-ended
}

func TestUpdatesSharePassesThatBeganAfterThem(t *testing.T) {
	kv := etcdtest.New(t)
	r := &records{}
	m := run(t, r, kv)
	must(t, m.Update(t.Context()))

	// Hold a pass before it reads, and let many callers come meanwhile.
	entered, release := make(chan struct{}, 1), make(chan struct{})
	r.set(func(r *records) {
		r.reads = 0
		r.hook = func() {
			select {
			case entered <- struct{}{}:
				<-release
			default:
			}
		}
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := m.Update(t.Context()); err != nil {
			t.Error(err)
		}
	})
	<-entered
	const callers = 50
	began := make(chan struct{}, callers)
	for i := range callers {
		wg.Go(func() {
			app := fmt.Sprint("app", i)
			r.set(func(r *records) { r.apps = append(r.apps, app) })
			began <- struct{}{}
			if err := m.Update(t.Context()); err != nil {
				t.Error(err)
			}
			if v, ok, err := kv.Get(t.Context(), "/deis/services/"+app); v.Value != app || !ok || err != nil {
				t.Errorf("%s is not in etcd after Update: %v", app, err)
			}
		})
	}
	for range callers {
		<-began
	}
	close(release)
	wg.Wait()
	r.set(func(r *records) {
		if r.reads > 10 { // 2, if all callers got as far as Update before the release
			t.Errorf("%d passes for %d callers", r.reads, callers)
		}
	})
}

func TestUpdateWithoutDatabase(t *testing.T) {
	kv := etcdtest.New(t)
	away := &deis.Error{Kind: deis.Unavailable, Detail: "The database is not available."}
	r := &records{apps: []string{"a"}, err: away}
	m := run(t, r, kv)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := m.Update(ctx)
	var e *deis.Error
	if !errors.As(err, &e) || e.Kind != deis.Unavailable || e.Detail != away.Detail {
		t.Error(err)
	}
	if s, err := kv.List(t.Context(), "/deis/"); len(s.Keys) != 0 || err != nil {
		t.Error("written without truth:", s.Keys, err)
	}
	r.set(func(r *records) { r.err = nil })
	must(t, m.Update(t.Context()))
	has(t, kv, "/deis/services/a", "/deis/controller/mirrored")
}

func TestUpdateWithoutEtcd(t *testing.T) {
	srv := etcdtest.Start(t)
	kv := srv.Dial()
	r := &records{apps: []string{"a"}}
	m := run(t, r, kv)
	must(t, m.Update(t.Context()))
	srv.Stop()
	r.set(func(r *records) { r.apps = []string{"b"} })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := m.Update(ctx)
	var e *deis.Error
	if !errors.As(err, &e) || e.Kind != deis.Unavailable || e.Detail != "etcd is not available." {
		t.Error(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Update(canceled); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// What is missing is made up for without anybody asking again.
	srv.Restart()
	eventually(t, "etcd has caught up", func() bool {
		v, _, err := kv.Get(t.Context(), "/deis/services/b")
		return err == nil && v.Value == "b"
	})
	has(t, kv, "/deis/services/b", "/deis/controller/mirrored")
}

func TestFromPostgreSQLToEtcd(t *testing.T) {
	c, err := postgres.Parse(pgtest.New(t))
	must(t, err)
	db, err := postgres.Connect(t.Context(), quiet, func(context.Context) (postgres.Config, error) { return c, nil })
	must(t, err)
	defer db.Close()
	kv := etcdtest.New(t)
	m := mirror.New(db, kv, quiet, prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	defer func() { cancel(); <-ran }()

	_, err = db.CreateUser(ctx, deis.User{Username: "bob"}, "h")
	must(t, err)
	must(t, db.InTx(ctx, func(tx deis.Tx) error {
		if _, err := tx.CreateApp(ctx, deis.App{ID: "demo", Owner: "bob"}); err != nil {
			return err
		}
		c, err := tx.CreateConfig(ctx, deis.Config{App: "demo", Owner: "bob", Values: map[string]string{"DEIS_WHITELIST": "10.0.0.1", "PASSWORD": "x"}})
		if err != nil {
			return err
		}
		_, err = tx.CreateRelease(ctx, deis.Release{App: "demo", Owner: "bob", Config: c.UUID})
		return err
	}))
	_, err = db.CreateDomain(ctx, deis.Domain{App: "demo", Owner: "bob", Domain: "x.org"})
	must(t, err)
	_, err = db.CreateKey(ctx, deis.Key{Owner: "bob", ID: "k", Public: "ssh-rsa A", Fingerprint: "aa:bb"})
	must(t, err)
	_, err = db.CreateCert(ctx, deis.Cert{Owner: "bob", CommonName: "x.org"}, deis.Pair{Chain: "CHAIN", Key: "KEY"})
	must(t, err)
	must(t, m.Update(ctx))
	has(t, kv, "/deis/services/demo", "/deis/domains/x.org", "/deis/certs/x.org/cert", "/deis/certs/x.org/key",
		"/deis/builder/users/bob/aa:bb", "/deis/config/demo/deis_whitelist", "/deis/controller/mirrored")
	for key, want := range map[string]string{"cert": "CHAIN", "key": "KEY"} {
		if v, _, err := kv.Get(ctx, "/deis/certs/x.org/"+key); v.Value != want || err != nil {
			t.Error(key, v, err)
		}
	}

	_, err = db.DeleteKey(ctx, "bob", "k")
	must(t, err)
	must(t, db.DeleteDomain(ctx, "demo", "x.org"))
	must(t, m.Update(ctx, deis.Part{Kind: deis.PartDomain, Name: "x.org"}))
	has(t, kv, "/deis/services/demo", "/deis/certs/x.org/cert", "/deis/certs/x.org/key", "/deis/builder/users/bob/aa:bb", "/deis/config/demo/deis_whitelist", "/deis/controller/mirrored")
	_, err = db.CreateKey(ctx, deis.Key{Owner: "bob", ID: "k", Public: "ssh-rsa A", Fingerprint: "aa:bb"})
	must(t, err)

	// Destroyed, it is gone for routers and builders while its id is still held.
	must(t, db.MarkDestroyed(ctx, "demo"))
	must(t, m.Update(ctx))
	has(t, kv, "/deis/certs/x.org/cert", "/deis/certs/x.org/key", "/deis/builder/users/bob/aa:bb", "/deis/controller/mirrored")
	must(t, db.DeleteApp(ctx, "demo"))

	// A user who goes takes keys and certificates along.
	must(t, db.DeleteUser(ctx, "bob"))
	must(t, m.Update(ctx))
	has(t, kv, "/deis/controller/mirrored")
}

func BenchmarkPassOverALargePlatform(b *testing.B) {
	r := &records{}
	for i := range 1000 {
		r.apps = append(r.apps, fmt.Sprint("app", i))
	}
	for i := range 10000 {
		r.keys = append(r.keys, deis.Key{Owner: fmt.Sprint("user", i), Fingerprint: "aa:bb", Public: strings.Repeat("k", 380)})
	}
	for i := range 1000 {
		r.certs = append(r.certs, deis.Pair{CommonName: fmt.Sprintf("www.app%d.org", i), Chain: strings.Repeat("c", 4000), Key: strings.Repeat("k", 1700)})
	}
	m := run(b, r, etcdtest.New(b))
	must(b, m.Update(b.Context()))
	for b.Loop() {
		must(b, m.Update(b.Context()))
	}
}
