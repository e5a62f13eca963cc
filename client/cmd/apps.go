package cmd

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"runtime"
	"strings"

	"github.com/deis/deis/client/controller"
)

func appsVerbs(f *Factory) []*verb {
	return []*verb{
		newAppsCreate(f, nil), newAppsList(f, nil), newAppsInfo(f, nil), newAppsOpen(f, nil),
		newAppsLogs(f, nil), newAppsRun(f, nil), newAppsDestroy(f, nil), newAppsTransfer(f, nil),
	}
}

type appsCreateOptions struct {
	*Factory
	ID, Buildpack, Remote string
	NoRemote              bool
}

func newAppsCreate(f *Factory, runF func(context.Context, *appsCreateOptions) error) *verb {
	o := &appsCreateOptions{Factory: f, Remote: "deis"}
	v := newVerb("apps:create", "create an app", "Creates an app and adds the git remote to push it to.")
	v.optional(&o.ID, "<id>", "the app's name; the controller makes one up if there is none")
	v.boolean(&o.NoRemote, "no-remote", "", "add no git remote")
	v.option(&o.Buildpack, "buildpack", "b", "URL", "the buildpack to build the app with")
	v.option(&o.Remote, "remote", "r", "NAME", "the git remote's name; deis by default")
	return action(v, o, runF, runAppsCreate)
}

func runAppsCreate(ctx context.Context, o *appsCreateOptions) error {
	a, err := o.account()
	if err != nil {
		return err
	}
	if !o.NoRemote {
		if err := o.Git().Installed(); err != nil {
			return fmt.Errorf("%w: install it, or create the app with --no-remote", err)
		}
	}
	var app controller.App
	err = o.waiting("Creating Application... ", func() error {
		app, err = a.api.CreateApp(ctx, o.ID)
		return err
	})
	if err != nil {
		return err
	}
	o.printf("done, created %s\n", app.ID)
	if o.Buildpack != "" {
		change := controller.ConfigChange{Values: map[string]any{"BUILDPACK_URL": o.Buildpack}}
		if _, err := a.api.ChangeConfig(ctx, app.ID, change); err != nil {
			return err
		}
	}
	remote := a.RemoteURL(app.ID)
	if !o.NoRemote {
		if err := o.addRemote(ctx, o.Remote, remote, app.ID); err != nil {
			return err
		}
	}
	o.printf("remote available at %s\n", remote)
	return nil
}

type appsListOptions struct {
	*Factory
	Limit  *int
	Output string
}

func newAppsList(f *Factory, runF func(context.Context, *appsListOptions) error) *verb {
	o := &appsListOptions{Factory: f}
	v := newVerb("apps:list", "list the apps", "Lists the apps that are yours or shared with you.")
	v.limited(&o.Limit)
	v.printed(&o.Output)
	return action(v, o, runF, runAppsList)
}

func runAppsList(ctx context.Context, o *appsListOptions) error {
	a, err := o.account()
	if err != nil {
		return err
	}
	page, err := a.api.ListApps(ctx, a.size(o.Limit))
	if err != nil {
		return err
	}
	return o.show(o.Output, list(page), func() {
		o.printf("=== Apps%s\n", count(page))
		o.lines(names(page.Results, func(app controller.App) string { return app.ID }))
	})
}

type appsInfoOptions struct {
	*Factory
	App, Output string
}

// appInfo is an app as apps:info tells of it in JSON.
type appInfo struct {
	controller.App
	Processes listed[controller.Container] `json:"processes"`
	Domains   listed[controller.Domain]    `json:"domains"`
}

func newAppsInfo(f *Factory, runF func(context.Context, *appsInfoOptions) error) *verb {
	o := &appsInfoOptions{Factory: f}
	v := newVerb("apps:info", "describe an app", "Describes an app, its processes and its domains.")
	v.forApp(&o.App)
	v.printed(&o.Output)
	return action(v, o, runF, runAppsInfo)
}

