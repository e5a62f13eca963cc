package builder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/deis/deis/builder/build"
	"github.com/deis/deis/builder/controller"
	"github.com/deis/deis/builder/git"
	"github.com/deis/deis/builder/push"
	"github.com/deis/deis/builder/sshd"
	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/httpapi"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/retry"
)

// builder is what the loops of Run share.
type builder struct {
	Settings
	ssh        *net.TCPListener
	unix       net.Listener
	kv         *etcd.KV
	engine     *engine.Client
	repos      git.Repos
	builds     *build.Builder
	users      *sshd.Users
	controller *controller.Client
	worker     *push.Worker
	apps       apps
	started    atomic.Bool
}

// Run serves pushes until ctx ends; then it takes no new ones and gives those
// that run a time to end.
func Run(ctx context.Context, cfg Settings) error {
	b, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer b.close()
	cfg.Check("etcd", b.kv.Ping)
	cfg.Check("engine", b.engine.Healthy)
	cfg.Check("controller", b.controller.Check)
	cfg.Check("registry", b.registry)
	return b.serve(ctx)
}

// open listens, and waits for etcd.
func open(ctx context.Context, cfg Settings) (_ *builder, err error) {
	b := &builder{Settings: cfg, repos: git.Repos{Root: cfg.GitRoot, UID: cfg.GitUID, GID: cfg.GitGID}}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp4", cfg.SSH)
	if err != nil {
		return nil, err
	}
	b.ssh = ln.(*net.TCPListener)
	if b.Self == "" {
		if b.Self, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	if err := b.prepareRun(); err != nil {
		return nil, err
	}
	if err := b.repos.Own(); err != nil {
		return nil, err
	}
	if b.unix, err = b.listenWorker(); err != nil {
		return nil, err
	}
	if b.engine, err = engine.New(cfg.Docker); err != nil {
		return nil, err
	}
	if b.kv, err = b.dial(ctx); err != nil {
		return nil, err
	}
	if b.Host == "" {
		if b.Host, err = b.kv.LocalIP(); err != nil {
			return nil, fmt.Errorf("own address: %w", err)
		}
	}
	b.wire()
	return b, nil
}

// close undoes open, as far as it came.
func (b *builder) close() {
	if b.kv != nil {
		_ = b.kv.Close()
	}
	if b.engine != nil {
		_ = b.engine.Close()
	}
	if b.unix != nil {
		_ = b.unix.Close()
	}
	if b.ssh != nil {
		_ = b.ssh.Close()
	}
}

// dial waits for etcd as long as it takes.
func (b *builder) dial(ctx context.Context) (*etcd.KV, error) {
	for {
		kv, err := etcd.Dial(ctx, b.Etcd)
		if err == nil || ctx.Err() != nil {
			return kv, err
		}
		b.Log.Warn("waiting for etcd", "err", err)
	}
}

// serve runs the loops. Work goes on after ctx has ended, until sshd has
// drained.
func (b *builder) serve(ctx context.Context) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	g, work := errgroup.WithContext(work)
	forever := func(what string, fn func(context.Context) error) {
		g.Go(func() error { return retry.Forever(work, b.Log, what, fn) })
	}
	g.Go(func() error { return httpapi.Serve(work, b.unix, b.worker.Handler()) })
	g.Go(func() error { return b.worker.Run(work) })
	forever("follow users", func(ctx context.Context) error {
		return etcd.Follow(ctx, b.kv, []string{keys.BuilderUsers}, func(_ context.Context, s etcd.State) error { b.users.Apply(s); return nil })
	})
	forever("follow controller", func(ctx context.Context) error {
		return etcd.Follow(ctx, b.kv, controller.Prefixes(), func(_ context.Context, s etcd.State) error { b.controller.Apply(s); return nil })
	})
	forever("follow apps", func(ctx context.Context) error {
		return etcd.Follow(ctx, b.kv, []string{keys.Services}, func(_ context.Context, s etcd.State) error { b.apps.apply(s); return nil })
	})
	forever("start", b.start)
	forever("clean up", b.cleanUp)

	running := make(chan struct{})
	up := sync.OnceFunc(func() { close(running) })
	accept, stopAccepting := context.WithCancel(ctx) // also when a loop failed
	defer context.AfterFunc(work, stopAccepting)()
	g.Go(func() error { return b.announce(accept, running) })
	g.Go(func() error {
		defer stopWork()
		defer context.AfterFunc(accept, func() { b.stopLater(work) })()
		return b.serveSSH(accept, b.ssh, up)
	})
	err := g.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// stopLater cuts pushes off that have not ended in time.
func (b *builder) stopLater(work context.Context) {
	if retry.Sleep(work, b.Drain) == nil {
		b.worker.Stop(push.ErrStopped)
	}
}

// announce tells the platform that clients are answered.
func (b *builder) announce(ctx context.Context, running <-chan struct{}) error {
	select {
	case <-ctx.Done():
		return nil
	case <-running:
	}
	b.Ready(b.ssh.Addr())
	b.Log.Info("Builder is running.")
	pairs := map[string]string{keys.Host("builder"): b.Host, keys.Port("builder"): strconv.Itoa(b.ExternalPort)}
	_ = etcd.Announce(ctx, b.Log, b.kv, pairs, b.TTL) // ends with ctx
	return nil
}

// start removes what an earlier worker left running, before anybody is let in.
func (b *builder) start(ctx context.Context) error {
	if err := b.builds.RemoveLeftovers(ctx); err != nil {
		return fmt.Errorf("remove leftovers: %w", err)
	}
	b.started.Store(true)
	<-ctx.Done()
	return ctx.Err()
}

// registry is nil if the platform's registry answers.
func (b *builder) registry(ctx context.Context) error {
	state, err := b.kv.List(ctx, keys.Host("registry"), keys.Port("registry"))
	if err != nil {
		return err
	}
	host, port := state.Keys[keys.Host("registry")].Value, state.Keys[keys.Port("registry")].Value
	if host == "" || port == "" {
		return errors.New("not announced")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/v2/", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError {
		return errors.New(resp.Status)
	}
	return nil
}

// wire makes the parts.
func (b *builder) wire() {
	b.users = &sshd.Users{Log: b.Log}
	b.controller = controller.New()
	b.builds = build.New(b.engine, build.Config{
		Platform: b.Platform, Registry: b.Registry, RegistryAuth: b.engine.RegistryAuth, Registries: b.Registries,
		Networks: b.Networks, Memory: b.Memory, Builds: b.Builds, Timeout: b.BuildTimeout, MaxSlug: b.MaxSlug, CacheAge: cacheAge,
		Slugbuilder: b.Slugbuilder, Slugrunner: b.Slugrunner, Stack: b.Stack, Env: b.BuildEnv,
	})
	b.worker = push.New(push.Config{
		Users:      b.users,
		Started:    b.started.Load,
		Controller: b.controller,
		Repos:      repos{b.repos, b.MaxSource},
		Build:      b.build,
		Tidy:       b.builds.Tidy,
		Discard:    b.discard,
		Remove:     b.remove,
		Born:       b.born,
		Events:     os.Stdout,
		Overprint:  b.Overprint,
		Log:        b.Log,
		Metrics:    b.Metrics,
	})
}

// cacheAge is how long images without a name are kept for the next build.
const cacheAge = 24 * time.Hour

func (b *builder) build(ctx context.Context, j push.Job) (push.Built, error) {
	result, err := b.builds.Build(ctx, build.Request{
		App: j.App, SHA: j.Tree.Commit(), Source: j.Tree, Config: j.Config, IsApp: b.apps.has, Out: j.Out,
	})
	return push.Built{Types: result.Types, Dockerfile: result.Dockerfile}, err
}

// discard takes back what a push left that failed.
func (b *builder) discard(ctx context.Context, app, sha string) error {
	return errors.Join(b.repos.Prune(ctx, app), b.builds.Discard(ctx, app, sha))
}

// remove deletes all that is kept of an app.
func (b *builder) remove(ctx context.Context, app string) error {
	return errors.Join(b.repos.Remove(app), b.builds.Purge(ctx, app))
}

// born is the revision at which the app's marker was made.
func (b *builder) born(ctx context.Context, app string) (int64, error) {
	entry, _, err := b.kv.Get(ctx, keys.App(app))
	return entry.Born, err
}

// repos are git.Repos as the worker needs them.
type repos struct {
	git.Repos
	maxSource int64
}

func (r repos) Prepare(ctx context.Context, app string, born int64) (other bool, err error) {
	err = r.Repos.Prepare(ctx, app, born)
	if errors.Is(err, git.ErrOther) {
		return true, nil
	}
	return false, err
}

func (r repos) Open(app, sha string) (push.Tree, error) {
	t, err := r.Repos.Open(app, sha, r.maxSource)
	if err != nil {
		return nil, err
	}
	return tree{t}, nil
}

func (r repos) Move(ctx context.Context, app string, u push.Update) error {
	return r.Repos.Move(ctx, app, git.Update(u))
}

type tree struct{ *git.Tree }

func (t tree) Commit() string { return t.SHA }
