package deis

import (
	"strings"
	"testing"
)

// TestHosts has every example of spec section 2.6, and those of
// docs/decisions/0005-wildcard-domains.md.
func TestHosts(t *testing.T) {
	for in, want := range map[string]string{
		"domain":                                 "domain",
		"3com.com":                               "3com.com",
		"MYDOMAIN.NET":                           "mydomain.net",
		"django.paas-sandbox":                    "django.paas-sandbox",
		"w3.example.com":                         "w3.example.com",
		"example.com.":                           "example.com",
		"xn--bcher-kva.example":                  "xn--bcher-kva.example",
		"XN--BCHER-KVA.example":                  "xn--bcher-kva.example",
		"a-b.c-d.org":                            "a-b.c-d.org",
		"1a.2b.org":                              "1a.2b.org",
		"demo.10.1.2.3.xip.io":                   "demo.10.1.2.3.xip.io",
		"10.1.2.3.nip.io":                        "10.1.2.3.nip.io",
		"Demo.10.1.2.3.SSLIP.io.":                "demo.10.1.2.3.sslip.io",
		strings.Repeat("a", 63) + ".org":         strings.Repeat("a", 63) + ".org",
		strings.Repeat("abcdefghi.", 25) + "org": strings.Repeat("abcdefghi.", 25) + "org",
	} {
		if got, problem := canonicalHost(in); got != want || problem != "" {
			t.Errorf("%s: %q, %q", in, got, problem)
		}
	}
	for in, want := range map[string]string{
		"domain1":                       textHostBad,
		"3333.com":                      textHostBad,
		"this-is-an.invalid.1":          textHostBad,
		"a_b.c":                         textHostBad,
		"a--b.c":                        textHostBad,
		"":                              textHostBad,
		".":                             textHostBad,
		"a.org..":                       textHostBad,
		".a.org":                        textHostBad,
		"a..b":                          textHostBad,
		"-a.b":                          textHostBad,
		"a-.b":                          textHostBad,
		"xn--.b":                        textHostBad,
		"a b.c":                         textHostBad,
		"a\n.b":                         textHostBad,
		"a.b\n":                         textHostBad,
		"a/b.c":                         textHostBad,
		"../b.c":                        textHostBad,
		"a.b;return 200":                textHostBad,
		"bücher.example":                textHostBad,
		"10.1.2.3":                      textHostBad,
		"::1":                           textHostBad,
		"a.org:80":                      textHostBad,
		"a.*.org":                       textHostBad,
		"a*.org":                        textHostBad,
		"12.xip.io.org":                 textHostBad,
		"12.notxip.io":                  textHostBad,
		"a_b.10.1.2.3.xip.io":           textHostBad,
		strings.Repeat("a", 64) + ".b":  textHostBad,
		"*.example.com":                 textHostWildcard,
		"*":                             textHostWildcard,
		"*.10.1.2.3.xip.io":             textHostWildcard,
		"*.10.1.2.3.nip.io":             textHostWildcard,
		strings.Repeat("a.", 128) + "b": textHostTooLong,
	} {
		if got, problem := canonicalHost(in); got != "" || problem != want {
			t.Errorf("%q: %q, %q, want %q", in, got, problem, want)
		}
	}
}
