package rest

import (
	"context"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/httpapi"
)

// resource is a path with its routes.
type resource struct {
	pattern string
	who     Who // of all its routes
	routes  map[string]Route
	allow   string
}

// resources gathers the table's routes by pattern, in its order.
func resources(table []Route) []resource {
	var out []resource
	for _, route := range table {
		i := slices.IndexFunc(out, func(res resource) bool { return res.pattern == route.Pattern })
		if i < 0 {
			i = len(out)
			out = append(out, resource{pattern: route.Pattern, who: route.Who, routes: map[string]Route{}})
		}
		out[i].routes[route.Method] = route
	}
	for i := range out {
		out[i].allow = allowed(out[i].routes)
	}
	return out
}

// allowed is the Allow header, in Deis v1's order.
func allowed(routes map[string]Route) string {
	var methods []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if _, ok := routes[m]; ok {
			methods = append(methods, m)
		}
	}
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	return strings.Join(append(methods, http.MethodOptions), ", ")
}

// request is a request on its way to a handler.
type request struct {
	*http.Request
	by    deis.User
	known bool // else by is nobody
	from  netip.Addr
	route Route
	log   *slog.Logger

	streams *streams
	again   func(ctx context.Context) (deis.User, error) // finds out anew who asks
}

// resource checks a request as Deis v1 did: what the client accepts, who it
// is, and only then the method.
func (s *server) resource(res resource) httpapi.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", res.allow)
		if err := negotiate(r); err != nil {
			return translate(w, err)
		}
		by, known, err := s.admit(res.who, r)
		if err != nil {
			return translate(w, err)
		}
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		route, ok := res.routes[method]
		switch {
		case !ok && method == http.MethodOptions:
			httpapi.WriteJSON(w, http.StatusOK, metadata{Name: res.pattern, Renders: mediaTypes[:1], Parses: mediaTypes})
			return nil
		case !ok:
			return httpapi.Errorf(http.StatusMethodNotAllowed, "Method '%s' not allowed.", r.Method)
		}
		ctx := r.Context()
		if method != http.MethodGet {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
			defer cancel()
		}
		err = route.handle(w, &request{Request: r.WithContext(ctx), by: by, known: known, from: s.client(r), route: route, log: s.log, streams: s.streams,
			again: func(ctx context.Context) (deis.User, error) {
				by, _, err := s.admit(res.who, r.WithContext(ctx))
				return by, err
			}})
		if method != http.MethodGet {
			err = outcome(ctx, err)
		}
		return translate(w, err)
	}
}

// metadata answers OPTIONS. Unlike Deis v1's it lists nobody's apps.
type metadata struct {
	Name    string   `json:"name"`
	Renders []string `json:"renders"`
	Parses  []string `json:"parses"`
}

// negotiate checks that the client takes JSON.
func negotiate(r *http.Request) error {
	if f := r.URL.Query().Get("format"); f != "" && f != "json" {
		return errNotFound()
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return nil
	}
	for _, text := range strings.Split(accept, ",") {
		switch media, _, err := mime.ParseMediaType(text); {
		case err != nil:
		case media == "*/*", media == "application/*", media == "application/json":
			return nil
		}
	}
	return httpapi.Errorf(http.StatusNotAcceptable, "Could not satisfy the request Accept header")
}

// path is a variable of the route's pattern.
func (r *request) path(name string) string { return mux.Vars(r.Request)[name] }

// fields reads the body. Without one there are no fields, whatever its type
// is said to be.
func (r *request) fields(w http.ResponseWriter) (*fields, error) { return r.fieldsUpTo(w, maxBody) }

func (r *request) fieldsUpTo(w http.ResponseWriter, limit int64) (*fields, error) {
	if r.ContentLength == 0 {
		return &fields{}, nil
	}
	parse, params, wrongType := parserFor(r.Header.Get("Content-Type"))
	if wrongType != nil && r.ContentLength > 0 {
		return nil, wrongType // no need to have it sent
	}
	body, err := readBody(w, r.Request, limit)
	switch {
	case err != nil:
		return nil, err
	case len(body) == 0:
		return &fields{}, nil
	case wrongType != nil:
		return nil, wrongType
	}
	values, err := parse(body, params)
	if err != nil {
		return nil, err
	}
	return &fields{values: values}, nil
}

// answer writes a success: v as JSON with the route's status.
func (r *request) answer(w http.ResponseWriter, v any) error {
	httpapi.WriteJSON(w, r.route.Status, v)
	return nil
}

// done writes a success without a body, unless there was an error.
func (r *request) done(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(r.route.Status)
	}
	return err
}

// writePlain answers with text.
func writePlain(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone
}
