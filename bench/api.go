package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"

	apis "github.com/deis/deis/internal/api"
	"github.com/deis/deis/tests/platform"
)

var apiRow = row{name: "api", bars: []Bar{readBar, writeBar, listBar}, measure: measureAPI}

var (
	readBar  = Bar{What: "API read, 8 clients", Text: "≥ 0.15×", Allowed: factor(0.15, 0), AtLeast: true}
	writeBar = Bar{What: "API write, 8 clients", Text: "≥ 0.30×", Allowed: factor(0.30, 0), AtLeast: true}
	listBar  = Bar{What: "list of 1,000 apps: queries", Text: "as for 10 apps", Allowed: factor(1, 0)}
)

// Sizes of the two lists that are compared.
const few, many = 10, 1000

// pgbenchScale makes a million rows: more than there are clients to wait for
// each other's.
const pgbenchScale = 10

// measureAPI asks the controller itself, past the router, on a platform of a
// thousand apps, against pgbench on the same database server.
func measureAPI(ctx context.Context, b *bench) (lines []Line, err error) {
	if err := b.installWrk(ctx); err != nil {
		return nil, err
	}
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	drop, err := b.newDatabase(ctx, "pgbench")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	if _, err := b.pgbench(ctx, "-i", "-q", "-s", strconv.Itoa(pgbenchScale)); err != nil {
		return nil, err
	}
	if _, err := b.psql(ctx, "postgres", "CHECKPOINT"); err != nil { // what that wrote is out of the way
		return nil, err
	}
	fewApps, err := b.newAccount(ctx, "few", few)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, fewApps.cancel()) }()
	manyApps, err := b.newAccount(ctx, "many", many)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, manyApps.cancel()) }()

	seconds := 5
	if b.few {
		seconds = 2
	}
	pgbench := func(script string) func(context.Context) (float64, error) {
		return func(ctx context.Context) (float64, error) { return b.transactions(ctx, script, seconds) }
	}
	const direct = ", 8 kept connections, at the controller's own address, so without the router; a thousand apps on the platform; each side %d s a round, on the same cores as what asks"
	limit, ours, err := interleave(ctx, b.rounds(false), PerSecond, pgbench("-S"), func(ctx context.Context) (float64, error) {
		return manyApps.reads(ctx, seconds)
	})
	if err != nil {
		return nil, err
	}
	read := readBar.against("`pgbench -S`, over TCP", limit, ours)
	read.Note = fmt.Sprintf("GET /v1/apps/ID/config of any of the apps, with the user's token, by wrk"+direct, seconds)

	limit, ours, err = interleave(ctx, b.rounds(false), PerSecond, pgbench("-N"), func(ctx context.Context) (float64, error) {
		return manyApps.writes(ctx, seconds)
	})
	if err != nil {
		return nil, err
	}
	write := writeBar.against("`pgbench -N`, over TCP", limit, ours)
	write.Note = fmt.Sprintf("POST of SSH keys and DELETE of each, by wrk, each answered when the row is committed and etcd says the same to the builder"+direct, seconds)

	list, err := b.measureList(ctx, fewApps, manyApps)
	return []Line{read, write, list}, err
}

// measureList counts what the database is asked for a list of apps, which must
// not depend on its length.
func (b *bench) measureList(ctx context.Context, short, long *account) (line Line, err error) {
	stop, err := b.logStatements(ctx)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return Line{}, err
	}
	took := map[*account][]float64{}
	count := func(a *account) func(context.Context) (float64, error) {
		return func(ctx context.Context) (float64, error) {
			least := 0
			for i := range 3 { // what works in the background asks, too
				n, err := b.statements(ctx, func() error {
					seconds, err := a.list(ctx)
					took[a] = append(took[a], seconds)
					return err
				})
				if err != nil {
					return 0, err
				}
				if i == 0 || n < least {
					least = n
				}
			}
			return float64(least), nil
		}
	}
	limit, ours, err := interleave(ctx, b.rounds(false), Queries, count(short), count(long))
	if err != nil {
		return Line{}, err
	}
	line = listBar.against("list of 10 apps", limit, ours)
	line.Note = fmt.Sprintf("GET /v1/apps?page_size=1000 by the apps' owner, counted in the server's log of statements, the token's look-up among them; "+
		"with that log on, 1,000 apps were answered in %s, 10 in %s", NewSeries(Seconds, took[long]), NewSeries(Seconds, took[short]))
	return line, nil
}

// account is a user of the API with some apps.
type account struct {
	*bench
	name, password string
	token          string
	url            string // of the controller
	client         *http.Client
	apps           int
}

