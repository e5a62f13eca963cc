// Package controller is the builder's side of the controller's three hooks.
package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/httpapi"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/retry"
)

// Bounds of the hooks that are quick, and may be asked again.
const (
	quickTimeout = 15 * time.Second
	quickTries   = 3
	quickPause   = 500 * time.Millisecond
)

// Bounds of asking again for an answer that got lost.
const (
	lostTimeout = 2 * time.Minute
	lostPause   = time.Second
)

// protocolKey is how the controller is reached: http unless it says otherwise.
const protocolKey = keys.Controller + "protocol"

// maxAnswer bounds the body of an answer: a config can be large.
const maxAnswer = 16 << 20

// Client calls the hooks of the controller that etcd names.
type Client struct {
	http *http.Client

	mu   sync.RWMutex
	base string
	key  string
}

// New makes a Client that knows no controller yet.
func New() *Client {
	return &Client{http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute}}}
}

// Prefixes are what Apply must see of etcd.
func Prefixes() []string {
	return []string{keys.Host("controller"), keys.Port("controller"), protocolKey, keys.BuilderKey, keys.Mirrored}
}

// Apply takes in where the controller is and which key it accepts.
func (c *Client) Apply(s etcd.State) {
	value := func(key string) string { return s.Keys[key].Value }
	c.mu.Lock()
	defer c.mu.Unlock()
	c.key, c.base = value(keys.BuilderKey), ""
	if host, port := value(keys.Host("controller")), value(keys.Port("controller")); host != "" && port != "" {
		protocol := value(protocolKey)
		if protocol == "" {
			protocol = "http"
		}
		c.base = protocol + "://" + net.JoinHostPort(host, port)
	}
}

// Check is nil if the controller is known.
func (c *Client) Check(context.Context) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	switch {
	case c.base == "":
		return errors.New("not announced")
	case c.key == "":
		return errors.New("no builder key")
	}
	return nil
}

// Config asks for an app's config, which only those get who may push to it.
func (c *Client) Config(ctx context.Context, user, app string) (api.Config, error) {
	var config api.Config
	err := c.quick(ctx, "/v1/hooks/config", api.ConfigHook{ReceiveUser: user, ReceiveRepo: app}, http.StatusOK, &config)
	return config, err
}

// Push records a push.
func (c *Client) Push(ctx context.Context, p api.PushHook) error {
	return c.quick(ctx, "/v1/hooks/push", p, http.StatusCreated, nil)
}

// Build makes a release of an image and waits until it runs. An answer is
// final, whatever it says. If there is none, because the controller died or
// moved, it is asked again with the same push id, to which it makes one release
// only: so the pusher is told what became of it.
func (c *Client) Build(ctx context.Context, b api.BuildHook) (api.BuildHookResult, error) {
	push := uuid.NewString()
	lost := time.Time{} // when the first answer got lost
	for {
		var result api.BuildHookResult
		err := c.post(ctx, "/v1/hooks/build", b, http.StatusOK, &result, push)
		var answer *httpapi.Error
		if err == nil || errors.As(err, &answer) || ctx.Err() != nil {
			return result, err
		}
		if lost.IsZero() {
			lost = time.Now()
		}
		if time.Since(lost) > lostTimeout || retry.Sleep(ctx, lostPause) != nil {
			return result, err
		}
	}
}

// quick is post for what may be asked again. A refusal is an answer.
func (c *Client) quick(ctx context.Context, path string, body any, want int, answer any) error {
	var err error
	for try := 1; ; try++ {
		err = func() error {
			ctx, cancel := context.WithTimeout(ctx, quickTimeout)
			defer cancel()
			return c.post(ctx, path, body, want, answer)
		}()
		var e *httpapi.Error
		if err == nil || errors.As(err, &e) && e.Status < http.StatusInternalServerError || try == quickTries {
			return err
		}
		if retry.Sleep(ctx, quickPause<<(try-1)) != nil {
			return err
		}
	}
}

// post sends body and reads answer; push, if given, is the id of a push.
func (c *Client) post(ctx context.Context, path string, body any, want int, answer any, push ...string) error {
	if err := c.Check(ctx); err != nil {
		return fmt.Errorf("controller: %w", err)
	}
	c.mu.RLock()
	base, key := c.base, c.key
	c.mu.RUnlock()
	b, err := httpapi.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "deis-builder")
	req.Header.Set(api.HeaderBuilderAuth, key)
	for _, id := range push {
		req.Header.Set(api.HeaderPush, id)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != want && (want != http.StatusCreated || resp.StatusCode/100 != 2) {
		return &httpapi.Error{Status: resp.StatusCode, Detail: detail(resp, text)}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("the controller's answer to %s: %w", path, err)
	}
	return nil
}

// detail is what an error's body says, for people.
func detail(resp *http.Response, text []byte) string {
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		return "the controller answers " + resp.Status
	}
	var lines []string
	for _, line := range api.ErrorText(text) {
		lines = append(lines, strings.TrimPrefix(line, "detail: "))
	}
	return strings.Join(lines, "\n")
}
