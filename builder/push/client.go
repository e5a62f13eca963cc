package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// endTimeout bounds how long a client waits for the end of its session when a
// release that it no longer follows still goes on.
const endTimeout = 5 * time.Second

// Client is how the SSH-facing process and git's hooks speak to the Worker. It
// holds nothing that they must not know.
type Client struct{ http *http.Client }

// NewClient makes a Client of the Worker that listens on a unix socket.
func NewClient(socket string) *Client {
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: 16,
	}}}
}

// Refused is the Worker's answer to what may not be; the pusher has been told.
type Refused struct{ Reason string }

func (r *Refused) Error() string { return r.Reason }

// ErrAway says that the Worker gave no answer.
var ErrAway = errors.New("the builder is restarting, push again")

func (c *Client) post(ctx context.Context, path string, body any) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://worker"+path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w (%v)", ErrAway, err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%w (%s)", ErrAway, resp.Status)
	}
	return resp, nil
}

// Known says whether a key may log in.
func (c *Client) Known(ctx context.Context, key []byte) (bool, error) {
	resp, err := c.post(ctx, "/known", Open{Key: key})
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	var known bool
	err = json.NewDecoder(resp.Body).Decode(&known)
	return known, err
}

// Session opens a session, which lasts until end is called, ctx ends or this
// process does. The token is for the hooks.
func (c *Client) Session(ctx context.Context, o Open, out io.Writer) (token string, end func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	resp, err := c.post(ctx, "/session", o)
	if err != nil {
		cancel()
		return "", nil, err
	}
	leave := func() {
		cancel()
		_ = resp.Body.Close()
	}
	m, err := receive(json.NewDecoder(resp.Body), out)
	if err == nil && m.Done {
		err = &Refused{m.Reason}
	}
	if err != nil {
		leave()
		return "", nil, err
	}
	return m.Token, func() {
		c.end(context.WithoutCancel(ctx), m.Token)
		leave()
	}, nil
}

// end waits a moment until the Worker has let the session go, which it does
// anyway.
func (c *Client) end(ctx context.Context, token string) {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	if resp, err := c.post(ctx, "/end", judgement{Token: token}); err == nil {
		_ = resp.Body.Close()
	}
}

// PreReceive asks whether updates may come in.
func (c *Client) PreReceive(ctx context.Context, token string, updates []Update, out io.Writer) error {
	return c.judge(ctx, "/pre-receive", judgement{token, updates}, out)
}

// ProcReceive has an update carried out.
func (c *Client) ProcReceive(ctx context.Context, token string, u Update, out io.Writer) error {
	return c.judge(ctx, "/proc-receive", judgement{token, []Update{u}}, out)
}

func (c *Client) judge(ctx context.Context, path string, j judgement, out io.Writer) error {
	resp, err := c.post(ctx, path, j)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	m, err := receive(json.NewDecoder(resp.Body), out)
	if err != nil {
		return ErrAway
	}
	if m.Reason != "" {
		return &Refused{m.Reason}
	}
	return nil
}
