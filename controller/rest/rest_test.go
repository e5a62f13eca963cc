package rest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/deis/deis/internal/version"
)

// raw sends text and reads the answer up to the end of its header, as it is
// on the wire.
func raw(t *testing.T, address, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return head(t, bufio.NewReader(conn))
}

// head reads up to an empty line.
func head(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %q", err, b.String())
		}
		if line == "\r\n" {
			return b.String()
		}
		b.WriteString(line)
	}
}

// TestHeadersOnTheWire reads what net/http's client would hide: the spelling.
func TestHeadersOnTheWire(t *testing.T) {
	c := serve(t, &fake{}, quiet())
	for request, status := range map[string]string{
		"GET /v1/ HTTP/1.1\r\nHost: x\r\n\r\n":                                                     "HTTP/1.1 401 UNAUTHORIZED",
		"GET /v1/ HTTP/1.1\r\nHost: x\r\nAuthorization: token bob\r\n\r\n":                         "HTTP/1.1 200 OK",
		"GET /v1/users HTTP/1.0\r\nAuthorization: token bob\r\nAccept: text/html\r\n\r\n":          "HTTP/1.0 406 NOT ACCEPTABLE",
		"PUT /v1/ HTTP/1.1\r\nHost: x\r\nAuthorization: token bob\r\n\r\n":                         "HTTP/1.1 405 METHOD NOT ALLOWED",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                                                        "HTTP/1.1 404 NOT FOUND",
		"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n":                                                 "HTTP/1.1 200 OK",
		"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n":                           "HTTP/1.1 405 METHOD NOT ALLOWED",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n":                                                    "HTTP/1.1 404 NOT FOUND",
		"OPTIONS /v1/apps HTTP/1.1\r\nHost: x\r\nAccess-Control-Request-Method: POST\r\n\r\n":      "HTTP/1.1 200 OK",
		"GET /v1/ HTTP/1.1\r\nHost: x\r\nDeis-Version: 2\r\n\r\n":                                  "HTTP/1.1 405 METHOD NOT ALLOWED",
		"DELETE /v1/apps/demo HTTP/1.1\r\nHost: x\r\nAuthorization: token bob\r\n\r\n":             "HTTP/1.1 204 NO CONTENT",
		"POST /v1/apps HTTP/1.1\r\nHost: x\r\nAuthorization: token bob\r\n\r\n":                    "HTTP/1.1 201 CREATED",
		"GET http://x/v1/ HTTP/1.1\r\nHost: x\r\nAuthorization: token bob\r\n\r\n":                 "HTTP/1.1 200 OK",
		"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n":                                              "HTTP/1.1 404 NOT FOUND",
		"GET /v1/apps?page=2 HTTP/1.1\r\nHost: x\r\nAuthorization: token bob\r\nX-A: \xff\r\n\r\n": "HTTP/1.1 404 NOT FOUND",
	} {
		got := raw(t, c.address, request)
		lines := strings.Split(got, "\r\n")
		if lines[0] != status {
			t.Errorf("%q: %s, want %s", request, lines[0], status)
		}
		for _, want := range []string{
			"DEIS_API_VERSION: 1.7", "DEIS_PLATFORM_VERSION: " + version.Platform,
			"X_DEIS_API_VERSION: 1.7", "X_DEIS_PLATFORM_VERSION: " + version.Platform,
		} {
			if !strings.Contains(got, "\r\n"+want+"\r\n") {
				t.Errorf("%q: no %s in %s", request, want, got)
			}
		}
		if strings.HasSuffix(status, "UNAUTHORIZED") && !strings.Contains(got, "\r\nWWW-Authenticate: Token\r\n") {
			t.Errorf("%q: no challenge in %s", request, got)
		}
	}
}

func TestVersionOfClient(t *testing.T) {
	c := serve(t, &fake{}, quiet())
	for v, ok := range map[string]bool{"": true, "1": true, "2": false, "1.7": false, "x<>": false} {
		for _, path := range []string{"/v1/", "/nowhere", "/healthz"} {
			got := c.do("GET", path, "", "Deis-Version", v)
			want := `{"error":"Client and server versions do not match. Client version: ` + v + ` Server version: 1"}`
			refused := got.status == "405 METHOD NOT ALLOWED" && got.body == want
			if refused == ok {
				t.Errorf("%q %s: %s %s", v, path, got.status, got.body)
			}
		}
	}
}

func TestCORS(t *testing.T) {
	c := serve(t, &fake{}, quiet())
	every := map[string]string{
		"Access-Control-Allow-Origin":   "*",
		"Access-Control-Expose-Headers": "X_DEIS_API_VERSION, X_DEIS_PLATFORM_VERSION, X-Deis-Release, DEIS_API_VERSION, DEIS_PLATFORM_VERSION, Deis-Release",
	}
	options := map[string]string{
		"Access-Control-Allow-Headers": "content-type, accept, origin, Authorization, Host",
		"Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
		"Access-Control-Max-Age":       "86400",
	}
	check := func(name string, got http.Header, want map[string]string, sent bool) {
		t.Helper()
		for header, value := range want {
			if !sent {
				value = ""
			}
			if got.Get(header) != value {
				t.Errorf("%s: %s is %q, want %q", name, header, got.Get(header), value)
			}
		}
		if got.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s allows credentials", name)
		}
	}
	for _, path := range []string{"/v1/apps", "/nowhere", "/healthz"} {
		for _, origin := range []string{"", "https://ui.example.com"} {
			for _, method := range []string{"GET", "POST", "OPTIONS"} {
				got := c.do(method, path, "", "Origin", origin, "Authorization", "")
				name := method + " " + path + " from " + origin
				check(name, got.header, every, origin != "")
				check(name, got.header, options, origin != "" && method == "OPTIONS")
			}
			got := c.do("OPTIONS", path, "", "Origin", origin, "Authorization", "", "Access-Control-Request-Method", "DELETE")
			if got.status != "200 OK" || got.body != "" {
				t.Errorf("preflight of %s: %s %s", path, got.status, got.body)
			}
			check("preflight of "+path, got.header, options, origin != "")
		}
	}
}

func TestAccept(t *testing.T) {
	c := serve(t, &fake{}, quiet())
	for accept, ok := range map[string]bool{
		"": true, "*/*": true, "application/*": true, "application/json": true, "Application/JSON; indent=4": true,
		"text/html, application/xhtml+xml, */*;q=0.8": true, "text/html;, application/json": true,
		"text/html": false, "text/plain": false, "application/xml": false, "application/jsonx": false, "text/*": false, ";;": false,
	} {
		for _, path := range []string{"/v1/apps", "/v1/apps/demo/logs"} {
			for _, token := range []string{"token bob", ""} { // it comes before authentication
				got := c.do("GET", path, "", "Accept", accept, "Authorization", token)
				refused := got.status == "406 NOT ACCEPTABLE" && got.body == `{"detail":"Could not satisfy the request Accept header"}`
				if refused == ok {
					t.Errorf("%q %s: %s %s", accept, path, got.status, got.body)
				}
			}
		}
	}
	for format, status := range map[string]string{"": "200 OK", "json": "200 OK", "xml": "404 NOT FOUND", "JSON": "404 NOT FOUND"} {
		if got := c.do("GET", "/v1/apps?format="+format, ""); got.status != status {
			t.Errorf("format %q: %s %s", format, got.status, got.body)
		}
	}
}
