package images

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/deis/deis/controller/deis"
)

// Allow says whether an image may be fetched from an address.
type Allow func(netip.Addr) bool

// parts are the platform's own images, which nobody may run as an app; those of
// Deis v1 and of today.
var parts = []string{
	"builder", "cache", "controller", "database", "etcd", "filter", "logger", "logspout", "publisher", "registry", "router", "slugbuilder",
	"store-admin", "store-daemon", "store-gateway", "store-metadata", "store-monitor",
}

// localID is how an Engine calls an image of its own, which is no name.
var localID = regexp.MustCompile(`^(sha256:)?[0-9a-f]{64}$`)

// source makes sure that the build's image is in the app's repository, and
// returns its tag there. A pushed build is; an image from elsewhere is copied
// at the first release, so that later ones do not depend on it.
func (i *Images) source(ctx context.Context, repo name.Repository, in deis.ReleaseImage) (tag string, err error) {
	if in.SHA != "" {
		if in.Image != in.App {
			return "", notAllowed(in.Image)
		}
		return "git-" + in.SHA, nil
	}
	tag = "build-" + in.Build
	if _, err := remote.Head(repo.Tag(tag), i.options(ctx)...); err == nil {
		return tag, nil
	} else if !isNotFound(err) {
		return "", registryError(textAway, err)
	}
	ref, err := i.foreign(ctx, in.Image)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	login := loginFor(ref.Context().RegistryStr(), in.Logins)
	image, err := remote.Image(ref, remote.WithContext(ctx), remote.WithTransport(impatient{i.external, i.patience}), remote.WithAuth(login),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	if err == nil {
		err = checkSize(image)
	}
	if err == nil {
		err = remote.Write(repo.Tag(tag), image, i.options(ctx)...)
	}
	if err != nil {
		return "", &deis.Error{Kind: deis.Unavailable, Detail: fmt.Sprintf("The image %s could not be fetched: %s.", in.Image, reason(err, login)), Err: err}
	}
	return tag, nil
}

// loginFor is what an app shows to a registry: nothing, unless it has
// credentials for just this one.
func loginFor(registry string, logins []deis.Login) authn.Authenticator {
	for _, l := range logins {
		if l.Registry == deis.CanonicalRegistry(registry) {
			return &authn.Basic{Username: l.Username, Password: l.Password.Reveal()}
		}
	}
	return authn.Anonymous
}

// foreign parses the name of an image that is not the platform's.
func (i *Images) foreign(ctx context.Context, image string) (name.Reference, error) {
	if localID.MatchString(image) {
		return nil, notAllowed(image)
	}
	ref, err := name.ParseReference(image, name.WeakValidation)
	if err != nil {
		return nil, deis.Field("image", "%s is not the name of an image.", image)
	}
	registry, repository := ref.Context().RegistryStr(), ref.Context().RepositoryStr()
	if i.Ours(registry) {
		return nil, notAllowed(image)
	}
	if part, ok := strings.CutPrefix(repository, "deis/"); ok && slices.Contains(parts, part) {
		return nil, notAllowed(repository)
	}
	// A short name is a public image, unless it is an app of this platform.
	if short, ok := strings.CutPrefix(repository, "library/"); ok && registry == name.DefaultRegistry {
		app, err := i.cfg.IsApp(ctx, short)
		if err != nil {
			return nil, err
		}
		if app {
			return nil, notAllowed(short)
		}
	}
	return ref, nil
}

// Ours says whether a registry is the platform's, by any of its names.
func (i *Images) Ours(registry string) bool {
	announced, err := i.cfg.Registry()
	if err == nil && registry == announced || registry == i.cfg.FromEngine {
		return true
	}
	host, _, err := net.SplitHostPort(registry)
	if err != nil {
		host = strings.Trim(registry, "[]")
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && !i.cfg.Allow(ip.Unmap())
}

func notAllowed(image string) error {
	return deis.Errorf(deis.Forbidden, "Repository name %s is not allowed", image)
}

// reason is the shortest part of a registry's error that explains it.
func reason(err error, login authn.Authenticator) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, errNotAllowed):
		return errNotAllowed.Error()
	case errors.Is(err, errStalled):
		return errStalled.Error()
	case errors.Is(err, errTooLarge):
		return errTooLarge.Error()
	case errors.As(err, &dns):
		return dns.Name + " is not a known host"
	case errors.Is(err, context.DeadlineExceeded):
		return "its registry took too long"
	case isNotFound(err):
		return "its registry does not have it"
	}
	var answer *transport.Error
	if errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden) {
		if login != authn.Anonymous {
			return "its registry refuses the app's credentials"
		}
		return "its registry does not have it, or not for everybody"
	}
	var call *url.Error // whose cause says as much, and once
	if errors.As(err, &call) {
		err = call.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

var errNotAllowed = errors.New("that address belongs to the platform")

// newTransport connects to addresses that allow admits, all if it is nil.
func newTransport(allow Allow) http.RoundTripper {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if allow != nil {
		// Names are resolved by now, so no name can stand for the platform.
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil || !allow(ap.Addr().Unmap()) {
				return errNotAllowed
			}
			return nil
		}
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       time.Minute,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
	}
}

// notOurs refuses addresses of this host and of the networks it is in, where
// the platform's components are, and those that mean the host itself.
func notOurs(ip netip.Addr) bool {
	if ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast() {
		return false
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Contains(ip) {
			return false
		}
	}
	return true
}
