package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/controller/deis"
)

func form(t *testing.T, pairs ...string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		if err := w.WriteField(pairs[i], pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	file, err := w.CreateFormFile("password", "x.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, "from a file"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

func TestBodies(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	multi, multiBody := form(t, "username", "al", "password", "p", "username", "bob")
	file, fileBody := form(t, "username", "al")
	const jsonType, formType = "application/json", "application/x-www-form-urlencoded"
	for name, x := range map[string]struct{ contentType, body, status, want string }{
		"json":            {jsonType, `{"username":"bob","password":"p"}`, "200 OK", ""},
		"json charset":    {"application/JSON; charset=utf-8", `{"username":"bob","password":"p"}`, "200 OK", ""},
		"json spaces":     {jsonType, " \r\n{\"username\":\"bob\",\"password\":\"p\"}\n", "200 OK", ""},
		"form":            {formType, `username=al&password=p&username=bob`, "200 OK", ""},
		"form charset":    {formType + "; charset=UTF-8", `username=bob&password=p`, "200 OK", ""},
		"multipart":       {multi, multiBody, "200 OK", ""},
		"no body":         {jsonType, "", "400 BAD REQUEST", `{"password":["This field is required."],"username":["This field is required."]}`},
		"no body, odd":    {"text/plain", "", "400 BAD REQUEST", `{"password":["This field is required."],"username":["This field is required."]}`},
		"odd":             {"text/plain", "x", "415 UNSUPPORTED MEDIA TYPE", `{"detail":"Unsupported media type 'text/plain' in request."}`},
		"odd params":      {"text/plain; charset=x", "x", "415 UNSUPPORTED MEDIA TYPE", `{"detail":"Unsupported media type 'text/plain; charset=x' in request."}`},
		"untyped":         {"", "x", "415 UNSUPPORTED MEDIA TYPE", `{"detail":"Unsupported media type '' in request."}`},
		"no type":         {";;", "x", "415 UNSUPPORTED MEDIA TYPE", `{"detail":"Unsupported media type ';;' in request."}`},
		"not json":        {jsonType, "username=bob", "400 BAD REQUEST", `{"detail":"JSON parse error - invalid character 'u' looking for beginning of value"}`},
		"half json":       {jsonType, `{"username":`, "400 BAD REQUEST", `{"detail":"JSON parse error - unexpected end of the text"}`},
		"blank json":      {jsonType, ` `, "400 BAD REQUEST", `{"detail":"JSON parse error - unexpected end of the text"}`},
		"two jsons":       {jsonType, `{} {}`, "400 BAD REQUEST", `{"detail":"JSON parse error - there is more after the first value"}`},
		"not utf-8":       {jsonType, "{\"username\":\"\xff\"}", "400 BAD REQUEST", `{"detail":"JSON parse error - the text is not UTF-8"}`},
		"list":            {jsonType, `[1]`, "400 BAD REQUEST", `{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}`},
		"text":            {jsonType, `"x"`, "400 BAD REQUEST", `{"non_field_errors":["Invalid data. Expected a dictionary, but got str."]}`},
		"null":            {jsonType, `null`, "400 BAD REQUEST", `{"non_field_errors":["Invalid data. Expected a dictionary, but got NoneType."]}`},
		"bad form":        {formType, `username=%zz`, "400 BAD REQUEST", `{"detail":"Form parse error - invalid URL escape \"%zz\""}`},
		"form not utf-8":  {formType, `username=%ff&password=p`, "400 BAD REQUEST", `{"detail":"Form parse error - the text is not UTF-8"}`},
		"no boundary":     {"multipart/form-data", "x", "400 BAD REQUEST", `{"detail":"Multipart form parse error - multipart: boundary is empty"}`},
		"other boundary":  {"multipart/form-data; boundary=y", multiBody, "400 BAD REQUEST", `{"detail":"Multipart form parse error - multipart: NextPart: EOF"}`},
		"file is nothing": {file, fileBody, "400 BAD REQUEST", `{"password":["This field is required."]}`},
		"null and blank":  {jsonType, `{"username":null,"password":""}`, "400 BAD REQUEST", `{"password":["This field may not be blank."],"username":["This field may not be null."]}`},
		"types":           {jsonType, `{"username":["a"],"password":true}`, "400 BAD REQUEST", `{"password":["Not a valid string."],"username":["Not a valid string."]}`},
		"NUL":             {jsonType, `{"username":"a\u0000","password":"p"}`, "400 BAD REQUEST", `{"username":["Null characters are not allowed."]}`},
	} {
		got := c.do("POST", "/v1/auth/login/", x.body, "Content-Type", x.contentType)
		call := f.noted()
		if x.want == "" {
			if got.status != x.status || call != `Login["bob","p"]` {
				t.Errorf("%s: %s %s, calls %s", name, got.status, got.body, call)
			}
			continue
		}
		if got.status != x.status || got.body != x.want || call != "" {
			t.Errorf("%s: %s %s, want %s, calls %s", name, got.status, got.body, x.want, call)
		}
	}
}

func TestNumbersAreTexts(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	c.do("POST", "/v1/auth/login/", `{"username":1.50,"password":123456789012345678901234567890}`)
	if call := f.noted(); call != `Login["1.50","123456789012345678901234567890"]` {
		t.Error(call)
	}
}

func TestObjects(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	for body, want := range map[string]string{
		`{"values":{"A":"1"}}`:             "",
		`{"values":"{\"A\":1e400}"}`:       "",
		`{"values":{}}`:                    "",
		`{}`:                               "",
		`{"values":null}`:                  `{"values":["This field may not be null."]}`,
		`{"values":"null"}`:                `{"values":["This field may not be null."]}`,
		`{"values":""}`:                    `{"values":["Value must be valid JSON."]}`,
		`{"values":"{A:1}"}`:               `{"values":["Value must be valid JSON."]}`,
		`{"values":"{} {}"}`:               `{"values":["Value must be valid JSON."]}`,
		`{"values":[1],"cpu":"[]"}`:        `{"cpu":["Expected a dictionary, but got list."],"values":["Expected a dictionary, but got list."]}`,
		`{"memory":1,"tags":true}`:         `{"memory":["Expected a dictionary, but got number."],"tags":["Expected a dictionary, but got bool."]}`,
		`{"values":"\"{}\""}`:              `{"values":["Expected a dictionary, but got str."]}`,
		`{"values":{"A":["\u0000"]}}`:      `{"values":["Null characters are not allowed."]}`,
		`{"values":{"A":{"\u0000":1}}}`:    `{"values":["Null characters are not allowed."]}`,
		`{"values":"{\"A\":\"\\u0000\"}"}`: `{"values":["Null characters are not allowed."]}`,
	} {
		got := c.do("POST", "/v1/apps/demo/config", body)
		call := f.noted()
		if want == "" {
			want = configJSON
		}
		if got.body != want || (call != "") != (want == configJSON) {
			t.Errorf("%s: %s %s, calls %s", body, got.status, got.body, call)
		}
	}
	c.do("POST", "/v1/apps/demo/scale", `web=2`, "Content-Type", "application/x-www-form-urlencoded")
	if call := f.noted(); call != `Scale["bob","demo",{"web":"2"}]` {
		t.Error(call)
	}
	c.do("POST", "/v1/apps/demo/builds", `image=a&procfile={"web":"x"}`, "Content-Type", "application/x-www-form-urlencoded")
	if call := f.noted(); call != `CreateBuild["bob","demo",{"Image":"a","SHA":"","Procfile":{"web":"x"},"Dockerfile":"","Push":""}]` {
		t.Error(call)
	}
}

func TestFieldsOfRoutes(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	const required = `["This field is required."]`
	for _, x := range []struct{ method, path, body, want string }{
		{"POST", "/v1/auth/register", `{"username":[],"password":null}`, `{"password":["This field may not be null."],"username":["Not a valid string."]}`},
		{"POST", "/v1/auth/login/", "", `{"password":` + required + `,"username":` + required + `}`},
		{"POST", "/v1/auth/register", `{"username":"a","password":"b","email":null}`, `{"email":["This field may not be null."]}`},
		{"POST", "/v1/auth/passwd", "", `{"new_password":` + required + `}`},
		{"POST", "/v1/auth/passwd", `{"new_password":"","username":1,"password":null}`, `{"new_password":["This field may not be blank."],"password":["This field may not be null."]}`},
		{"POST", "/v1/auth/tokens/", `{"username":{}}`, `{"username":["Not a valid string."]}`},
		{"DELETE", "/v1/auth/cancel", `{"username":[]}`, `{"username":["Not a valid string."]}`},
		{"POST", "/v1/apps", `{"id":null,"structure":null}`, `{"id":["This field may not be null."],"structure":["This field may not be null."]}`},
		{"POST", "/v1/apps", `{"id":""}`, `{"id":["This field may not be blank."]}`},
		{"POST", "/v1/apps/demo", `{"owner":null}`, `{"owner":["This field may not be null."]}`},
		{"POST", "/v1/apps/demo/builds", "", `{"image":` + required + `}`},
		{"POST", "/v1/apps/demo/builds", `{"image":"a","procfile":null,"sha":null,"dockerfile":true}`, `{"dockerfile":["Not a valid string."],"procfile":["This field may not be null."],"sha":["This field may not be null."]}`},
		{"POST", "/v1/apps/demo/releases/rollback", `{"version":"two"}`, `{"version":["A valid integer is required."]}`},
		{"POST", "/v1/apps/demo/releases/rollback", `{"version":1.5}`, `{"version":["A valid integer is required."]}`},
		{"POST", "/v1/apps/demo/releases/rollback", `{"version":2147483648}`, `{"version":["A valid integer is required."]}`},
		{"POST", "/v1/apps/demo/releases/rollback", `{"version":null}`, `{"version":["This field may not be null."]}`},
		{"POST", "/v1/apps/demo/run", "", `{"command":` + required + `}`},
		{"POST", "/v1/apps/demo/domains", "", `{"domain":` + required + `}`},
		{"POST", "/v1/apps/demo/perms", "", `{"username":` + required + `}`},
		{"POST", "/v1/admin/perms", "", `{"username":` + required + `}`},
		{"POST", "/v1/keys", "", `{"id":` + required + `,"public":` + required + `}`},
		{"POST", "/v1/certs", "", `{"certificate":` + required + `,"key":` + required + `}`},
		{"POST", "/v1/certs", `{"certificate":"","key":1,"common_name":null}`, `{"certificate":["This field may not be blank."],"common_name":["This field may not be null."]}`},
		{"POST", "/v1/hooks/push", "", `{"fingerprint":` + required + `,"receive_repo":` + required + `,"receive_user":` + required + `,"sha":` + required + `,"ssh_connection":` + required + `,"ssh_original_command":` + required + `}`},
		{"POST", "/v1/hooks/config", "", `{"receive_repo":` + required + `,"receive_user":` + required + `}`},
		{"POST", "/v1/hooks/build", "", `{"image":` + required + `,"receive_repo":` + required + `,"receive_user":` + required + `}`},
	} {
		got := c.do(x.method, x.path, x.body)
		if got.status != "400 BAD REQUEST" || got.body != x.want {
			t.Errorf("%s %s %s: %s %s, want %s", x.method, x.path, x.body, got.status, got.body, x.want)
		}
	}
	for _, r := range Routes() {
		if r.Method == "GET" || r.Method == "DELETE" && r.Pattern != "/v1/auth/cancel" || strings.HasSuffix(r.Pattern, "restart") {
			continue // they read no body
		}
		if got := c.do(r.Method, example(r.Pattern), "[]"); got.status != "400 BAD REQUEST" {
			t.Errorf("%s %s with a list: %s", r.Method, r.Pattern, got.status)
		}
	}
	if calls := f.noted(); calls != "" {
		t.Error(calls)
	}
}

// endless is a body whose length is not told.
type endless struct{ io.Reader }

func TestTooLarge(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	value := func(n int) string { return `{"values":{"A":"` + strings.Repeat("x", n) + `"}}` }
	for _, x := range []struct {
		path   string
		size   int
		status string
	}{
		{"/v1/apps/demo/config", 3 << 20, "201 CREATED"},
		{"/v1/apps/demo/config", 4 << 20, "413 REQUEST ENTITY TOO LARGE"},
		{"/v1/apps/demo/config", 64 << 20, "413 REQUEST ENTITY TOO LARGE"},
		{"/v1/apps", 1<<20 - 100, "201 CREATED"},
		{"/v1/apps", 1 << 20, "413 REQUEST ENTITY TOO LARGE"},
	} {
		for _, known := range []bool{true, false} {
			body := value(x.size)
			var r io.Reader = strings.NewReader(body)
			if !known {
				r = endless{r}
			}
			req, err := http.NewRequest("POST", "http://"+c.address+x.path, r)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "token bob")
			req.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Errorf("%s %d: %v", x.path, x.size, err)
				continue
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if large := string(b) == `{"detail":"Request body is too large."}`; resp.Status != x.status || large != strings.HasPrefix(x.status, "413") {
				t.Errorf("%s %d: %s %s", x.path, x.size, resp.Status, b)
			}
		}
	}
}

// TestExpect: a body that is not wanted is not asked for.
func TestExpect(t *testing.T) {
	c := serve(t, &fake{}, quiet())
	for text, want := range map[string]string{
		"Authorization: token bad\r\nContent-Type: application/json\r\nContent-Length: 5":       "HTTP/1.1 401 UNAUTHORIZED",
		"Authorization: token bob\r\nContent-Type: text/plain\r\nContent-Length: 5":             "HTTP/1.1 415 UNSUPPORTED MEDIA TYPE",
		"Authorization: token bob\r\nContent-Type: application/json\r\nContent-Length: 9999999": "HTTP/1.1 413 REQUEST ENTITY TOO LARGE",
		"Authorization: token bob\r\nContent-Type: application/json\r\nContent-Length: 5":       "HTTP/1.1 100 Continue",
	} {
		got := raw(t, c.address, "POST /v1/apps HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"+text+"\r\n\r\n")
		if line, _, _ := strings.Cut(got, "\r\n"); line != want {
			t.Errorf("%s: %s", text, line)
		}
	}
}

// TestSlowBody: who sends half a body keeps nobody waiting, whether the body
// is wanted or not.
func TestSlowBody(t *testing.T) {
	f := &fake{}
	s := &server{log: quiet(), identities: f, metrics: newMetrics(prometheus.NewRegistry()), bodyTimeout: 50 * time.Millisecond, timeout: time.Minute}
	address := serveHandler(t, s.handler(routes(f)))
	for line, want := range map[string]string{
		"POST /v1/apps HTTP/1.1\r\nAuthorization: token bob":                         "HTTP/1.1 408 REQUEST TIMEOUT",
		"POST /v1/apps HTTP/1.1\r\nAuthorization: token bad":                         "HTTP/1.1 401 UNAUTHORIZED",
		"POST /v1/apps/demo/containers/restart HTTP/1.1\r\nAuthorization: token bob": "HTTP/1.1 200 OK",
		"PUT /v1/apps HTTP/1.1\r\nAuthorization: token bob":                          "HTTP/1.1 405 METHOD NOT ALLOWED",
		"POST /nowhere HTTP/1.1":                                                     "HTTP/1.1 404 NOT FOUND",
		"POST /healthz HTTP/1.1":                                                     "HTTP/1.1 405 METHOD NOT ALLOWED",
	} {
		got := raw(t, address, line+"\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
		if !strings.HasPrefix(got, want+"\r\n") || !strings.Contains(got, "\r\nConnection: close\r\n") {
			t.Errorf("%s: %s", line, got)
		}
	}
}

// TestBrokenBody: a body that does not come, or breaks off, is told to be so.
func TestBrokenBody(t *testing.T) {
	f := &fake{}
	s := &server{log: quiet(), identities: f, metrics: newMetrics(prometheus.NewRegistry()), bodyTimeout: 50 * time.Millisecond, timeout: time.Minute}
	address := serveHandler(t, s.handler(routes(f)))
	for body, want := range map[string][2]string{
		"Content-Length: 100\r\n\r\n{":                         {"408 REQUEST TIMEOUT", `{"detail":"Request body did not arrive in time."}`},
		"Transfer-Encoding: chunked\r\n\r\nwithout length\r\n": {"400 BAD REQUEST", `{"detail":"Request body could not be read."}`},
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST /v1/apps HTTP/1.1\r\nHost: x\r\nAuthorization: token bob\r\nContent-Type: application/json\r\n"+body); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn) // it is closed
		if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 "+want[0]+"\r\n") || !strings.HasSuffix(string(got), "\r\n\r\n"+want[1]) {
			t.Errorf("%v %s, want %v", err, got, want)
		}
	}
	if calls := f.noted(); calls != "" {
		t.Error("these call", calls)
	}
}

// deadlines notes the read deadlines that are set on a connection.
type deadlines struct {
	http.ResponseWriter
	set []time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.set = append(d.set, at)
	return nil
}

// TestBodyDeadlineIsOver: while an operation runs, the server reads to notice
// that its client leaves; that must not time out.
func TestBodyDeadlineIsOver(t *testing.T) {
	d := &deadlines{}
	h := New(Config{Log: quiet(), Metrics: prometheus.NewRegistry(), Controller: &fake{createBuild: func(context.Context) (deis.Build, int, error) {
		if len(d.set) != 2 || d.set[0].IsZero() || !d.set[1].IsZero() {
			t.Errorf("read deadlines %v", d.set)
		}
		return build, 1, nil
	}}})
	got := record(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.ResponseWriter = w
		h.ServeHTTP(d, r)
	}), "POST", "/v1/apps/demo/builds", `{"image":"nginx"}`)
	if got.status != "201 Created" {
		t.Error(got)
	}
}

