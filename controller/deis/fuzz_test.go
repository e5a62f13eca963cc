package deis

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"

	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/labels"
)

// refused fails the test unless err tells a client, in sentences, what is
// wrong with its input.
func refused(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != Invalid {
		t.Fatalf("%v is not the client's fault", err)
	}
	texts := []string{e.Detail}
	if len(e.Fields) > 0 {
		texts = nil
		for field, all := range e.Fields {
			if field == "" || len(all) == 0 {
				t.Fatalf("%q has %q", field, all)
			}
			texts = append(texts, all...)
		}
	}
	for _, text := range texts {
		if text == "" {
			t.Fatalf("an error without words: %+v", e)
		}
	}
}

// object decodes JSON as package rest does; ok is false for what it refuses.
func object(b []byte, v any) (ok bool) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return utf8.Valid(b) && dec.Decode(v) == nil
}

type fixed struct{}

func (fixed) Domain() string           { return "example.com" }
func (fixed) Subdomain() string        { return "paas" }
func (fixed) RegistrationMode() string { return "enabled" }
func (fixed) UnitHostname() string     { return "default" }

var dnsLabel = regexp.MustCompile(`\A[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\z`)

func FuzzAppID(f *testing.F) {
	for _, id := range []string{"demo", "a", "golden-mountain", "deis", "deis-x", "paas", "localhost", "-a", "a-", "A", "a_b", "a.b", "", "1", "a\n", strings.Repeat("a", 64)} {
		f.Add(id)
	}
	c := New(Needs{Settings: fixed{}})
	f.Fuzz(func(t *testing.T, id string) {
		if err := c.validateAppID(id); err != nil {
			refused(t, err)
			return
		}
		if !dnsLabel.MatchString(id) || id == "paas" || id == "localhost" || id == "deis" || strings.HasPrefix(id, "deis-") {
			t.Fatalf("%q is an app id", id)
		}
		job := jobid.ID{App: id, Version: 7, Type: "web", Num: 2}
		if got, err := jobid.Parse(job.String()); err != nil || got != job {
			t.Fatalf("%q becomes %+v: %v", job, got, err)
		}
		if app, j, ok := keys.SplitService(keys.Service(id, job.String())); !ok || app != id || j != job.String() {
			t.Fatalf("the key of %q leads to %q, %q", id, app, j)
		}
	})
}

func FuzzConfigChange(f *testing.F) {
	for _, in := range []string{
		`{"Values":{"A":"b","_x1":5000,"T":true,"N":null,"F":1.50,"E":1e400}}`,
		`{"Values":{"1A":"b"}}`, `{"Values":{"A-B":"b"}}`, `{"Values":{"A":{"b":1}}}`, `{"Values":{"A\n":"x"}}`, `{"Values":{"A":"a\u0000b"}}`,
		`{"Values":{"HEALTHCHECK_URL":"/health","HEALTHCHECK_TIMEOUT":"3","healthcheck_initial_delay":"x"}}`,
		`{"Memory":{"web":"512M","worker2":"1gb","x":"1K"},"CPU":{"web":"1024","worker":0,"x":-1},"Tags":{"ssd":"true","rack":"a b"}}`,
		`{"Memory":{"web":null},"CPU":{"web":null},"Tags":{"ssd":null},"Values":{"OLD":null}}`,
	} {
		f.Add([]byte(in))
	}
	base := Config{
		Values: map[string]string{"OLD": "1", "A": "a"}, Memory: map[string]string{"web": "1G"},
		CPU: map[string]int{"web": 512}, Tags: map[string]string{"ssd": "yes"},
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var in ConfigChange
		if !object(b, &in) {
			return
		}
		p, err := in.parse()
		if err != nil {
			refused(t, err)
			return
		}
		merged := p.merge(base)
		if again := p.merge(merged); !reflect.DeepEqual(again, merged) {
			t.Fatalf("%+v, merged twice %+v", merged, again)
		}
		for k, v := range merged.Values {
			// as the image's environment will have it
			if name, value, ok := strings.Cut(k+"="+v, "="); !ok || name != k || value != v || k == "" || strings.ContainsAny(k, " \t\r\n\x00") || strings.Contains(v, "\x00") {
				t.Fatalf("%q=%q", k, v)
			}
		}
		for field, m := range map[string]map[string]any{"values": in.Values, "memory": in.Memory, "cpu": in.CPU, "tags": in.Tags} {
			for k, v := range m {
				_, there := map[string]map[string]bool{
					"values": set(merged.Values), "memory": set(merged.Memory), "cpu": set(merged.CPU), "tags": set(merged.Tags),
				}[field][k]
				if there != (v != nil) {
					t.Fatalf("%s of %s was set to %v; is it there? %v", k, field, v, there)
				}
				if s, ok := v.(string); ok && field == "values" && merged.Values[k] != s {
					t.Fatalf("%q became %q", s, merged.Values[k])
				}
			}
		}
		for k, v := range base.Values {
			if _, named := in.Values[k]; !named && merged.Values[k] != v {
				t.Fatalf("%s was lost", k)
			}
		}
		for k, v := range merged.Memory {
			if n, ok := ParseMemory(v); !ok || n < minMemory || !typeForm.MatchString(k) {
				t.Fatalf("%s has memory %q", k, v)
			}
		}
		for k, v := range merged.CPU {
			if v < 0 || v > 1024 || !typeForm.MatchString(k) {
				t.Fatalf("%s has cpu %d", k, v)
			}
		}
	})
}

