package controller

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/httpapi"
	"github.com/deis/deis/internal/version"
)

// UserAgent is what the client calls itself unless Options say otherwise.
const UserAgent = "Deis Client v" + version.Platform

// maxError bounds how much of an error's body is kept, maxAnswer how long an
// answer may be: a run's output is 8 MiB at most, in JSON some times that.
const (
	maxError  = 1 << 20
	maxAnswer = 64 << 20
)

// Options are what a Client is made of. Only URL is required.
type Options struct {
	URL       string         // scheme and host of the controller, such as https://deis.example.com
	Token     string         // sent if set
	RootCAs   *x509.CertPool // whom to trust; nil means the system's
	Insecure  bool           // accept any certificate
	UserAgent string         // default UserAgent

	// OnVersion is called when a success came from a controller whose API
	// version is not that of this client. The version is empty if the
	// controller did not say.
	OnVersion func(server string)
}

// Client speaks to one controller. It may be used by many goroutines.
type Client struct {
	base      *url.URL
	opts      Options
	http      *http.Client
	tls       *tls.Config
	following following
}

// New makes a Client. It does not connect.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not the address of a controller, such as https://deis.example.com", o.URL)
	}
	if o.UserAgent == "" {
		o.UserAgent = UserAgent
	}
	trust := &tls.Config{RootCAs: o.RootCAs, InsecureSkipVerify: o.Insecure}
	return &Client{
		base:      &url.URL{Scheme: u.Scheme, Host: u.Host},
		opts:      o,
		tls:       trust,
		following: patient,
		http: &http.Client{CheckRedirect: checkRedirect, Transport: &http.Transport{
			Proxy:               proxy,
			DialContext:         dial,
			TLSClientConfig:     trust,
			TLSHandshakeTimeout: connectTimeout,
			IdleConnTimeout:     30 * time.Second,
			MaxIdleConnsPerHost: 2,
		}},
	}, nil
}

// URL is the controller's scheme and host.
func (c *Client) URL() string { return c.base.String() }

// ErrNotController says that what answered is not a Deis controller.
var ErrNotController = errors.New("not a Deis controller")

// Probe asks without a token whether a controller answers, and returns the URL
// at which it does: behind a router that redirects to HTTPS that is not the
// Client's own. The error is ErrNotController if something else answers.
func (c *Client) Probe(ctx context.Context) (string, error) {
	req, err := c.request(ctx, http.MethodGet, "/v1/", nil)
	if err != nil {
		return "", err
	}
	req.Header.Del("Authorization")
	resp, err := c.http.Do(req)
	if err != nil {
		return "", c.unreached(ctx, err)
	}
	defer resp.Body.Close()
	at := resp.Request.URL
	if resp.StatusCode != http.StatusUnauthorized || !strings.EqualFold(at.Hostname(), c.base.Hostname()) {
		return "", ErrNotController
	}
	return (&url.URL{Scheme: at.Scheme, Host: at.Host}).String(), nil
}

var errRedirects = errors.New("stopped after 10 redirects")

// checkRedirect lets only requests be redirected that keep their method and
// body on the way: a POST would arrive as a GET after 301 to 303.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errRedirects
	}
	if req.Method != via[0].Method {
		return http.ErrUseLastResponse
	}
	return nil
}

// do makes one request. in is sent as JSON unless nil, the answer is read into
// out unless that is nil.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.open(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return err
	case len(b) > maxAnswer:
		return c.notAPI(errors.New("it is too long"))
	}
	if err := json.Unmarshal(b, out); err != nil {
		return c.notAPI(err)
	}
	return nil
}

// notAPI says that an answer came from something else than a controller.
func (c *Client) notAPI(err error) error {
	return fmt.Errorf("%s gave an answer that is not the API's: %w", c.base, err)
}

// open makes one request and returns the answer if it is a success. The caller
// closes its body.
func (c *Client) open(ctx context.Context, method, path string, in any) (*http.Response, error) {
	req, err := c.request(ctx, method, path, in)
	if err != nil {
		return nil, err
	}
	return c.send(req)
}

func (c *Client) send(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreached(req.Context(), err)
	}
	resp.Body = &answer{resp.Body, func(err error) error { return c.unreached(req.Context(), err) }}
	if err := c.check(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

func (c *Client) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		b, err := httpapi.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", c.opts.UserAgent)
	if c.opts.Token != "" {
		req.Header.Set("Authorization", "token "+c.opts.Token)
	}
	return req, nil
}

// check turns an answer that is not a success into an error.
func (c *Client) check(resp *http.Response) error {
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300 && resp.Header.Get(api.HeaderAPIVersion) == "" && resp.ContentLength != 0 && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"):
		return c.notAPI(errors.New("it is a page of HTML")) // such as that of a network one must log in to
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		c.compare(resp)
		return nil
	case resp.StatusCode < 400 && resp.Header.Get("Location") != "":
		return fmt.Errorf("%s redirects to %s: log in at that address", c.base, resp.Header.Get("Location"))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err != nil {
		return err
	}
	return &Error{Status: resp.StatusCode, Body: body}
}

// compare tells of a controller with another API version.
func (c *Client) compare(resp *http.Response) {
	if v := resp.Header.Get(api.HeaderAPIVersion); v != version.API && c.opts.OnVersion != nil {
		c.opts.OnVersion(v)
	}
}

// list asks for the first page of a list, of the given size.
func list[T any](ctx context.Context, c *Client, path string, size int) (Page[T], error) {
	var page Page[T]
	err := c.do(ctx, http.MethodGet, fmt.Sprintf("%s?page_size=%d", path, size), nil, &page)
	if err == nil && page.Results == nil {
		err = c.notAPI(errors.New("it has no results"))
	}
	return page, err
}

// Next asks for the page behind p, of the same size. Behind the last one there
// is one without results.
func Next[T any](ctx context.Context, c *Client, p Page[T]) (Page[T], error) {
	next := Page[T]{Count: p.Count, Results: []T{}}
	if p.Next == nil {
		return next, nil
	}
	u, err := url.Parse(*p.Next)
	if err == nil && !strings.HasPrefix(u.RequestURI(), "/v1/") {
		err = fmt.Errorf("its next page is %q", *p.Next)
	}
	if err != nil {
		return next, c.notAPI(err)
	}
	err = c.do(ctx, http.MethodGet, u.RequestURI(), nil, &next) // of this controller, whatever host it names
	if err == nil && next.Results == nil {
		err = c.notAPI(errors.New("it has no results"))
	}
	return next, err
}

// maxName bounds the names in a path; all the API's are shorter.
const maxName = 1024

// path fills names into the verbs of a path, each as one segment whatever it
// holds.
func path(format string, names ...string) (string, error) {
	escaped := make([]any, len(names))
	for i, name := range names {
		switch {
		case len(name) > maxName:
			return "", fmt.Errorf("%.32q... is not a name: it has %d bytes", name, len(name))
		case name == "" || name == "." || name == ".." || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
			return "", fmt.Errorf("%q is not a name", name)
		}
		escaped[i] = url.PathEscape(name)
	}
	return fmt.Sprintf(format, escaped...), nil
}