func FuzzBody(f *testing.F) {
	f.Add("application/json", []byte(`{"a":{"b":[1,null,"x"]},"c":"{\"d\":1}"}`))
	f.Add("application/x-www-form-urlencoded", []byte("a=b&c=%7B%7D&a=d"))
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n"))
	f.Add("text/plain", []byte("a"))
	f.Add("application/json", []byte(`{"a":"\u0000"}`))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		parse, params, err := parserFor(contentType)
		if err != nil {
			return
		}
		values, err := parse(body, params)
		if err != nil {
			if deis.KindOf(err) != deis.Invalid {
				t.Fatalf("%v is not the client's fault", err)
			}
			return
		}
		fs := &fields{values: values}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if text := fs.optional(name); text != nil && strings.ContainsRune(*text, 0) {
				t.Fatalf("%q holds NUL", *text)
			}
			if text := fs.required(name); text == "" && fs.wrong[name] == nil {
				t.Fatalf("%s is blank", name)
			}
			n := fs.number(name)
			if n > maxNumber || n < -maxNumber {
				t.Fatal(n)
			}
			if object := fs.object(name); object != nil {
				if holdsNUL(object) {
					t.Fatalf("%v holds NUL", object)
				}
				if _, err := json.Marshal(object); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := fs.err(); err != nil && fmt.Sprint(err) == "" {
			t.Fatal("an error without words")
		}
	})
}
