// Package platform starts a whole platform for tests, under a random name and
// on free ports, beside whatever else runs on the machine, and removes it
// afterwards.
package platform

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Bounds of waiting.
const (
	upTimeout   = 5 * time.Minute
	downTimeout = 3 * time.Minute
)

// Platform is one that runs.
type Platform struct {
	Name  string
	Root  string // of the source tree
	Env   map[string]string
	state string
}

// Start starts a platform. failpoints runs the controller's image that has
// them.
func Start(ctx context.Context, failpoints bool) (*Platform, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	state, err := os.MkdirTemp("", "deis-test-")
	if err != nil {
		return nil, err
	}
	p := &Platform{Name: "t" + Random(3), Root: root, state: state}
	env := []string{"HTTP_PORT=0", "HTTPS_PORT=0", "SSH_PORT=0", "HEALTH_PORT=0"}
	if failpoints {
		env = append(env, "CONTROLLER_TAG=failpoint")
	}
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	if err := p.script(ctx, env, "up.sh"); err != nil {
		return nil, errors.Join(err, p.Clean())
	}
	if p.Env, err = readEnv(filepath.Join(state, "deis", p.Name, "env")); err != nil {
		return nil, errors.Join(err, p.Clean())
	}
	return p, nil
}

// Root is the folder of the source tree that the process runs in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not run inside the source tree: no go.mod in any parent folder")
		}
		dir = parent
	}
}

// Clean removes the platform with all that is its.
func (p *Platform) Clean() error {
	ctx, cancel := context.WithTimeout(context.Background(), downTimeout)
	defer cancel()
	return errors.Join(p.script(ctx, nil, "down.sh", "clean"), os.RemoveAll(p.state))
}

// Up has the platform's start script bring back what does not run.
func (p *Platform) Up(ctx context.Context) error { return p.script(ctx, nil, "up.sh") }

// script runs one of deploy/local for this platform; its words are in the error.
func (p *Platform) script(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.Root, "deploy/local", name), args...)
	cmd.Env = append(os.Environ(), append(env, "DEIS_NAME="+p.Name, "XDG_STATE_HOME="+p.state, "LISTEN=127.0.0.1", "DOMAIN=localhost")...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// Controller is the URL that clients log in to.
func (p *Platform) Controller() string { return "http://deis.localhost:" + p.Env["HTTP_PORT"] }

// Container is the name of a platform container.
func (p *Platform) Container(component string) string { return p.Name + "-" + component }

// Client is an HTTP client whose every connection goes to the router; close
// makes a fresh connection for each request.
func (p *Platform) Client(keepAlive bool) *http.Client {
	router := net.JoinHostPort("127.0.0.1", p.Env["HTTP_PORT"])
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives:   !keepAlive,
			MaxIdleConnsPerHost: 100,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "tcp", router)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Get asks the router for a path of a host and returns status and body.
func (p *Platform) Get(ctx context.Context, host, path string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := p.Client(false).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(b), err
}

// Docker runs the Docker client and returns what it printed.
func Docker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// Etcdctl runs etcdctl inside the platform's etcd.
func (p *Platform) Etcdctl(ctx context.Context, args ...string) (string, error) {
	return Docker(ctx, append([]string{"exec", p.Container("etcd"), "etcdctl"}, args...)...)
}

// SQL runs a statement in the platform's database and returns its rows, a line
// each, fields separated by |.
func (p *Platform) SQL(ctx context.Context, statement string) (string, error) {
	password, err := p.Etcdctl(ctx, "get", "--print-value-only", "/deis/database/password")
	if err != nil {
		return "", err
	}
	return Docker(ctx, "exec", "-e", "PGPASSWORD="+password, p.Container("database"),
		"psql", "-h", "127.0.0.1", "-U", "deis", "-d", "deis", "-XAtc", statement)
}

// Random is n random bytes in hex.
func Random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

func readEnv(file string) (map[string]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	env := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok {
			env[name] = value
		}
	}
	return env, lines.Err()
}

// Rows are the database's rows that mention an app, as INSERT statements. The
// record of pushes is left out: it holds those that were refused, too.
func (p *Platform) Rows(ctx context.Context, app string) (string, error) {
	password, err := p.Etcdctl(ctx, "get", "--print-value-only", "/deis/database/password")
	if err != nil {
		return "", err
	}
	dump, err := Docker(ctx, "exec", "-e", "PGPASSWORD="+password, p.Container("database"),
		"pg_dump", "-h", "127.0.0.1", "-U", "deis", "--data-only", "--inserts", "--exclude-table-data=pushes", "deis")
	if err != nil {
		return "", err
	}
	var rows []string
	for _, line := range strings.Split(dump, "\n") {
		if strings.HasPrefix(line, "INSERT") && strings.Contains(line, "'"+app+"'") {
			rows = append(rows, line)
		}
	}
	return strings.Join(rows, "\n"), nil
}

// Ready asks a component's /readyz; of etcd its /health, of the filter whether
// it runs.
func (p *Platform) Ready(ctx context.Context, component string) (bool, error) {
	var url string
	switch component {
	case "filter":
		out, err := Docker(ctx, "inspect", "--format", "{{.State.Running}}", p.Container(component))
		return out == "true", err
	case "etcd":
		url = "http://" + p.Env["ETCD_ADDRESS"] + ":2379/health"
	case "router":
		url = "http://127.0.0.1:" + p.Env["ROUTER_HEALTH_PORT"] + "/readyz"
	case "publisher":
		url = "http://127.0.0.1:" + p.Env["PUBLISHER_HEALTH_PORT"] + "/readyz"
	default:
		ip, err := p.Address(ctx, component)
		if err != nil {
			return false, err
		}
		url = "http://" + ip + ":9000/readyz"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return err == nil, err
}

// Address is a component's address on the platform's network.
func (p *Platform) Address(ctx context.Context, component string) (string, error) {
	return Docker(ctx, "inspect", "--format", `{{(index .NetworkSettings.Networks "`+p.Name+`-platform").IPAddress}}`, p.Container(component))
}
