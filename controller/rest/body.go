package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"time"
	"unicode/utf8"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/httpapi"
)

// Bounds of a request's body.
const (
	maxBody       = 1 << 20
	maxConfigBody = 4 << 20
	bodyTimeout   = time.Minute
)

// limitBody gives the request's body until timeout to arrive, even if nobody
// reads it: net/http does, before it answers.
func limitBody(w http.ResponseWriter, r *http.Request, timeout time.Duration) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout)) // tests' recorders alone cannot
	}
}

// readBody reads a body of at most limit bytes, nil if there is none.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	fail := func(status int, detail string, cause error) ([]byte, error) {
		w.Header().Set("Connection", "close") // the rest of the body is in the way of the next request
		return nil, &httpapi.Error{Status: status, Detail: detail, Cause: cause}
	}
	if r.ContentLength > limit {
		return fail(http.StatusRequestEntityTooLarge, "Request body is too large.", nil)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fail(http.StatusRequestEntityTooLarge, "Request body is too large.", nil)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fail(http.StatusRequestTimeout, "Request body did not arrive in time.", nil)
	case err != nil:
		return fail(http.StatusBadRequest, "Request body could not be read.", err)
	}
	// From here on the server reads to notice that the client leaves. That
	// must not time out, however long the operation is.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, nil
}

// parser makes fields of a body.
type parser func(body []byte, params map[string]string) (map[string]any, error)

var parsers = map[string]parser{
	"application/json":                  parseJSON,
	"application/x-www-form-urlencoded": parseForm,
	"multipart/form-data":               parseMultipart,
}

// mediaTypes are those of parsers, in the order in which OPTIONS tells them.
var mediaTypes = []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data"}

// parserFor finds the parser of a Content-Type header.
func parserFor(contentType string) (parse parser, params map[string]string, err error) {
	media, params, err := mime.ParseMediaType(contentType)
	if parse = parsers[media]; parse == nil || err != nil {
		return nil, nil, httpapi.Errorf(http.StatusUnsupportedMediaType, "Unsupported media type '%s' in request.", contentType)
	}
	return parse, params, nil
}

// parseJSON keeps numbers as they were written, as json.Number.
func parseJSON(body []byte, _ map[string]string) (map[string]any, error) {
	v, err := decodeJSON(body)
	if err != nil {
		return nil, deis.Errorf(deis.Invalid, "JSON parse error - %v", err)
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, deis.Field("non_field_errors", "Invalid data. Expected a dictionary, but got %s.", typeName(v))
	}
	return fields, nil
}

func decodeJSON(body []byte) (v any, err error) {
	if !utf8.Valid(body) {
		return nil, errors.New("the text is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("unexpected end of the text")
		}
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the first value")
	}
	return v, nil
}

// typeName is the type of decoded JSON as Deis v1's language calls it.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case json.Number:
		return "number"
	case string:
		return "str"
	case []any:
		return "list"
	}
	return "dict"
}

func parseForm(body []byte, _ map[string]string) (map[string]any, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, deis.Errorf(deis.Invalid, "Form parse error - %v", err)
	}
	return lastOf(values)
}

// parseMultipart takes the texts of a form; files are not fields.
func parseMultipart(body []byte, params map[string]string) (map[string]any, error) {
	// The limit is more than the body, so that nothing goes to disk.
	form, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).ReadForm(int64(len(body)) + 1)
	if err != nil {
		return nil, deis.Errorf(deis.Invalid, "Multipart form parse error - %v", err)
	}
	defer func() { _ = form.RemoveAll() }() // there are none
	return lastOf(form.Value)
}

// lastOf takes the last value of each field, as Deis v1 did.
func lastOf(values map[string][]string) (map[string]any, error) {
	fields := make(map[string]any, len(values))
	for name, all := range values {
		last := all[len(all)-1]
		if !utf8.ValidString(name) || !utf8.ValidString(last) {
			return nil, deis.Errorf(deis.Invalid, "Form parse error - the text is not UTF-8")
		}
		fields[name] = last
	}
	return fields, nil
}
