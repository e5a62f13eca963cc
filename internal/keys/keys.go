// Package keys is every path of the platform in etcd, once. The paths are
// those of Deis v1, as flat keys of etcd v3. A constant ending in a slash is a
// prefix. docs/architecture.md says who writes what.
package keys

import (
	"path"
	"strings"
)

// Prefixes that components follow.
const (
	Services        = "/deis/services/"
	Withdrawals     = "/deis/publisher/withdraw/"
	Checks          = "/deis/publisher/checks/"
	PublisherHosts  = "/deis/publisher/hosts/"
	Domains         = "/deis/domains/"
	Certs           = "/deis/certs/"
	Configs         = "/deis/config/"
	BuilderUsers    = "/deis/builder/users/"
	Builder         = "/deis/builder/"
	Controller      = "/deis/controller/"
	Platform        = "/deis/platform/"
	Router          = "/deis/router/"
	RouterHosts     = "/deis/router/hosts/"
	RoutersApplied  = "/deis/router/applied/"
	Registry        = "/deis/registry/"
	Database        = "/deis/database/"
	Logs            = "/deis/logs/"
	StoreGateway    = "/deis/store/gateway/"
	PlatformDomain  = "/deis/platform/domain"
	Mirrored        = "/deis/controller/mirrored"
	BuilderKey      = "/deis/controller/builderKey"
	SecretKey       = "/deis/controller/secretKey"
	RegistrationKey = "/deis/controller/registrationMode"
	Subdomain       = "/deis/controller/subdomain"
	UnitHostname    = "/deis/controller/unitHostname"
	LDAP            = "/deis/controller/auth/ldap/"
	DatabasePass    = "/deis/database/password"
	LogsProtocol    = "/deis/logs/protocol"
	LogsDrain       = "/deis/logs/drain"
	LogsAdapter     = "/deis/logs/storageAdapterType"
)

// Host and Port are where a component is reached, held by a lease. The logger
// is called logs there, as in Deis v1.
func Host(component string) string { return "/deis/" + component + "/host" }

// Port is the second half of Host.
func Port(component string) string { return "/deis/" + component + "/port" }

// App is the marker of an app: it exists as long as the app does.
func App(app string) string { return Services + app }

// Service is where one container of an app is reached, as ip:port.
func Service(app, job string) string { return Services + app + "/" + job }

// SplitService takes apart what App or Service made; job is empty for App.
func SplitService(key string) (app, job string, ok bool) { return split(key, Services) }

// Withdraw asks the publisher to stop announcing a container, whose id is the
// value.
func Withdraw(app, job string) string { return Withdrawals + app + "/" + job }

// SplitWithdraw takes apart what Withdraw made.
func SplitWithdraw(key string) (app, job string, ok bool) { return split(key, Withdrawals) }

// Check is the result of a container's last health check.
func Check(app, job string) string { return Checks + app + "/" + job }

// SplitCheck takes apart what Check made.
func SplitCheck(key string) (app, job string, ok bool) { return split(key, Checks) }

// PublisherHost says that a publisher is alive and has announced all of its
// host's containers, on the lease that holds them too.
func PublisherHost(host string) string { return PublisherHosts + host }

// Domain leads from a custom domain to its app.
func Domain(name string) string { return Domains + name }

// CertCert is the certificate chain of a common name, in PEM.
func CertCert(commonName string) string { return Certs + commonName + "/cert" }

// CertKey is the private key that belongs to CertCert.
func CertKey(commonName string) string { return Certs + commonName + "/key" }

// SplitCert takes apart what CertCert or CertKey made; part is cert or key.
func SplitCert(key string) (commonName, part string, ok bool) { return split(key, Certs) }

// Config is one setting of an app that a component reads; name is lower case.
func Config(app, name string) string { return Configs + app + "/" + name }

// SplitConfig takes apart what Config made.
func SplitConfig(key string) (app, name string, ok bool) { return split(key, Configs) }

// BuilderUser is a user's SSH public key, under its MD5 fingerprint.
func BuilderUser(user, fingerprint string) string { return BuilderUsers + user + "/" + fingerprint }

// SplitBuilderUser takes apart what BuilderUser made.
func SplitBuilderUser(key string) (user, fingerprint string, ok bool) {
	return split(key, BuilderUsers)
}

// SSHHostKey is a private host key of the builder; kind is rsa, ecdsa or
// ed25519.
func SSHHostKey(kind string) string { return Builder + "sshHost" + kind + "Key" }

// RouterHost says that a router is alive.
func RouterHost(host string) string { return RouterHosts + host }

// RouterApplied is the etcd revision that a router's nginx serves.
func RouterApplied(host string) string { return RoutersApplied + host }

// Last is the part of a key behind its last slash.
func Last(key string) string { return path.Base(key) }

func split(key, prefix string) (first, second string, ok bool) {
	rest, ok := strings.CutPrefix(key, prefix)
	if !ok || rest == "" {
		return "", "", false
	}
	first, second, _ = strings.Cut(rest, "/")
	return first, second, first != "" && !strings.Contains(second, "/")
}