func runAppsInfo(ctx context.Context, o *appsInfoOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	app, err := t.api.App(ctx, t.app)
	if err != nil {
		return err
	}
	processes, err := t.api.ListContainers(ctx, t.app, t.ResponseLimit)
	if err != nil {
		return err
	}
	domains, err := t.api.ListDomains(ctx, t.app, t.ResponseLimit)
	if err != nil {
		return err
	}
	return o.show(o.Output, appInfo{app, list(processes), list(domains)}, func() {
		o.printf("=== %s Application\n", app.ID)
		o.field("updated", app.Updated)
		o.field("uuid", app.UUID)
		o.field("created", app.Created)
		o.field("url", app.URL)
		o.field("owner", app.Owner)
		o.field("id", app.ID)
		o.printf("\n")
		o.printProcesses(t.app, processes)
		o.printf("\n")
		o.printDomains(t.app, domains)
		o.printf("\n")
	})
}

type appsOpenOptions struct {
	*Factory
	App string
}

func newAppsOpen(f *Factory, runF func(context.Context, *appsOpenOptions) error) *verb {
	o := &appsOpenOptions{Factory: f}
	v := newVerb("apps:open", "open an app in the browser", "Opens an app in the browser.")
	v.forApp(&o.App)
	return action(v, o, runF, runAppsOpen)
}

func runAppsOpen(ctx context.Context, o *appsOpenOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	app, err := t.api.App(ctx, t.app)
	if err != nil {
		return err
	}
	address := app.URL
	if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
		address = "http://" + address
	}
	u, err := url.Parse(address) // the controller's word, and about to be an argument
	if err != nil {
		return err
	}
	argv := opener(runtime.GOOS, u.String())
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = o.Env
	return cmd.Run()
}

// opener is the command that opens an address on an operating system.
func opener(goos, address string) []string {
	switch goos {
	case "darwin":
		return []string{"open", address}
	case "windows":
		return []string{"cmd", "/c", "start", strings.ReplaceAll(address, "&", "^&")}
	}
	return []string{"xdg-open", address}
}

type appsDestroyOptions struct {
	*Factory
	App, Confirm string
}

func newAppsDestroy(f *Factory, runF func(context.Context, *appsDestroyOptions) error) *verb {
	o := &appsDestroyOptions{Factory: f}
	v := newVerb("apps:destroy", "remove an app", "Removes an app with all it has, after asking for its name.")
	v.forApp(&o.App)
	v.option(&o.Confirm, "confirm", "", "APP", "the app's name, instead of the question")
	return action(v, o, runF, runAppsDestroy)
}

func runAppsDestroy(ctx context.Context, o *appsDestroyOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	answer := o.Confirm
	if answer == "" {
		warning := fmt.Sprintf(` !    WARNING: Potentially Destructive Action
 !    This command will destroy the application: %[1]s
 !    Controller: %[2]s
 !    To proceed, type "%[1]s" or re-run this command with --confirm=%[1]s

> `, t.app, t.Controller)
		if answer, err = o.IO.ReadLine(ctx, warning); err != nil {
			return err
		}
		answer = strings.TrimSpace(answer)
	}
	if answer != t.app {
		return sentence(fmt.Sprintf("App %s does not match confirm %s, aborting.", t.app, answer))
	}
	remote := ""
	if t.detected {
		remote = t.RemoteOf(ctx, o.Git(), t.app)
	}
	started := o.Now()
	o.printf("Destroying %s...\n", t.app)
	if err := t.api.DestroyApp(ctx, t.app); err != nil {
		return err
	}
	o.took(started)
	if remote == "" {
		return nil
	}
	if err := o.Git().RemoveRemote(ctx, remote); err != nil {
		return err
	}
	o.printf("Git remote %s removed\n", remote)
	return nil
}

type appsTransferOptions struct {
	*Factory
	App, Username string
}

func newAppsTransfer(f *Factory, runF func(context.Context, *appsTransferOptions) error) *verb {
	o := &appsTransferOptions{Factory: f}
	v := newVerb("apps:transfer", "give an app to another user", "Gives an app to another user, who then owns it.")
	v.required(&o.Username, "<username>", "the new owner")
	v.forApp(&o.App)
	return action(v, o, runF, runAppsTransfer)
}

func runAppsTransfer(ctx context.Context, o *appsTransferOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	o.printf("Transferring %s to %s... ", t.app, o.Username)
	if err := t.api.TransferApp(ctx, t.app, o.Username); err != nil {
		return err
	}
	o.printf("done\n")
	return nil
}
