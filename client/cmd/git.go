package cmd

import (
	"context"
	"errors"

	"github.com/deis/deis/client/settings"
)

func gitVerbs(f *Factory) []*verb { return []*verb{newGitRemote(f, nil)} }

type gitRemoteOptions struct {
	*Factory
	App, Remote string
	Force       bool
}

func newGitRemote(f *Factory, runF func(context.Context, *gitRemoteOptions) error) *verb {
	o := &gitRemoteOptions{Factory: f, Remote: "deis"}
	v := newVerb("git:remote", "add the git remote of an app", "Adds the git remote of an app to the repository.")
	v.forApp(&o.App)
	v.option(&o.Remote, "remote", "r", "NAME", "the git remote's name; deis by default")
	v.boolean(&o.Force, "force", "f", "replace a git remote of that name")
	v.newer()
	return action(v, o, runF, runGitRemote)
}

func runGitRemote(ctx context.Context, o *gitRemoteOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	url := t.RemoteURL(t.app)
	if o.Force {
		switch removed, err := o.Git().RemoveRemoteIfAny(ctx, o.Remote); {
		case err != nil:
			return err
		case removed:
			o.printf("Git remote %s removed\n", o.Remote)
		}
	}
	return o.addRemote(ctx, o.Remote, url, "")
}

// addRemote adds a git remote. What git says when it refuses is printed; if
// the name is taken and hintApp is set, also how to replace the remote.
func (f *Factory) addRemote(ctx context.Context, name, url, hintApp string) error {
	err := f.Git().AddRemote(ctx, name, url)
	var failed *settings.GitError
	if errors.As(err, &failed) {
		f.printf("%s", failed.Stderr)
		if failed.Exists && hintApp != "" {
			option := ""
			if name != "deis" {
				option = " -r " + name
			}
			f.printf("To replace the existing git remote entry, run:\n  git remote rename %[1]s %[1]s.old && deis git:remote -a %[2]s%[3]s\n", name, hintApp, option)
		}
	}
	if err != nil {
		return err
	}
	f.printf("Git remote %s added\n", name)
	return nil
}
