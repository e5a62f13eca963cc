package keys

import "testing"

func TestSplitUndoesJoin(t *testing.T) {
	cases := []struct {
		key   string
		split func(string) (string, string, bool)
	}{
		{Service("demo", "demo_v2.web.1"), SplitService},
		{Withdraw("demo", "demo_v2.web.1"), SplitWithdraw},
		{Check("demo", "demo_v2.web.1"), SplitCheck},
	}
	for _, c := range cases {
		if app, job, ok := c.split(c.key); app != "demo" || job != "demo_v2.web.1" || !ok {
			t.Errorf("%s: %q %q %v", c.key, app, job, ok)
		}
	}
	if app, job, ok := SplitService(App("demo")); app != "demo" || job != "" || !ok {
		t.Errorf("marker: %q %q %v", app, job, ok)
	}
	if cn, part, ok := SplitCert(CertKey("www.x.org")); cn != "www.x.org" || part != "key" || !ok {
		t.Errorf("cert: %q %q %v", cn, part, ok)
	}
	if user, fp, ok := SplitBuilderUser(BuilderUser("bob@x.org", "aa:bb")); user != "bob@x.org" || fp != "aa:bb" || !ok {
		t.Errorf("builder user: %q %q %v", user, fp, ok)
	}
}

func TestSplitRefusesForeignKeys(t *testing.T) {
	for _, key := range []string{"", "/deis/services/", "/deis/services", "/deis/services/a/b/c", "/deis/domains/x"} {
		if _, _, ok := SplitService(key); ok {
			t.Error(key)
		}
	}
}