func set[V any](m map[string]V) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

// What HEALTHCHECK_* settings pass must reach the publisher as it was set.
func FuzzHealthCheck(f *testing.F) {
	f.Add("/health", "3", "5")
	f.Add("/", "", "0")
	f.Add("health", "-1", "x")
	f.Add("/a?b=c#d\xff", "3600", "+3")
	f.Fuzz(func(t *testing.T, url, delay, timeout string) {
		in := map[string]any{"HEALTHCHECK_URL": url, "HEALTHCHECK_INITIAL_DELAY": delay, "HEALTHCHECK_TIMEOUT": timeout}
		p, err := ConfigChange{Values: in}.parse()
		if err != nil {
			refused(t, err)
			return
		}
		h := p.merge(Config{}).healthCheck()
		if h == nil || h.URL != url || h.InitialDelay < 0 || h.InitialDelay > 3600 || h.Timeout < 1 || h.Timeout > 3600 {
			t.Fatalf("%q %q %q became %+v", url, delay, timeout, h)
		}
		if n, _ := strconv.Atoi(delay); h.InitialDelay != n {
			t.Fatalf("%q became %d", delay, h.InitialDelay)
		}
		if strings.ContainsAny(url, " \r\n\t") || url[0] != '/' {
			t.Fatalf("%q is a path", url)
		}
		if !utf8.ValidString(url) {
			return // no JSON body can hold it
		}
		want := labels.Identity{Platform: "deis", ID: jobid.ID{App: "demo", Version: 1, Type: "web", Num: 1}, UUID: "u", Health: h}
		if got, ok, err := labels.Parse(want.Labels()); err != nil || !ok || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v became %+v: %v", want, got, err)
		}
	})
}

func FuzzMemory(f *testing.F) {
	for _, s := range []string{"512M", "20MB", "20gb", "1B", "0K", "20MK", "20gK", "-1M", "999999999999G", "1.5G", "12", "M", " 1M", "1M\n", "١M"} {
		f.Add(s)
	}
	units := map[string]int64{"B": 1, "K": 1 << 10, "KB": 1 << 10, "M": 1 << 20, "MB": 1 << 20, "G": 1 << 30, "GB": 1 << 30}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := ParseMemory(s)
		digits := strings.TrimRight(s, "BKMGbkmg")
		n, decimal := new(big.Int).SetString(digits, 10)
		unit := units[strings.ToUpper(s[len(digits):])]
		legal := decimal && unit > 0 && len(digits) <= 12 && strings.Trim(digits, "0123456789") == ""
		if legal {
			n.Mul(n, big.NewInt(unit))
			legal = n.Cmp(big.NewInt(1<<50)) <= 0
		}
		if ok != legal || ok && n.Int64() != got || !ok && got != 0 {
			t.Fatalf("%q is %d, %v", s, got, ok)
		}
	})
}

