package settings

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// ParseController reads a controller's address as a user types it: a URL, or a
// host with or without port, which means http. Only scheme and host are kept.
func ParseController(typed string) (string, error) {
	raw := typed
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return "", fmt.Errorf("%q is not the address of a controller, such as https://deis.example.com", typed)
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String(), nil
}

// host is the controller's host without port.
func (s *Session) host() string {
	u, err := url.Parse(s.Controller)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

func (s *Session) sshPort() int {
	if s.SSHPort > 0 {
		return s.SSHPort
	}
	return DefaultSSHPort
}

// RemoteURL is where git pushes an app to. A name under localhost would need a
// name server that knows it, so localhost itself stands for all of them.
func (s *Session) RemoteURL(app string) string {
	host := s.host()
	if isLocalhost(host) {
		host = "localhost"
	}
	return fmt.Sprintf("ssh://git@%s/%s.git", net.JoinHostPort(host, strconv.Itoa(s.sshPort())), app)
}

// AppOf is the app that a git remote's URL names, if it is one of the
// session's platform.
func (s *Session) AppOf(remote string) (app string, ok bool) {
	host, port, path, ok := parseRemote(remote)
	if !ok || host == "" {
		return "", false
	}
	switch {
	case host == "localhost" && isLocalhost(s.host()):
		// Several platforms may share localhost: only the port tells them apart.
		if port != "" && port != strconv.Itoa(s.sshPort()) {
			return "", false
		}
	case host != s.host():
		return "", false
	}
	app = path[strings.LastIndexByte(path, '/')+1:]
	app, _, _ = strings.Cut(app, ".")
	return app, app != ""
}

// parseRemote splits a git remote: a URL, or scp's user@host:path.
func parseRemote(remote string) (host, port, path string, ok bool) {
	if strings.Contains(remote, "://") {
		u, err := url.Parse(remote)
		if err != nil {
			return "", "", "", false
		}
		return strings.ToLower(u.Hostname()), u.Port(), u.Path, true
	}
	userHost, path, ok := cutHost(remote)
	if !ok || strings.Contains(userHost, "/") {
		return "", "", "", false // a path on this machine
	}
	host = userHost[strings.LastIndexByte(userHost, '@')+1:]
	return strings.ToLower(strings.Trim(host, "[]")), "", path, true
}

// cutHost splits at the first colon that is not part of a [IPv6] address.
func cutHost(s string) (host, path string, ok bool) {
	from := 0
	if open := strings.IndexByte(s, '['); open >= 0 {
		if end := strings.IndexByte(s, ']'); end > open {
			from = end
		}
	}
	colon := strings.IndexByte(s[from:], ':')
	if colon < 0 {
		return "", "", false
	}
	return s[:from+colon], s[from+colon+1:], true
}

// isLocalhost tells the names that mean the loopback address (RFC 6761).
func isLocalhost(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
