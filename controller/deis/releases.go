package deis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
)

// snapshot is a release with what it is made of. build is empty before the
// app's first.
type snapshot struct {
	release Release
	config  Config
	build   Build
}

// previous is the app's latest release while the next is made.
type previous = snapshot

// draft is what an operation wants to release.
type draft struct {
	config  Config
	build   Build
	summary string // empty: worded from the difference
	push    string
}

// Releases lists the app's releases, newest first.
func (c *Controller) Releases(ctx context.Context, by User, app string, p Page) ([]Release, int, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return nil, 0, err
	}
	return c.Records.Releases(ctx, app, p)
}

// Release finds one of the app's releases.
func (c *Controller) Release(ctx context.Context, by User, app string, version int) (Release, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return Release{}, err
	}
	return c.Records.Release(ctx, app, version)
}

// Rollback releases again what version had: its build and its config. Zero
// means the release before the latest.
func (c *Controller) Rollback(ctx context.Context, by User, app string, version int) (int, error) {
	a, err := c.authorize(ctx, by, app, Collaborate)
	if err != nil {
		return 0, err
	}
	r, err := c.release(ctx, a, by, lockWait, func(ctx context.Context, tx Tx, prev previous) (draft, error) {
		if version == 0 {
			version = prev.release.Version - 1
		}
		if version < 1 {
			return draft{}, Errorf(Invalid, "version cannot be below 0")
		}
		target, err := c.snapshot(ctx, tx, app, version)
		if err != nil {
			return draft{}, err
		}
		if target.build.UUID == "" {
			return draft{}, Errorf(Invalid, "Release v%d has no build to roll back to.", version)
		}
		return draft{config: target.config, build: target.build, summary: fmt.Sprintf("%s rolled back to v%d", by.Username, version)}, nil
	})
	return r.Version, err
}

// snapshot reads a live release with its config and build.
func (c *Controller) snapshot(ctx context.Context, tx Tx, app string, version int) (snapshot, error) {
	r, err := tx.Release(ctx, app, version)
	if err != nil {
		return snapshot{}, err
	}
	return fill(ctx, tx, r)
}

func fill(ctx context.Context, tx Tx, r Release) (s snapshot, err error) {
	s.release = r
	if s.config, err = tx.Config(ctx, r.App, r.Config); err != nil {
		return snapshot{}, err
	}
	if r.Build != "" {
		s.build, err = tx.Build(ctx, r.App, r.Build)
	}
	return s, err
}

// release makes the app's next release of what prepare drafts inside the
// transaction that stores it, brings the app's containers to it, and returns
// when routers send requests to those only. On any failure nothing is left:
// the release is deleted with its build or config, and the containers that
// served before still do.
func (c *Controller) release(ctx context.Context, app App, by User, wait time.Duration, prepare func(context.Context, Tx, previous) (draft, error)) (Release, error) {
	if err := c.etcdAnswers(ctx); err != nil {
		return Release{}, err
	}
	ctx, unlock, err := c.lock(ctx, app.ID, wait)
	if err != nil {
		return Release{}, err
	}
	defer unlock()
	if app, err = c.sameApp(ctx, app); err != nil { // its structure, now that nobody else changes it
		return Release{}, err
	}

	var prev, next snapshot
	err = c.Records.InTx(ctx, func(tx Tx) error {
		latest, err := tx.LatestRelease(ctx, app.ID)
		if err != nil {
			return err
		}
		if prev, err = fill(ctx, tx, latest); err != nil {
			return err
		}
		d, err := prepare(ctx, tx, prev)
		if err != nil {
			return err
		}
		if d.push != "" {
			done, err := tx.ReleaseOfPush(ctx, app.ID, d.push)
			if err == nil {
				return answered{done}
			}
			if KindOf(err) != NotFound {
				return err
			}
		}
		next = snapshot{config: d.config, build: d.build}
		if d.summary == "" {
			d.summary = summarize(by.Username, prev, next)
		}
		next.release, err = tx.CreateRelease(ctx, Release{
			App: app.ID, Owner: by.Username, Summary: d.summary, Config: d.config.UUID, Build: d.build.UUID,
			Pending: d.build.UUID != "", Push: d.push,
		})
		return err
	})
	var done answered
	if errors.As(err, &done) {
		return done.release, nil
	}
	if err != nil {
		return Release{}, err
	}
	c.hit(ctx, afterReleaseRow)
	c.event(app.ID, next.release.Summary)
	if !next.release.Pending {
		c.event(app.ID, "No build associated with this release to publish")
		if err := c.Mirror.Update(ctx, Part{Kind: PartConfig, Name: app.ID}); err != nil {
			return Release{}, err
		}
		c.hit(ctx, afterMirror)
		return next.release, nil
	}
	if err := because(ctx, c.deploy(ctx, app, &next)); err != nil {
		c.undo(ctx, app.ID)
		c.keepImages(context.WithoutCancel(ctx), app.ID)
		c.fail(app.ID, fmt.Sprintf("release v%d failed: %s", next.release.Version, sentence(err)))
		return Release{}, err
	}
	c.hit(ctx, beforeAnswer)
	return next.release, nil
}

// answered ends a transaction that found its work done by an earlier call.
type answered struct{ release Release }

func (answered) Error() string { return "done before" }

// publish makes the release's image.
func (c *Controller) publish(ctx context.Context, s *snapshot) error {
	env := maps.Clone(s.config.Values)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, releaseEnv(s.release.App, s.release.Version))
	logins, err := c.logins(ctx, s.build)
	if err != nil {
		return err
	}
	digest, err := c.Images.Release(ctx, ReleaseImage{
		App: s.release.App, Version: s.release.Version, Image: s.build.Image, SHA: s.build.SHA, Build: s.build.UUID, Env: env, Logins: logins,
	})
	if err != nil {
		return err
	}
	c.hit(ctx, afterReleaseImage)
	s.release.Image = digest
	if err := c.Records.SetReleaseImage(ctx, s.release.UUID, digest); err != nil {
		return err
	}
	c.hit(ctx, afterImagePush)
	return nil
}