func FuzzCPU(f *testing.F) {
	for _, s := range []string{`0`, `1024`, `"512"`, `1025`, `-1`, `"+5"`, `1.5`, `1e2`, `true`, `null`, `""`, `"0x10"`, `[1]`, `99999999999999999999`} {
		f.Add("web", []byte(s))
	}
	f.Add("we b", []byte(`1`))
	f.Fuzz(func(t *testing.T, processType string, b []byte) {
		var v any
		if !object(b, &v) {
			return
		}
		p, err := ConfigChange{CPU: map[string]any{processType: v}}.parse()
		if err != nil {
			refused(t, err)
			return
		}
		shares, there := p.cpu[processType]
		if !there || (shares == nil) != (v == nil) || shares != nil && (*shares < 0 || *shares > 1024) {
			t.Fatalf("%s became %v", b, shares)
		}
		ofJob(t, processType)
	})
}

// ofJob fails the test unless the process type can be part of a container's
// name.
func ofJob(t *testing.T, processType string) {
	t.Helper()
	job := jobid.ID{App: "demo", Version: 1, Type: processType, Num: 1}
	if got, err := jobid.Parse(job.String()); err != nil || got != job {
		t.Fatalf("%q becomes %+v: %v", job, got, err)
	}
}

func FuzzTags(f *testing.F) {
	f.Add("ssd", "true")
	f.Add("rack", "a_1")
	f.Add("a.b", "x")
	f.Add("a", "x\n")
	f.Add("", "")
	f.Add("ä", "é")
	f.Fuzz(func(t *testing.T, key, value string) {
		p, err := ConfigChange{Tags: map[string]any{key: value}}.parse()
		if err != nil {
			refused(t, err)
			return
		}
		// as a scheduler's constraint: key=value, with commas or spaces between
		for _, s := range []string{key, value} {
			if s == "" || strings.ContainsFunc(s, func(r rune) bool {
				return r > 'z' || r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && r < 'a'
			}) {
				t.Fatalf("%q=%q is a tag", key, value)
			}
		}
		if got := p.merge(Config{}).Tags; !maps.Equal(got, map[string]string{key: value}) {
			t.Fatalf("%q=%q became %v", key, value, got)
		}
	})
}

func FuzzNewBuild(f *testing.F) {
	for _, in := range []string{
		`{"Image":"demo","SHA":"0123456789abcdef","Procfile":{"web":"./web","worker2":"a 'b'"}}`,
		`{"Image":"nginx:1.25","Procfile":{}}`, `{"Image":"demo","SHA":"0a","Dockerfile":"true","Push":"p-1"}`,
		`{"Image":""}`, `{"Image":"a b"}`, `{"Image":"demo","SHA":"xyz"}`, `{"Image":"demo","Push":"a b"}`,
		`{"Image":"demo","Procfile":{"run":"x"}}`, `{"Image":"demo","Procfile":{"../web":"x"}}`, `{"Image":"demo","Procfile":{"web":null}}`,
		`{"Image":"demo","Procfile":{"web":["x"]}}`, `{"Image":"demo","Procfile":{"web":1,"cmd":true,"x":""}}`,
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var in NewBuild
		if !object(b, &in) {
			return
		}
		build, err := in.parse()
		if err != nil {
			refused(t, err)
			return
		}
		if build.Image != in.Image || build.SHA != in.SHA || build.Dockerfile != in.Dockerfile || len(build.Procfile) != len(in.Procfile) {
			t.Fatalf("%+v became %+v", in, build)
		}
		if build.Image == "" || utf8.RuneCountInString(build.Image) > 256 || strings.ContainsAny(build.Image, " \t\r\n") || len(build.SHA) > 40 || len(build.Procfile) > maxProcessTypes {
			t.Fatalf("%+v", build)
		}
		for processType, command := range build.Procfile {
			if s, ok := in.Procfile[processType].(string); ok && s != command {
				t.Fatalf("%q became %q", s, command)
			}
			if processType == runType || !build.has(processType) {
				t.Fatalf("process type %q", processType)
			}
			ofJob(t, processType)
			got := build.command(processType)
			switch {
			case build.buildpack():
				if !slices.Equal(got, []string{"start", processType}) {
					t.Fatalf("%s runs %q", processType, got)
				}
			case command == "" && got != nil, command != "" && (len(got) != 3 || got[2] != command):
				t.Fatalf("%s runs %q instead of %q", processType, got, command)
			}
		}
		for processType, n := range build.defaultStructure() {
			if !build.has(processType) || n != 1 {
				t.Fatalf("%d of %q by default", n, processType)
			}
		}
	})
}

