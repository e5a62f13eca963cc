package nginx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/router/table"
)

const (
	checkTimeout  = time.Minute      // of nginx -t
	reloadTimeout = 30 * time.Second // until the new workers serve
	reloadPoll    = 5 * time.Millisecond
)

// folder is where configurations are kept: current leads to the one that
// nginx reads.
type folder struct{ Options }

func (f folder) path(elem ...string) string {
	return filepath.Join(append([]string{f.Dir}, elem...)...)
}

func (f folder) current() string { return f.path("current", "nginx.conf") }
func (f folder) socket() string  { return f.path("control.sock") }

// prepare makes the folder. Only root may enter the parts with keys and the
// control socket; workers run as another user and need nothing of them.
func (f folder) prepare() error {
	for _, dir := range []string{f.path(), f.path("tmp"), f.path("lua")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(f.path("conf")); err != nil { // of a run before this one
		return err
	}
	if err := os.Mkdir(f.path("conf"), 0o700); err != nil {
		return err
	}
	code, err := files.ReadFile("templates/deis.lua")
	if err != nil {
		return err
	}
	return os.WriteFile(f.path("lua", "deis.lua"), code, 0o644)
}

// write puts a configuration into a folder of its own.
func (f folder) write(r rendered) (dir string, err error) {
	dir = f.path("conf", r.id[:32])
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(dir, "certs"), 0o700); err != nil {
		return "", err
	}
	for name, text := range r.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// use makes a written configuration the current one, at once.
func (f folder) use(dir string) error {
	next := f.path("next")
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(dir, next); err != nil {
		return err
	}
	return os.Rename(next, f.path("current"))
}

// prune removes all configurations but one.
func (f folder) prune(keep string) {
	dirs, err := filepath.Glob(f.path("conf", "*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		if dir != keep {
			_ = os.RemoveAll(dir) // is tried again next time
		}
	}
}

// check lets nginx read a configuration.
func (f folder) check(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, f.Binary, "-t", "-q", "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// accept writes and checks the configuration of a table. If nginx refuses it
// although everything in it was parsed, what is freest in form is left out,
// step by step, so that one value does not hold up all others.
func (f folder) accept(ctx context.Context, t *table.Table, known map[string]table.Pair) (r rendered, dir string, refused, err error) {
	for i, less := range []func(*table.Table) *table.Table{
		func(t *table.Table) *table.Table { return t },
		plainTLS,
		func(t *table.Table) *table.Table { return knownCerts(t, known) },
		func(t *table.Table) *table.Table { return knownCerts(plainTLS(t), known) },
	} {
		r = render(f.Options, less(t))
		if dir, err = f.write(r); err != nil {
			return r, "", nil, err
		}
		if err = f.check(ctx, dir); err == nil {
			return r, dir, refused, nil
		}
		if i == 0 {
			refused = err
		}
	}
	return r, "", refused, refused
}

// plainTLS is a table without the TLS settings that only OpenSSL can judge.
func plainTLS(t *table.Table) *table.Table {
	less := *t
	less.Settings.SSLCiphers, less.TLS.DHParam, less.Settings.SSLCache = "", "", ""
	less.Settings.SSLProtocols = table.Defaults().SSLProtocols
	return &less
}

// knownCerts is a table with only those of the domains' certificates that
// nginx has taken before.
func knownCerts(t *table.Table, known map[string]table.Pair) *table.Table {
	less := *t
	less.TLS.Domains = map[string]table.Pair{}
	for domain := range t.TLS.Domains {
		if pair, ok := known[domain]; ok {
			less.TLS.Domains[domain] = pair
		}
	}
	return &less
}

// reload makes nginx use a configuration and waits until all that accepts
// connections does.
func (f folder) reload(ctx context.Context, p *nginxProcess, c *control, dir, id string) error {
	before, err := os.Readlink(f.path("current"))
	if err != nil {
		return err
	}
	old := p.workers()
	if err := f.use(dir); err != nil {
		return err
	}
	if err := p.signal(syscall.SIGHUP); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	err = retry.Until(wait, reloadPoll, func(ctx context.Context) (bool, error) {
		if !p.running() {
			return false, errors.New("nginx ended during the reload")
		}
		now, err := c.call(ctx, "GET", "/state", nil)
		return err == nil && now == id && !slices.ContainsFunc(old, accepting), nil
	})
	if err != nil && p.running() {
		return errors.Join(err, f.use(before)) // nginx goes on with what it had
	}
	return err
}
