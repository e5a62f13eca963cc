package rest

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/httpapi"
)

var _ Controller = (*deis.Controller)(nil)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	created = time.Date(2014, 1, 2, 3, 4, 5, 678901234, time.UTC)
	updated = created.Add(time.Hour)

	bob   = deis.User{ID: 2, Username: "bob", Active: true, Joined: created}
	admin = deis.User{ID: 1, Username: "root", Superuser: true, Active: true, Joined: created}
)

// fake is a controller that notes its calls, as Name["user","argument"], and
// gives one noun of each kind. Where a func is set it answers instead; err is
// what everything but authentication fails with.
type fake struct {
	err error

	authenticate        func(token string) (deis.User, error)
	authenticateBuilder func(key string) error
	login               func(from netip.Addr) (string, error)
	apps                func(p deis.Page) ([]deis.App, int, error)
	createBuild         func(ctx context.Context) (deis.Build, int, error)
	config              func(ctx context.Context) (deis.Config, error)
	logs                func() ([]byte, error)
	run                 func() (int, string, error)
	follow              func(ctx context.Context, from deis.LogStart) (deis.FollowedLog, error)
	attach              func(ctx context.Context, command string, s deis.Session) (int, error)

	mu    sync.Mutex
	calls []string
}

// note writes a call down and says how it ends.
func (f *fake) note(name string, args ...any) error {
	for i, arg := range args {
		switch u := arg.(type) {
		case deis.User:
			args[i] = u.Username
		case *deis.User:
			args[i] = nil
			if u != nil {
				args[i] = u.Username
			}
		}
	}
	b, err := httpapi.Marshal(args)
	if err != nil {
		panic(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name+string(b))
	return f.err
}

// noted returns the calls since the last time.
func (f *fake) noted() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.calls = nil }()
	return strings.Join(f.calls, " ")
}

func (f *fake) Authenticate(_ context.Context, token string) (deis.User, error) {
	if f.authenticate != nil {
		return f.authenticate(token)
	}
	switch token {
	case "bob":
		return bob, nil
	case "admin":
		return admin, nil
	case "gone":
		return deis.User{}, deis.Errorf(deis.Unauthorized, "User inactive or deleted")
	}
	return deis.User{}, deis.Errorf(deis.Unauthorized, "Invalid token")
}

func (f *fake) AuthenticateBuilder(key string) error {
	if f.authenticateBuilder != nil {
		return f.authenticateBuilder(key)
	}
	if key != "builder-key" {
		return deis.Errorf(deis.Unauthorized, textNoCredentials)
	}
	return nil
}

func (f *fake) Register(_ context.Context, by *deis.User, in deis.Registration) (deis.User, error) {
	if in.Username == nil {
		return deis.User{}, f.note("Register", by, in)
	}
	u := deis.User{
		ID: 3, Username: *in.Username, Email: in.Email, FirstName: in.FirstName, LastName: in.LastName,
		Active: true, Joined: created, LastLogin: updated,
	}
	return u, f.note("Register", by, in)
}

func (f *fake) Login(_ context.Context, from netip.Addr, username, password string) (string, error) {
	if f.login != nil {
		return f.login(from)
	}
	return "0123456789abcdef", f.note("Login", username, password)
}

func (f *fake) ChangePassword(_ context.Context, by deis.User, in deis.PasswordChange) error {
	return f.note("ChangePassword", by, in)
}

func (f *fake) CancelUser(_ context.Context, by deis.User, username string) error {
	return f.note("CancelUser", by, username)
}

func (f *fake) RegenerateToken(_ context.Context, by deis.User, username string, all bool) (string, error) {
	return "fedcba9876543210", f.note("RegenerateToken", by, username, all)
}

func (f *fake) Users(_ context.Context, by deis.User, p deis.Page) ([]deis.User, int, error) {
	return []deis.User{bob}, 1, f.note("Users", by, p)
}

func (f *fake) Admins(_ context.Context, by deis.User, p deis.Page) ([]deis.User, int, error) {
	return []deis.User{admin}, 1, f.note("Admins", by, p)
}

func (f *fake) SetAdmin(_ context.Context, by deis.User, username string, admin bool) error {
	return f.note("SetAdmin", by, username, admin)
}

var key = deis.Key{
	UUID: "u-key", Owner: "bob", ID: "bob@home", Public: "ssh-rsa AAAA <bob>", Fingerprint: "aa:bb", Created: created, Updated: updated,
}

func (f *fake) AddKey(_ context.Context, by deis.User, id, public string) (deis.Key, error) {
	return key, f.note("AddKey", by, id, public)
}

func (f *fake) Keys(_ context.Context, by deis.User, p deis.Page) ([]deis.Key, int, error) {
	return []deis.Key{key}, 1, f.note("Keys", by, p)
}

func (f *fake) Key(_ context.Context, by deis.User, id string) (deis.Key, error) {
	return key, f.note("Key", by, id)
}

func (f *fake) RemoveKey(_ context.Context, by deis.User, id string) error {
	return f.note("RemoveKey", by, id)
}

