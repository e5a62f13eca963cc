// Package images makes the images of releases in the platform's registry: the
// build's image with the release's config in its config object. No layer
// moves for a build that is in the registry already.
package images

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/deis/deis/controller/deis"
)

const (
	releaseTimeout = time.Minute      // of a rewrite inside the registry
	copyTimeout    = 15 * time.Minute // of an image from elsewhere
	cleanTimeout   = 2 * time.Minute
	// Whoever waits for a failed deploy's answer waits for this too.
	withdrawTimeout = 5 * time.Second
)

// sourceLabel says in a release's image which tag it was made of, so that a
// tag can go with the last release that needs it.
const sourceLabel = "deis.source"

// Config is what New needs. Every field but Allow must be set.
type Config struct {
	// Registry is the platform's registry now, as host:port.
	Registry func() (string, error)
	// FromEngine is the same registry as the Engine reaches it.
	FromEngine string
	// IsApp says whether the platform has an app of that id.
	IsApp func(ctx context.Context, id string) (bool, error)
	// Allow says whether an image may be fetched from an address; nil refuses
	// this host's own networks, where the platform's components are.
	Allow Allow
}

// Images implements deis.Images.
type Images struct {
	cfg      Config
	internal http.RoundTripper // to the platform's registry
	external http.RoundTripper // to others
	patience time.Duration     // with foreign registries that send nothing
	now      func() time.Time

	mu     sync.Mutex
	unused map[string]unused // by app
}

var _ deis.Images = (*Images)(nil)

// New makes Images.
func New(cfg Config) *Images {
	if cfg.Allow == nil {
		cfg.Allow = notOurs
	}
	return &Images{
		cfg: cfg, now: time.Now, unused: map[string]unused{},
		internal: newTransport(nil), external: newTransport(cfg.Allow), patience: stallTime,
	}
}

// Release makes and pushes the image of a release (see deis.Images).
func (i *Images) Release(ctx context.Context, in deis.ReleaseImage) (string, error) {
	repo, err := i.repository(in.App)
	if err != nil {
		return "", err
	}
	tag, err := i.source(ctx, repo, in)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	digest, err := i.rewrite(ctx, repo, tag, in)
	if err != nil {
		return "", registryError(fmt.Sprintf("The image of release v%d could not be made.", in.Version), err)
	}
	return digest, nil
}

// rewrite pushes the image at tag as v<N>, with the release's environment.
func (i *Images) rewrite(ctx context.Context, repo name.Repository, tag string, in deis.ReleaseImage) (string, error) {
	options := i.options(ctx)
	source, err := remote.Image(repo.Tag(tag), options...)
	if err != nil {
		return "", err
	}
	if err := checkSize(source); err != nil {
		return "", err
	}
	config, err := source.ConfigFile()
	if err != nil {
		return "", err
	}
	config = config.DeepCopy()
	config.Config.Env = setEnv(config.Config.Env, in.Env)
	config.Config.Labels = setLabels(config.Config.Labels, tag)
	image, err := mutate.ConfigFile(source, config)
	if err != nil {
		return "", err
	}
	digest, err := image.Digest()
	if err != nil {
		return "", err
	}
	target := repo.Tag(versionTag(in.Version))
	// The version may have been another image's, of a release that failed.
	old, err := remote.Head(target, options...)
	if err != nil && !isNotFound(err) {
		return "", err
	}
	if err := put(ctx, target, image, options); err != nil {
		return "", err
	}
	if old != nil && old.Digest != digest {
		if err := remote.Delete(repo.Digest(old.Digest.String()), options...); err != nil && !isNotFound(err) {
			return "", err
		}
	}
	return digest.String(), nil
}

// setLabels notes the source. An image's labels become its containers', so what
// a user wrote there must not look like the platform's own.
func setLabels(labels map[string]string, source string) map[string]string {
	out := map[string]string{sourceLabel: source}
	for k, v := range labels {
		if !strings.HasPrefix(k, "deis.") {
			out[k] = v
		}
	}
	return out
}

// put pushes an image whose layers the repository has.
func put(ctx context.Context, target name.Tag, image v1.Image, options []remote.Option) error {
	config, err := partial.ConfigLayer(image)
	if err != nil {
		return err
	}
	if err := remote.WriteLayer(target.Context(), config, options...); err != nil {
		return err
	}
	return remote.Put(target, image, options...)
}

// maxConfig bounds an image's config object, which is read into memory.
const maxConfig = 8 << 20

// checkSize refuses images whose config object is no config.
func checkSize(image v1.Image) error {
	m, err := image.Manifest()
	if err != nil {
		return err
	}
	if m.Config.Size > maxConfig {
		return errTooLarge
	}
	return nil
}

var errTooLarge = errors.New("its config is larger than 8 MiB")

// setEnv lays env over an image's environment: a key that is there keeps its
// place, others follow in order.
func setEnv(base []string, env map[string]string) []string {
	out := make([]string, 0, len(base)+len(env))
	done := make(map[string]bool, len(env))
	for _, kv := range base {
		key, _, _ := strings.Cut(kv, "=")
		value, ours := env[key]
		switch {
		case !ours:
			out = append(out, kv)
		case !done[key]:
			out = append(out, key+"="+value)
			done[key] = true
		}
	}
	var rest []string
	for key, value := range env {
		if !done[key] {
			rest = append(rest, key+"="+value)
		}
	}
	slices.Sort(rest)
	return append(out, rest...)
}

// repository is an app's repository in the platform's registry.
func (i *Images) repository(app string) (name.Repository, error) {
	host, err := i.cfg.Registry()
	if err != nil {
		return name.Repository{}, registryError(textAway, err)
	}
	return name.NewRepository(host+"/"+app, name.Insecure)
}

// options are for the platform's registry. One set serves one operation: it
// greets the registry once for reading and once for writing.
func (i *Images) options(ctx context.Context) []remote.Option {
	options := []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(plain{i.internal}),
		remote.WithRetryBackoff(remote.Backoff{Duration: 100 * time.Millisecond, Factor: 3, Steps: 3}),
	}
	puller, err := remote.NewPuller(options...)
	if err != nil {
		return options
	}
	pusher, err := remote.NewPusher(options...)
	if err != nil {
		return options
	}
	return append(options, remote.Reuse(puller), remote.Reuse(pusher))
}

const textAway = "The registry is not available."

// registryError tells the user that the platform's registry failed.
func registryError(detail string, err error) error {
	var e *deis.Error
	if errors.As(err, &e) {
		return err
	}
	return &deis.Error{Kind: deis.Unavailable, Detail: detail, Err: err}
}

func isNotFound(err error) bool {
	var e *transport.Error
	return errors.As(err, &e) && e.StatusCode == http.StatusNotFound
}
