package options

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/retry"
)

const (
	protocol         = keys.Controller + "protocol"
	defaultSubdomain = "deis"
	defaultMode      = "enabled"
	defaultHostname  = "default"
)

// prefixes are read whole; each but the first is one key.
var prefixes = []string{keys.Controller, keys.PlatformDomain}

// Options are the settings. They implement deis.Settings.
type Options struct {
	kv     *etcd.KV
	log    *slog.Logger
	values atomic.Pointer[values]
}

var _ deis.Settings = (*Options)(nil)

// values are the settings at one moment.
type values struct {
	domain, subdomain, mode, hostname, builderKey string

	ldap LDAP
}

// LDAP is the directory that users are known by, beside their local passwords.
// Each text may be blank; there is none if Endpoint is.
type LDAP struct {
	Endpoint     string
	BindDN       string
	BindPassword string
	UserBase     string
	UserFilter   string
	Verify       string
	CA           string
}

// Open creates the keys that are missing and reads all once. Run keeps them up
// to date.
func Open(ctx context.Context, kv *etcd.KV, log *slog.Logger) (*Options, error) {
	o := &Options{kv: kv, log: log}
	s, err := kv.List(ctx, prefixes...)
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	return o, o.take(ctx, s)
}

// Run follows the settings until ctx ends.
func (o *Options) Run(ctx context.Context) error {
	return retry.Steadily(ctx, o.log, "follow the settings", time.Second, func(ctx context.Context) error {
		return etcd.Follow(ctx, o.kv, prefixes, o.take)
	})
}

// take makes s the settings, after it has created what s lacks.
func (o *Options) take(ctx context.Context, s etcd.State) error {
	value := func(key string) string { return strings.TrimSpace(s.Keys[key].Value) }
	v := &values{
		domain:    value(keys.PlatformDomain),
		subdomain: value(keys.Subdomain),
		// A single space stands for none, as in Deis v1.
		ldap: LDAP{
			Endpoint:     value(keys.LDAP + "endpoint"),
			BindDN:       value(keys.LDAP + "bind/dn"),
			BindPassword: strings.TrimRight(s.Keys[keys.LDAP+"bind/password"].Value, "\r\n"),
			UserBase:     value(keys.LDAP + "user/basedn"),
			UserFilter:   value(keys.LDAP + "user/filter"),
			Verify:       value(keys.LDAP + "verify"),
			CA:           value(keys.LDAP + "ca"),
		},
	}
	if strings.TrimSpace(v.ldap.BindPassword) == "" {
		v.ldap.BindPassword = ""
	}
	if v.subdomain == "" {
		v.subdomain = defaultSubdomain
	}
	for _, k := range []struct {
		key  string
		def  func() string
		into *string
	}{
		{protocol, always("http"), new(string)},
		{keys.SecretKey, secret, new(string)},
		{keys.BuilderKey, secret, &v.builderKey},
		{keys.RegistrationKey, always(defaultMode), &v.mode},
		{keys.UnitHostname, always(defaultHostname), &v.hostname},
	} {
		if *k.into = value(k.key); *k.into != "" {
			continue
		}
		if _, there := s.Keys[k.key]; there { // set to nothing, which means the default
			if k.key != keys.BuilderKey && k.key != keys.SecretKey {
				*k.into = k.def()
			}
			continue
		}
		current, _, err := o.kv.Create(ctx, k.key, k.def())
		if err != nil {
			return fmt.Errorf("create %s: %w", k.key, err)
		}
		*k.into = current
	}
	o.values.Store(v)
	return nil
}

// Domain is the platform's: apps are below it. It is empty until the operator
// has set it.
func (o *Options) Domain() string { return o.values.Load().domain }

// Subdomain is where the controller is below Domain.
func (o *Options) Subdomain() string { return o.values.Load().subdomain }

// RegistrationMode says who may register: enabled, disabled, admin_only, or
// whatever else the operator wrote.
func (o *Options) RegistrationMode() string { return o.values.Load().mode }

// UnitHostname says which host names containers see: default, application or
// server.
func (o *Options) UnitHostname() string { return o.values.Load().hostname }

// BuilderKey is the secret by which the builder is known.
func (o *Options) BuilderKey() string { return o.values.Load().builderKey }

// LDAP is the directory's settings.
func (o *Options) LDAP() LDAP { return o.values.Load().ldap }

// Ready is nil once all that has no default is set.
func (o *Options) Ready(context.Context) error {
	if o.Domain() == "" {
		return errors.New(keys.PlatformDomain + " is not set")
	}
	return nil
}

func always(s string) func() string { return func() string { return s } }

// secret is 64 random bytes, as Deis v1 wrote them.
func secret() string {
	b := make([]byte, 64)
	_, _ = rand.Read(b) // never fails
	return base64.StdEncoding.EncodeToString(b)
}
