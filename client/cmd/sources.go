package cmd

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/deis/deis/client/controller"
)

// source is where completion finds the values of an argument. The zero source
// has none: the argument is free text.
type source struct {
	words   []string // always these
	files   bool     // those of the disk, which the shell knows
	assigns bool     // the values are followed by = and free text
	inOrder bool     // the values come sorted by what matters

	// A list that the controller is asked for. Behind a tab each value may say
	// more of itself.
	name  string // what the list is remembered by
	list  func(ctx context.Context, api *controller.Client, app string) ([]string, error)
	ofApp bool    // the list is an app's
	admin *source // instead, with --admin
}

// longest is how much of a list is asked for.
const longest = 1000

// sources are those of every argument: by the name that help gives it, or
// behind the command where that name means something else elsewhere.
var sources = map[string]source{
	"--app":               appIDs,
	"--buildpack":         freeText,
	"--ca-file":           anyFile,
	"--common-name":       freeText,
	"--confirm":           freeText, // to be typed by someone who knows
	"--email":             freeText,
	"--limit":             freeText,
	"--lines":             freeText,
	"--new-password":      freeText,
	"--output":            {words: []string{outputJSON, "text"}},
	"--password":          freeText,
	"--path":              anyFile,
	"--procfile":          freeText,
	"--remote":            freeText,
	"--ssh-port":          freeText,
	"--ssl-verify":        {words: []string{"true", "false"}},
	"--subject-alt-names": freeText,
	"--username":          userNames,

	"auth:login --username":      freeText,
	"auth:register --username":   freeText,
	"credentials:set --username": freeText,

	"<cert>":            anyFile,
	"<cn>":              commonNames,
	"<command>...":      freeText,
	"<controller>":      freeText,
	"<id>":              freeText,
	"<image>":           freeText,
	"<key>":             anyFile,
	"<registry>":        freeText,
	"<shell>":           {words: shells},
	"<type>":            processes,
	"<type>=<limit>...": typesTo,
	"<type>=<num>...":   typesTo,
	"<username>":        userNames,
	"<var>=<value>...":  configKeys.to(),
	"<version>":         releaseNames,

	"config:unset <key>...":         configKeys,
	"credentials:remove <registry>": registries,
	"domains:add <domain>":          freeText,
	"domains:remove <domain>":       domainNames,
	"keys:remove <key>":             keyIDs,
	"limits:unset <type>...":        limitedTypes,
	"perms:delete <username>":       collaborators,
	"tags:set <key>=<value>...":     tagKeys.to(),
	"tags:unset <key>...":           tagKeys,
}

// sourceOf is the source of one of the verb's arguments.
func (v *verb) sourceOf(argument string) source {
	if s, ok := sources[v.Name()+" "+argument]; ok {
		return s
	}
	return sources[argument]
}

// to is the source with a value to be assigned to each of its names.
func (s source) to() source {
	s.assigns = true
	return s
}

var (
	freeText = source{}
	anyFile  = source{files: true}

	appIDs = source{name: "apps", list: func(ctx context.Context, api *controller.Client, _ string) ([]string, error) {
		page, err := api.ListApps(ctx, longest)
		return names(page.Results, func(a controller.App) string { return a.ID }), err
	}}
	commonNames = source{name: "certs", list: func(ctx context.Context, api *controller.Client, _ string) ([]string, error) {
		page, err := api.ListCerts(ctx, longest)
		return names(page.Results, func(c controller.Cert) string { return c.CommonName }), err
	}}
	keyIDs = source{name: "keys", list: func(ctx context.Context, api *controller.Client, _ string) ([]string, error) {
		page, err := api.ListKeys(ctx, longest)
		return names(page.Results, func(k controller.Key) string { return k.ID }), err
	}}
	userNames = source{name: "users", list: func(ctx context.Context, api *controller.Client, _ string) ([]string, error) {
		page, err := api.ListUsers(ctx, longest)
		return names(page.Results, func(u controller.User) string { return u.Username }), err
	}}
	administrators = source{name: "admins", list: func(ctx context.Context, api *controller.Client, _ string) ([]string, error) {
		page, err := api.ListAdmins(ctx, longest)
		return names(page.Results, func(a controller.Admin) string { return a.Username }), err
	}}

	collaborators = source{name: "perms", ofApp: true, admin: &administrators,
		list: func(ctx context.Context, api *controller.Client, app string) ([]string, error) {
			return api.AppPerms(ctx, app)
		}}
	domainNames = source{name: "domains", ofApp: true, list: func(ctx context.Context, api *controller.Client, app string) ([]string, error) {
		page, err := api.ListDomains(ctx, app, longest)
		return names(page.Results, func(d controller.Domain) string { return d.Domain }), err
	}}
	registries = source{name: "credentials", ofApp: true, list: func(ctx context.Context, api *controller.Client, app string) ([]string, error) {
		page, err := api.ListCredentials(ctx, app, longest)
		return names(page.Results, func(c controller.Credential) string { return c.Registry }), err
	}}
	releaseNames = source{name: "releases", ofApp: true, inOrder: true, list: func(ctx context.Context, api *controller.Client, app string) ([]string, error) {
		page, err := api.ListReleases(ctx, app, longest)
		var all []string
		for _, r := range page.Results { // the newest first
			all = append(all, fmt.Sprintf("v%d\t%s", r.Version, r.Summary))
		}
		return all, err
	}}
	processes = source{name: "processes", ofApp: true, list: func(ctx context.Context, api *controller.Client, app string) ([]string, error) {
		page, err := api.ListContainers(ctx, app, longest)
		all := map[string]string{}
		for _, c := range page.Results {
			all[c.Type] = c.Type
			name := fmt.Sprintf("%s.%d", c.Type, c.Num)
			all[name] = fmt.Sprintf("%s\t%s (%s)", name, c.State, c.Release)
		}
		return slices.Sorted(maps.Values(all)), err
	}}
	// The types that run, and those that the newest build could run.
	typesTo = source{name: "types", ofApp: true, assigns: true, list: func(ctx context.Context, api *controller.Client, id string) ([]string, error) {
		app, err := api.App(ctx, id)
		if err != nil {
			return nil, err
		}
		builds, err := api.ListBuilds(ctx, id, 1)
		all := map[string]int{}
		maps.Copy(all, app.Structure)
		for _, b := range builds.Results {
			for t := range b.Procfile {
				all[t] = 0
			}
		}
		return slices.Sorted(maps.Keys(all)), err
	}}

	// Of a config only the names leave these functions.
	configKeys = source{name: "config", ofApp: true, list: func(ctx context.Context, api *controller.Client, app string) ([]string, error) {
		config, err := api.Config(ctx, app)
		return slices.Sorted(maps.Keys(config.Values)), err
	}}
	tagKeys = source{name: "tags", ofApp: true, list: func(ctx context.Context, api *controller.Client, app string) ([]string, error) {
		config, err := api.Config(ctx, app)
		return slices.Sorted(maps.Keys(config.Tags)), err
	}}
	limitedTypes = source{name: "limits", ofApp: true, list: func(ctx context.Context, api *controller.Client, app string) ([]string, error) {
		config, err := api.Config(ctx, app)
		all := map[string]bool{}
		for t := range config.Memory {
			all[t] = true
		}
		for t := range config.CPU {
			all[t] = true
		}
		return slices.Sorted(maps.Keys(all)), err
	}}
)