// newAccount registers a user and creates apps without a build.
func (b *bench) newAccount(ctx context.Context, name string, apps int) (*account, error) {
	ip, err := b.platform.Address(ctx, "controller")
	if err != nil {
		return nil, err
	}
	a := &account{bench: b, name: name + "-" + platform.Random(3), password: platform.Random(8), url: "http://" + ip + ":8000",
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: clients}}}
	who := apis.Credentials{Username: a.name, Password: a.password, Email: a.name + "@example.com"}
	if err := a.call(ctx, http.MethodPost, "/v1/auth/register", who, http.StatusCreated, nil); err != nil {
		return nil, err
	}
	var token apis.Token
	if err := a.call(ctx, http.MethodPost, "/v1/auth/login/", who, http.StatusOK, &token); err != nil {
		return nil, err
	}
	a.token = token.Token
	err = a.forApps(ctx, apps, func(ctx context.Context, app string) error {
		return a.call(ctx, http.MethodPost, "/v1/apps", map[string]string{"id": app}, http.StatusCreated, nil)
	})
	a.apps = apps
	if err != nil {
		return nil, errors.Join(err, a.cancel())
	}
	return a, nil
}

// cancel removes the account with its apps.
func (a *account) cancel() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := a.forApps(ctx, a.apps, func(ctx context.Context, app string) error {
		return a.call(ctx, http.MethodDelete, "/v1/apps/"+app, nil, http.StatusNoContent, nil)
	})
	return errors.Join(err, a.call(ctx, http.MethodDelete, "/v1/auth/cancel", nil, http.StatusNoContent, nil))
}

// app is the id of one of the account's apps.
func (a *account) app(n int) string { return a.name + "-" + strconv.Itoa(n) }

// forApps does something to the first n apps, as many at a time as there are
// clients.
func (a *account) forApps(ctx context.Context, n int, fn func(context.Context, string) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(clients)
	for i := range n {
		g.Go(func() error { return fn(ctx, a.app(i)) })
	}
	return g.Wait()
}

// call makes one request, whose answer must have the status.
func (a *account) call(ctx context.Context, method, path string, in any, status int, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, &body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if a.token != "" {
		req.Header.Set("Authorization", "token "+a.token)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != status:
		return fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, text)
	case out != nil:
		return json.Unmarshal(text, out)
	}
	return nil
}

// readScript has wrk ask for the config of any app; the token is in a file
// since a command line is everybody's.
const readScript = `math.randomseed(os.time())
wrk.headers["Authorization"] = "token %s"
request = function() return wrk.format("GET", "/v1/apps/%s-" .. math.random(0, %d) .. "/config") end
`

// reads asks for configs for some seconds.
func (a *account) reads(ctx context.Context, seconds int) (rate float64, err error) {
	file := filepath.Join(a.dir, "read.lua")
	if err := os.WriteFile(file, fmt.Appendf(nil, readScript, a.token, a.name, a.apps-1), 0o600); err != nil {
		return 0, err
	}
	rate, _, err = a.wrk(ctx, clients, seconds, "--script", file, a.url)
	return rate, err
}

// list asks for all of the account's apps at once and says how long that took.
func (a *account) list(ctx context.Context) (seconds float64, err error) {
	var page apis.Page[apis.App]
	began := time.Now()
	err = a.call(ctx, http.MethodGet, "/v1/apps?page_size="+strconv.Itoa(many), nil, http.StatusOK, &page)
	seconds = time.Since(began).Seconds()
	if err == nil && (len(page.Results) != a.apps || page.Count != a.apps) {
		err = fmt.Errorf("the list has %d of %d apps, not %d", len(page.Results), page.Count, a.apps)
	}
	return seconds, err
}

// writeScript has each of wrk's threads add SSH keys and remove each when it is
// told that it was added. A key comes again long after its removal.
const writeScript = `local threads = 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
function init()
	headers = { ["Authorization"] = "token %[1]s", ["Content-Type"] = "application/json" }
	keys, added, next = {}, {}, 0
	local all = 0
	for line in io.lines("%[2]s") do
		if all %% %[3]d == number then keys[#keys + 1] = line end
		all = all + 1
	end
end
function request()
	local id = table.remove(added)
	if id then return wrk.format("DELETE", "/v1/keys/" .. id, headers) end
	next = next %% #keys + 1
	return wrk.format("POST", "/v1/keys", headers, '{"id":"%[4]s-' .. number .. "-" .. next .. '","public":"' .. keys[next] .. '"}')
end
function response(status, _, body)
	if status == 201 then added[#added + 1] = body:match('"id":"([^"]*)"') end
end
`

// writes adds SSH keys and removes them for some seconds.
func (a *account) writes(ctx context.Context, seconds int) (rate float64, err error) {
	const keys = 64 * clients
	var public strings.Builder
	for range keys {
		key, err := newKey()
		if err != nil {
			return 0, err
		}
		public.WriteString(key + "\n")
	}
	file, script := filepath.Join(a.dir, "keys"), filepath.Join(a.dir, "write.lua")
	if err := os.WriteFile(file, []byte(public.String()), 0o600); err != nil {
		return 0, err
	}
	if err := os.WriteFile(script, fmt.Appendf(nil, writeScript, a.token, file, wrkThreads, platform.Random(3)), 0o600); err != nil {
		return 0, err
	}
	rate, _, err = a.wrk(ctx, clients, seconds, "--script", script, a.url)
	return rate, err
}

// newKey is an SSH public key that nobody has.
func newKey() (string, error) {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		return "", err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), nil
}