var app = deis.App{UUID: "u-app", ID: "demo", Owner: "bob", Structure: map[string]int{"web": 2}, Created: created, Updated: updated}

func (f *fake) CreateApp(_ context.Context, by deis.User, in deis.NewApp) (deis.App, error) {
	fresh := app
	fresh.Structure = nil
	return fresh, f.note("CreateApp", by, in)
}

func (f *fake) Apps(_ context.Context, by deis.User, p deis.Page) ([]deis.App, int, error) {
	if f.apps != nil {
		return f.apps(p)
	}
	return []deis.App{app}, 1, f.note("Apps", by, p)
}

func (f *fake) App(_ context.Context, by deis.User, id string) (deis.App, error) {
	return app, f.note("App", by, id)
}

func (f *fake) URL(app string) string { return app + ".example.com" }

func (f *fake) TransferApp(_ context.Context, by deis.User, id, owner string) error {
	return f.note("TransferApp", by, id, owner)
}

func (f *fake) DestroyApp(_ context.Context, by deis.User, id string) error {
	return f.note("DestroyApp", by, id)
}

func (f *fake) Perms(_ context.Context, by deis.User, app string) ([]string, error) {
	return nil, f.note("Perms", by, app)
}

func (f *fake) Share(_ context.Context, by deis.User, app, username string) error {
	return f.note("Share", by, app, username)
}

func (f *fake) Unshare(_ context.Context, by deis.User, app, username string) error {
	return f.note("Unshare", by, app, username)
}

var credential = deis.Credential{App: "demo", Owner: "bob", Registry: "quay.io", Username: "robot", Created: created, Updated: updated}

func (f *fake) Credentials(_ context.Context, by deis.User, app string, p deis.Page) ([]deis.Credential, int, error) {
	return []deis.Credential{credential}, 1, f.note("Credentials", by, app, p)
}

func (f *fake) SetCredential(_ context.Context, by deis.User, app string, in deis.Login) (deis.Credential, error) {
	return credential, f.note("SetCredential", by, app, in.Registry, in.Username, in.Password.Reveal())
}

func (f *fake) RemoveCredential(_ context.Context, by deis.User, app, registry string) error {
	return f.note("RemoveCredential", by, app, registry)
}

var domain = deis.Domain{App: "demo", Owner: "bob", Domain: "www.example.org", Created: created, Updated: updated}

func (f *fake) Domains(_ context.Context, by deis.User, app string, p deis.Page) ([]deis.Domain, int, error) {
	return []deis.Domain{domain}, 1, f.note("Domains", by, app, p)
}

func (f *fake) AddDomain(_ context.Context, by deis.User, app, name string) (deis.Domain, error) {
	return domain, f.note("AddDomain", by, app, name)
}

func (f *fake) RemoveDomain(_ context.Context, by deis.User, app, name string) error {
	return f.note("RemoveDomain", by, app, name)
}

var cert = deis.Cert{ID: 5, Owner: "bob", CommonName: "www.example.org", Expires: updated, Created: created, Updated: updated}

func (f *fake) AddCert(_ context.Context, by deis.User, in deis.NewCert) (deis.Cert, error) {
	return cert, f.note("AddCert", by, in)
}

func (f *fake) Certs(_ context.Context, by deis.User, p deis.Page) ([]deis.Cert, int, error) {
	return []deis.Cert{cert}, 1, f.note("Certs", by, p)
}

func (f *fake) Cert(_ context.Context, by deis.User, commonName string) (deis.Cert, error) {
	return cert, f.note("Cert", by, commonName)
}

func (f *fake) RemoveCert(_ context.Context, by deis.User, commonName string) error {
	return f.note("RemoveCert", by, commonName)
}

func (f *fake) Logs(_ context.Context, by deis.User, app string, lines int) ([]byte, error) {
	if f.logs != nil {
		return f.logs()
	}
	return []byte("one\ntwo\n"), f.note("Logs", by, app, lines)
}

func (f *fake) FollowLogs(ctx context.Context, by deis.User, app string, from deis.LogStart) (deis.FollowedLog, error) {
	if f.follow != nil {
		return f.follow(ctx, from)
	}
	return deis.FollowedLog{ReadCloser: io.NopCloser(strings.NewReader("one\ntwo\n")), Position: api.LogPosition{Log: "0123456789abcdef", Offset: 5}},
		f.note("FollowLogs", by, app, from)
}

var config = deis.Config{
	UUID: "u-config", App: "demo", Owner: "bob", Values: map[string]string{"A": "<ü>"}, Memory: map[string]string{"web": "1G"},
	CPU: map[string]int{"web": 512}, Created: created, Updated: updated,
}

func (f *fake) Config(ctx context.Context, by deis.User, app string) (deis.Config, error) {
	if f.config != nil {
		return f.config(ctx)
	}
	return config, f.note("Config", by, app)
}