func FuzzStructure(f *testing.F) {
	for _, in := range []string{
		`{"web":2,"worker":"3"}`, `{"web":1.9}`, `{"web":-1}`, `{"web":-0.5}`, `{"web":"one"}`, `{"web":[1]}`, `{"web":null}`, `{"web":true}`,
		`{"web":1000}`, `{"web":1001}`, `{"web":1e400}`, `{"web":" 4 "}`, `{"web":"1_000"}`, `{"web":9223372036854775808}`, `{}`, `{"":0}`,
	} {
		f.Add([]byte(in), uint8(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, serving uint8) {
		var in map[string]any
		if !object(b, &in) {
			return
		}
		want, err := parseStructure(in)
		if err != nil {
			refused(t, err)
			return
		}
		again := map[string]any{}
		for processType, n := range want {
			if n < 0 || n > maxContainers {
				t.Fatalf("%d of %q", n, processType)
			}
			again[processType] = strconv.Itoa(n)
		}
		if got, err := parseStructure(again); err != nil || !maps.Equal(got, want) || len(want) != len(in) {
			t.Fatalf("%s becomes %v, that %v: %v", b, want, got, err)
		}

		// Of any number that serve, so many are added or leave as make it true.
		var rows []Container
		for num := 1; num <= int(serving%8); num++ {
			rows = append(rows, row(strconv.Itoa(num), "web", num*2, Serving))
		}
		structure, add, surplus := planScale(App{ID: "demo"}, Release{Version: 2}, rows, want)
		count, jobs := map[string]int{}, map[jobid.ID]bool{}
		for _, r := range slices.Concat(rows, add) {
			count[r.Type]++
			if jobs[r.Job()] {
				t.Fatalf("two are called %v", r.Job())
			}
			jobs[r.Job()] = true
		}
		for _, r := range surplus {
			count[r.Type]--
		}
		for processType, n := range structure {
			if count[processType] != n {
				t.Fatalf("%d of %q, want %d", count[processType], processType, n)
			}
		}
		for processType, n := range want {
			if structure[processType] != n {
				t.Fatalf("%v does not say %d of %q", structure, n, processType)
			}
		}
	})
}

func FuzzDomain(f *testing.F) {
	for _, name := range []string{
		"www.example.org", "MYDOMAIN.NET", "domain", "3com.com", "django.paas-sandbox", "w3.example.com", "xn--bcher-kva.example", "a.b.", "a.b..",
		"domain1", "3333.com", "this-is-an.invalid.1", "a_b.c", "a--b.c", "*.a.b", "", ".", "-a.b", "a-.b", "a/b.c", "a.b\n", "K.example", strings.Repeat("a.", 128) + "b",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, problem := canonicalHost(name)
		if problem != "" {
			return
		}
		if again, problem := canonicalHost(got); problem != "" || again != got {
			t.Fatalf("%q becomes %q, that %q: %s", name, got, again, problem)
		}
		if !strings.EqualFold(strings.TrimSuffix(name, "."), got) || len(got) > 255 || keys.Last(keys.Domain(got)) != got {
			t.Fatalf("%q becomes %q", name, got)
		}
		for _, l := range strings.Split(got, ".") {
			if !dnsLabel.MatchString(l) {
				t.Fatalf("%q has the label %q", got, l)
			}
		}
	})
}

