package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/images"
	"github.com/deis/deis/tests/platform"
)

var rewriteRow = row{name: "rewrite", bars: []Bar{rewriteBar}, measure: measureRewrite}

var rewriteBar = Bar{What: "release image: config into the build's image", Text: "≤ 2×", Allowed: factor(2, 0)}

// measureRewrite makes the images of releases, against sending a config and a
// manifest that are made already to the same registry.
func measureRewrite(ctx context.Context, b *bench) ([]Line, error) {
	a, err := b.testApp(ctx, "rewrite")
	if err != nil {
		return nil, err
	}
	defer a.destroy()
	ip, err := b.platform.Address(ctx, "registry")
	if err != nil {
		return nil, err
	}
	registry := ip + ":5000"
	sha, err := a.user.Command(ctx, a.dir, "git", "rev-parse", "--short=8", "HEAD")
	if err != nil {
		return nil, err
	}
	sha = strings.TrimSpace(sha)
	bare, err := newBareImage(ctx, registry, a.name, "git-"+sha)
	if err != nil {
		return nil, err
	}
	ours := images.New(images.Config{
		Registry:   func() (string, error) { return registry, nil },
		FromEngine: "127.0.0.1:" + b.platform.Env["REGISTRY_PORT"],
		IsApp:      func(context.Context, string) (bool, error) { return true, nil },
	})
	version := 1000 // far from the app's own
	l, o, err := interleave(ctx, b.rounds(false), Seconds, func(ctx context.Context) (float64, error) {
		return median(func() error { return bare.put(ctx) })
	}, func(ctx context.Context) (float64, error) {
		return median(func() error {
			version++
			_, err := ours.Release(ctx, deis.ReleaseImage{App: a.name, Version: version, Image: a.name, SHA: sha, Env: map[string]string{
				"DEIS_APP": a.name, "DEIS_RELEASE": fmt.Sprintf("v%d", version), "SECRET": platform.Random(16),
			}})
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	line := rewriteBar.against("the bare requests: POST and PUT of a config, PUT of a manifest", l, o)
	line.Note = fmt.Sprintf("a round is the median of %d; ours reads the build's manifest and config first and looks what stands under the new tag", rewrites)
	return []Line{line}, nil
}

// rewrites are how many make a round.
const rewrites = 9

// median is how long something takes, done a few times.
func median(fn func() error) (float64, error) {
	var took []float64
	for range rewrites {
		began := time.Now()
		if err := fn(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began).Seconds())
	}
	return quantile(took, 0.5), nil
}

// bareImage is an image in the registry, to be put there again with another
// config.
type bareImage struct {
	client     *http.Client
	repository string // URL
	config     v1.ConfigFile
	manifest   v1.Manifest
	made       int
}

func newBareImage(ctx context.Context, registry, repository, tag string) (*bareImage, error) {
	ref, err := name.NewTag(registry+"/"+repository+":"+tag, name.Insecure)
	if err != nil {
		return nil, err
	}
	image, err := remote.Image(ref, remote.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	config, err1 := image.ConfigFile()
	manifest, err2 := image.Manifest()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return &bareImage{client: &http.Client{Timeout: 30 * time.Second}, repository: "http://" + registry + "/v2/" + repository, config: *config, manifest: *manifest}, nil
}

// put sends the image with one more variable.
func (i *bareImage) put(ctx context.Context) error {
	i.made++
	config := *i.config.DeepCopy()
	config.Config.Env = append(config.Config.Env, fmt.Sprintf("BARE=%d", i.made))
	blob, err := json.Marshal(config)
	if err != nil {
		return err
	}
	digest := v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", sha256.Sum256(blob))}
	manifest := *i.manifest.DeepCopy()
	manifest.Config.Digest, manifest.Config.Size = digest, int64(len(blob))
	text, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	to, err := i.send(ctx, http.MethodPost, i.repository+"/blobs/uploads/", "", nil, http.StatusAccepted)
	if err != nil {
		return err
	}
	query := to.Query()
	query.Set("digest", digest.String())
	to.RawQuery = query.Encode()
	if _, err := i.send(ctx, http.MethodPut, to.String(), "application/octet-stream", blob, http.StatusCreated); err != nil {
		return err
	}
	_, err = i.send(ctx, http.MethodPut, fmt.Sprintf("%s/manifests/bare-%d", i.repository, i.made), string(manifest.MediaType), text, http.StatusCreated)
	return err
}

// send makes a request, whose answer must have the status, and gives the place
// that the answer names.
func (i *bareImage) send(ctx context.Context, method, to, mediaType string, body []byte, status int) (*url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	resp, err := i.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != status {
		return nil, fmt.Errorf("%s %s: %s: %.200s", method, to, resp.Status, text)
	}
	return resp.Location()
}
