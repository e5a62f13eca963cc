package options

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func open(t *testing.T, kv *etcd.KV) *Options {
	t.Helper()
	o, err := Open(t.Context(), kv, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func follow(t *testing.T, o *Options) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- o.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func put(t *testing.T, kv *etcd.KV, key, value string) {
	t.Helper()
	if _, err := kv.Put(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if retry.Until(ctx, 5*time.Millisecond, func(context.Context) (bool, error) { return cond(), nil }) != nil {
		t.Fatalf("not in 30 s: %s", what)
	}
}

func TestDefaultsAreCreatedOnce(t *testing.T) {
	kv := etcdtest.New(t)
	o := open(t, kv)
	if o.Subdomain() != "deis" || o.RegistrationMode() != "enabled" || o.UnitHostname() != "default" || o.Domain() != "" {
		t.Errorf("%+v", *o.values.Load())
	}
	key, err := base64.StdEncoding.DecodeString(o.BuilderKey())
	if len(key) != 64 || err != nil {
		t.Error(len(key), err)
	}
	s, err := kv.List(t.Context(), "/deis/")
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"protocol": "http", "registrationMode": "enabled", "unitHostname": "default", "builderKey": o.BuilderKey()} {
		if got := s.Keys["/deis/controller/"+k].Value; got != want {
			t.Errorf("%s is %q, not %q", k, got, want)
		}
	}
	if secret := s.Keys["/deis/controller/secretKey"].Value; secret == "" || secret == o.BuilderKey() || len(s.Keys) != 5 {
		t.Error(s.Keys)
	}
	if again := open(t, kv); again.BuilderKey() != o.BuilderKey() {
		t.Error("a second controller made a key of its own")
	}
	if after, err := kv.Revision(t.Context()); after != s.Revision || err != nil {
		t.Error("written again", err)
	}
}

func TestOperatorsValuesHold(t *testing.T) {
	kv := etcdtest.New(t)
	put(t, kv, "/deis/controller/builderKey", "mine")
	put(t, kv, "/deis/controller/registrationMode", "admin_only")
	put(t, kv, "/deis/controller/subdomain", "api")
	put(t, kv, "/deis/platform/domain", "x.org\n")
	o := open(t, kv)
	if o.BuilderKey() != "mine" || o.RegistrationMode() != "admin_only" || o.Subdomain() != "api" || o.Domain() != "x.org" {
		t.Errorf("%+v", *o.values.Load())
	}
}

func TestChangesAreFollowed(t *testing.T) {
	srv := etcdtest.Start(t)
	kv := srv.Dial()
	o := open(t, kv)
	follow(t, o)
	if err := o.Ready(t.Context()); err == nil || err.Error() != "/deis/platform/domain is not set" {
		t.Error(err)
	}
	put(t, kv, "/deis/platform/domain", "x.org")
	eventually(t, "ready", func() bool { return o.Ready(t.Context()) == nil && o.Domain() == "x.org" })
	put(t, kv, "/deis/controller/registrationMode", "disabled")
	eventually(t, "mode", func() bool { return o.RegistrationMode() == "disabled" })
	put(t, kv, "/deis/controller/registrationMode", "")
	eventually(t, "default mode", func() bool { return o.RegistrationMode() == "enabled" })

	// Deleted by mistake, or to make a new one: there is a key again.
	old := o.BuilderKey()
	if _, _, err := kv.Delete(t.Context(), "/deis/controller/builderKey"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "new key", func() bool { return o.BuilderKey() != old && o.BuilderKey() != "" })

	srv.Stop()
	if o.Domain() != "x.org" {
		t.Error("forgotten while etcd is away")
	}
	srv.Restart()
	eventually(t, "followed again", func() bool {
		_, err := kv.Put(t.Context(), "/deis/controller/subdomain", "api")
		return err == nil && o.Subdomain() == "api"
	})
}

func TestLDAP(t *testing.T) {
	kv := etcdtest.New(t)
	o := open(t, kv)
	follow(t, o)
	if o.LDAP() != (LDAP{}) {
		t.Errorf("%+v", o.LDAP())
	}
	for key, value := range map[string]string{
		"endpoint": "ldaps://x\n", "bind/dn": "cn=reader ", "bind/password": " p w \n", "user/basedn": "ou=people", "user/filter": "uid\n", "ca": "\nPEM\n", "verify": "false\n",
		"group/basedn": "ou=groups", "group/filter": "objectClass", "group/type": "groupOfNames",
	} {
		put(t, kv, "/deis/controller/auth/ldap/"+key, value)
	}
	want := LDAP{Endpoint: "ldaps://x", BindDN: "cn=reader", BindPassword: " p w ", UserBase: "ou=people", UserFilter: "uid", CA: "PEM", Verify: "false"}
	eventually(t, "all keys", func() bool { return o.LDAP() == want })
	for _, key := range []string{"endpoint", "bind/dn", "bind/password", "user/basedn", "user/filter", "ca", "verify"} {
		put(t, kv, "/deis/controller/auth/ldap/"+key, " ") // as Deis v1 wrote what is unset
	}
	eventually(t, "nothing", func() bool { return o.LDAP() == LDAP{} })
}

func TestOpenWithoutEtcd(t *testing.T) {
	srv := etcdtest.Start(t)
	kv := srv.Dial()
	srv.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, kv, quiet); err == nil {
		t.Error("no error")
	}
}