func (f *fake) SetConfig(_ context.Context, by deis.User, app string, in deis.ConfigChange) (deis.Config, int, error) {
	return config, 7, f.note("SetConfig", by, app, in)
}

var build = deis.Build{UUID: "u-build", App: "demo", Owner: "bob", Image: "nginx", Created: created, Updated: updated}

func (f *fake) Builds(_ context.Context, by deis.User, app string, p deis.Page) ([]deis.Build, int, error) {
	return []deis.Build{build}, 1, f.note("Builds", by, app, p)
}

func (f *fake) Build(_ context.Context, by deis.User, app, uuid string) (deis.Build, error) {
	return build, f.note("Build", by, app, uuid)
}

func (f *fake) CreateBuild(ctx context.Context, by deis.User, app string, in deis.NewBuild) (deis.Build, int, error) {
	if f.createBuild != nil {
		return f.createBuild(ctx)
	}
	return build, 8, f.note("CreateBuild", by, app, in)
}

var release = deis.Release{
	UUID: "u-release", App: "demo", Owner: "bob", Version: 3, Summary: "bob deployed nginx", Config: "u-config", Build: "u-build",
	Image: "sha256:00", Created: created, Updated: updated,
}

func (f *fake) Releases(_ context.Context, by deis.User, app string, p deis.Page) ([]deis.Release, int, error) {
	first := release
	first.Version, first.Build = 1, ""
	return []deis.Release{first}, 1, f.note("Releases", by, app, p)
}

func (f *fake) Release(_ context.Context, by deis.User, app string, version int) (deis.Release, error) {
	return release, f.note("Release", by, app, version)
}

func (f *fake) Rollback(_ context.Context, by deis.User, app string, version int) (int, error) {
	return 9, f.note("Rollback", by, app, version)
}

var process = deis.Process{
	Container: deis.Container{UUID: "u-container", App: "demo", Owner: "bob", Version: 3, Type: "web", Num: 1, Created: created, Updated: updated},
	State:     deis.StateUp,
}

func (f *fake) Containers(_ context.Context, by deis.User, app, typ string, p deis.Page) ([]deis.Process, int, error) {
	return []deis.Process{process}, 1, f.note("Containers", by, app, typ, p)
}

func (f *fake) Container(_ context.Context, by deis.User, app, typ string, num int) (deis.Process, error) {
	return process, f.note("Container", by, app, typ, num)
}

func (f *fake) Restart(_ context.Context, by deis.User, app, typ string, num int) ([]deis.Process, error) {
	return []deis.Process{process}, f.note("Restart", by, app, typ, num)
}

func (f *fake) Scale(_ context.Context, by deis.User, app string, in map[string]any) error {
	return f.note("Scale", by, app, in)
}

func (f *fake) Run(_ context.Context, by deis.User, app, command string) (int, string, error) {
	if f.run != nil {
		return f.run()
	}
	return 3, "hello <world>\n", f.note("Run", by, app, command)
}

func (f *fake) Attach(ctx context.Context, by deis.User, app, command string, s deis.Session) (int, error) {
	defer s.Stdin.Close()
	if f.attach != nil {
		return f.attach(ctx, command, s)
	}
	return 7, f.note("Attach", by, app, command)
}

func (f *fake) PushHook(_ context.Context, p deis.Push) (deis.Push, error) {
	err := f.note("PushHook", p)
	p.UUID, p.App, p.Owner, p.Created, p.Updated = "u-push", p.ReceiveRepo, p.ReceiveUser, created, updated
	return p, err
}

func (f *fake) ConfigHook(_ context.Context, username, app string) (deis.Config, error) {
	return config, f.note("ConfigHook", username, app)
}

func (f *fake) BuildHook(_ context.Context, username, app string, in deis.NewBuild) (int, []string, error) {
	return 4, []string{app + ".example.com"}, f.note("BuildHook", username, app, in)
}

// client speaks to an API that Serve serves.
type client struct {
	t       *testing.T
	address string
	metrics *prometheus.Registry
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// serve answers with f until the test ends, and checks that it ends in order.
func serve(t *testing.T, f *fake, log *slog.Logger) client {
	t.Helper()
	reg := prometheus.NewRegistry()
	return client{t, serveHandler(t, New(Config{Log: log, Metrics: reg, Controller: f})), reg}
}

func serveHandler(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, quiet(), ln, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error("serving ended with", err)
		}
	})
	return ln.Addr().String()
}

// answer is what a client got.
type answer struct {
	status string // as in the status line
	header http.Header
	body   string
}

// do sends a request as bob. Headers are name, value, ...; an empty value
// takes one away.
func (c client) do(method, path, body string, headers ...string) answer {
	c.t.Helper()
	req, err := http.NewRequest(method, "http://"+c.address+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "token bob")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(api.HeaderBuilderAuth, "builder-key")
	for i := 0; i < len(headers); i += 2 {
		if req.Header.Set(headers[i], headers[i+1]); headers[i+1] == "" {
			req.Header.Del(headers[i])
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // follows no redirects
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{resp.Status, resp.Header, string(b)}
}
