package rest

import (
	"net/http"
	"regexp"
	"strings"
)

// Route is a line of the API's table.
type Route struct {
	Method  string
	Pattern string // such as /v1/apps/{app}
	Who     Who
	Status  int // of a success

	handle func(http.ResponseWriter, *request) error
}

// Routes is the API's table, for tests that go through all of it.
func Routes() []Route { return routes(nil) }

func routes(c Controller) []Route {
	accounts, users, keys := accounts{c}, users{c}, keys{c}
	apps, perms, domains, logs := apps{c}, perms{c}, domains{c}, logs{c}
	configs, builds, releases := configs{c}, builds{c}, releases{c}
	containers, hooks, certs, credentials := containers{c}, hooks{c}, certs{c}, credentials{c}
	return []Route{
		{"GET", probePattern, Anyone, 200, nil},
		{"GET", "/v1/", AnyUser, 200, root},

		{"POST", "/v1/auth/register", Registrant, 201, accounts.register},
		{"POST", "/v1/auth/login/", Anyone, 200, accounts.login},
		{"DELETE", "/v1/auth/cancel", AnyUser, 204, accounts.cancel},
		{"POST", "/v1/auth/passwd", AnyUser, 200, accounts.passwd},
		{"POST", "/v1/auth/tokens/", AnyUser, 200, accounts.regenerate},

		{"GET", "/v1/apps/{app}/config", AppUser, 200, configs.show},
		{"POST", "/v1/apps/{app}/config", AppUser, 201, configs.set},

		{"GET", "/v1/apps/{app}/builds", AppUser, 200, builds.list},
		{"POST", "/v1/apps/{app}/builds", AppUser, 201, builds.create},
		{"GET", "/v1/apps/{app}/builds/{uuid}", AppUser, 200, builds.show},

		{"GET", "/v1/apps/{app}/releases", AppUser, 200, releases.list},
		{"GET", "/v1/apps/{app}/releases/{version}", AppUser, 200, releases.show},
		{"POST", "/v1/apps/{app}/releases/rollback", AppUser, 201, releases.rollback},

		// Restarts come first: their last word could be a type or a number.
		{"POST", "/v1/apps/{app}/containers/restart", AppUser, 200, containers.restart},
		{"POST", "/v1/apps/{app}/containers/{type}/restart", AppUser, 200, containers.restart},
		{"POST", "/v1/apps/{app}/containers/{type}/{num}/restart", AppUser, 200, containers.restart},
		{"GET", "/v1/apps/{app}/containers", AppUser, 200, containers.list},
		{"GET", "/v1/apps/{app}/containers/{type}", AppUser, 200, containers.list},
		{"GET", "/v1/apps/{app}/containers/{type}/{num}", AppUser, 200, containers.show},
		{"POST", "/v1/apps/{app}/scale", AppUser, 204, containers.scale},
		{"POST", "/v1/apps/{app}/run", AppUser, 200, containers.run},
		{"GET", "/v1/apps/{app}/run/stream", AppUser, 101, containers.attach},
		{"GET", "/v1/apps/{app}/logs", AppUser, 200, logs.tail},

		{"GET", "/v1/apps/{app}/domains", AppUser, 200, domains.list},
		{"POST", "/v1/apps/{app}/domains", AppUser, 201, domains.add},
		{"DELETE", "/v1/apps/{app}/domains/{domain}", AppUser, 204, domains.remove},

		{"GET", "/v1/apps/{app}/credentials", AppUser, 200, credentials.list},
		{"POST", "/v1/apps/{app}/credentials", AppUser, 201, credentials.set},
		{"DELETE", "/v1/apps/{app}/credentials/{registry}", AppUser, 204, credentials.remove},

		{"GET", "/v1/apps/{app}/perms", AppUser, 200, perms.list},
		{"POST", "/v1/apps/{app}/perms", AppUser, 201, perms.share},
		{"DELETE", "/v1/apps/{app}/perms/{username}", AppUser, 204, perms.unshare},

		{"GET", "/v1/apps", AnyUser, 200, apps.list},
		{"POST", "/v1/apps", AnyUser, 201, apps.create},
		{"GET", "/v1/apps/{app}", AppUser, 200, apps.show},
		{"POST", "/v1/apps/{app}", AppUser, 200, apps.transfer},
		{"DELETE", "/v1/apps/{app}", AppUser, 204, apps.destroy},

		{"GET", "/v1/keys", AnyUser, 200, keys.list},
		{"POST", "/v1/keys", AnyUser, 201, keys.add},
		{"GET", "/v1/keys/{id}", AnyUser, 200, keys.show},
		{"DELETE", "/v1/keys/{id}", AnyUser, 204, keys.remove},

		{"GET", "/v1/certs", AnyUser, 200, certs.list},
		{"POST", "/v1/certs", AnyUser, 201, certs.add},
		{"GET", "/v1/certs/{cn}", AnyUser, 200, certs.show},
		{"DELETE", "/v1/certs/{cn}", AnyUser, 204, certs.remove},

		{"GET", "/v1/admin/perms", AdminUser, 200, users.admins},
		{"POST", "/v1/admin/perms", AdminUser, 201, users.promote},
		{"DELETE", "/v1/admin/perms/{username}", AdminUser, 204, users.demote},
		{"GET", "/v1/users", AdminUser, 200, users.list},

		{"POST", "/v1/hooks/push", BuilderKey, 201, hooks.push},
		{"POST", "/v1/hooks/config", BuilderKey, 200, hooks.config},
		{"POST", "/v1/hooks/build", BuilderKey, 200, hooks.build},
		{"POST", "/v1/hooks/builds", BuilderKey, 200, hooks.build}, // as Deis v1's tests spell it
	}
}

// root tells clients that this is a controller: to those without a token by
// its 401.
func root(w http.ResponseWriter, r *request) error { return r.answer(w, struct{}{}) }

// segments are what variables of patterns match.
var segments = map[string]string{
	"app":      `[a-z0-9-]+`,
	"uuid":     `[-_\w]+`,
	"version":  `v[0-9]+`,
	"type":     `[-_.\w]+`,
	"num":      `[-_\w]+`,
	"domain":   `[-_.*\w]+`,
	"cn":       `[-_.*\w]+`,
	"registry": `[-.:\w]+`,
	"username": `[\w.@+-]+`,
	"id":       `[^\x00\n]+?`, // of a key: even slashes, but not the last
}

var variable = regexp.MustCompile(`\{(\w+)\}`)

// muxPath is a pattern as mux wants it. A slash at the end is optional, but
// for patterns that end with one, as Deis v1's clients know those, and for the
// probe.
func muxPath(pattern string) string {
	path := variable.ReplaceAllStringFunc(pattern, func(v string) string {
		name := strings.Trim(v, "{}")
		return "{" + name + ":" + segments[name] + "}"
	})
	if pattern == probePattern || strings.HasSuffix(pattern, "/") {
		return path
	}
	return path + "{slash:/?}"
}