func FuzzSSHKey(f *testing.F) {
	const ed25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIM9zuYkby8Xe8ZrqQ9DSaU3XmmjOK0t5gm0JUQFHLBDB"
	const ecdsa = "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBNsoH9qiGTY8gnrwxwPfpuwSFU5ZRihtklLc9f5JeaVdgfHG3A/Qoy2lnULUN3DFPtAmiJ+RsjtOPj+5B1xeLOA="
	const rsa = "AAAAB3NzaC1yc2EAAAADAQABAAABAQCPPcIJlx6417cTY0K2uaOsXlcMdoJb7DEqNofGl92lnS0Ex3sXotkHYncaoD5NRz7jirVpRQ2s3yiC6iuCUBaWYTDLJIaNNevBGpsMwGkEKGk9ZDQ8LVBJJYZ8eVTotDjTuVNPIDrLOUyMfmtQD4lJ91hy3DI6Z7+3hvQUKGbz3ZE7pWyg30rhIGvDZeiNLxloczl34/0xbDhZtKLG10wQVSIS0K9awYj8jtupFoxnnIshQ614OxWZ1KkxNXESseZ+6J73uOMDThdzzobMSNOE85M8iMKsstuPiOhc2sxJpPD2HHu42mvU7QDpzaz4kBck8MqksOKorZtMlBIKQLV5"
	for _, public := range []string{
		"ssh-ed25519 " + ed25519, "ssh-ed25519 " + ed25519 + " ann@home", "ssh-ed25519\t" + ed25519 + "  a b c ", "ecdsa-sha2-nistp256 " + ecdsa,
		"ssh-rsa " + rsa + " bob@home", "ssh-rsa " + ed25519, "ssh-ed25519 " + ed25519[:20], "ssh-ed25519", "ssh-ed25519 !!!", "", "command=\"x\" ssh-ed25519 " + ed25519,
		"ssh-ed25519 " + ed25519 + "\nssh-ed25519 " + ed25519,
	} {
		f.Add(public)
	}
	f.Fuzz(func(t *testing.T, public string) {
		key, err := parsePublicKey(public)
		if err != nil {
			refused(t, err)
			return
		}
		print := ssh.FingerprintLegacyMD5(key)
		fields := strings.Fields(public)
		wire, err := base64.StdEncoding.DecodeString(fields[1])
		if err != nil {
			t.Fatalf("%q is a key", public)
		}
		// as OpenSSH and Deis v1 have it
		sum := md5.Sum(wire)
		if got := strings.ReplaceAll(print, ":", ""); got != hex.EncodeToString(sum[:]) || strings.Count(print, ":") != 15 {
			t.Fatalf("%q has %s", public, print)
		}
		if strings.ContainsAny(public, "\r\n") || !bytes.Contains(wire, []byte(fields[0])) {
			t.Fatalf("%q is a key", public)
		}
		if other, err := parsePublicKey(fields[0] + " " + fields[1] + " another comment"); err != nil || !bytes.Equal(other.Marshal(), key.Marshal()) {
			t.Fatalf("with another comment it is another key: %v", err)
		}
		if user, p, ok := keys.SplitBuilderUser(keys.BuilderUser("ann", print)); !ok || user != "ann" || p != print {
			t.Fatalf("the key of %s leads to %q, %q", print, user, p)
		}
	})
}

func FuzzRegistration(f *testing.F) {
	f.Add("ann", "secret", "ann@example.com", "Ann", "B")
	f.Add("a.b@c+d-e_f", "x", "", "", "")
	f.Add("a/b", "", "no", strings.Repeat("x", 31), "é")
	f.Add("ann\n", "p", "Ann <ann@example.com>", "", "")
	f.Add("..", "p", "\"a b\"@example.com", "", "")
	f.Fuzz(func(t *testing.T, username, password, email, first, last string) {
		r := Registration{Username: &username, Password: &password, Email: email, FirstName: first, LastName: last}
		if err := r.validate(); err != nil {
			refused(t, err)
			return
		}
		for _, x := range []struct {
			text     string
			min, max int
		}{{username, 1, 30}, {password, 1, 128}, {email, 0, 75}, {first, 0, 30}, {last, 0, 30}} {
			if n := utf8.RuneCountInString(x.text); n < x.min || n > x.max {
				t.Fatalf("%q has %d characters", x.text, n)
			}
		}
		if user, p, ok := keys.SplitBuilderUser(keys.BuilderUser(username, "aa:bb")); !ok || user != username || p != "aa:bb" {
			t.Fatalf("the key of %q leads to %q, %q", username, user, p)
		}
		if strings.ContainsFunc(username, func(c rune) bool { return c <= ' ' || c > '~' }) || email != "" && !strings.Contains(email, "@") {
			t.Fatalf("%q with %q", username, email)
		}
	})
}
