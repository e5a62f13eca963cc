package build

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"

	dockerbuild "github.com/docker/docker/api/types/build"
	"github.com/docker/docker/pkg/jsonmessage"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/labels"
)

// maxIgnore bounds .dockerignore.
const maxIgnore = 256 << 10

// byDockerfile builds the image as the tree's Dockerfile says.
func (b *Builder) byDockerfile(ctx context.Context, network string, req Request, file []byte) error {
	d, err := parseDockerfile(file, b.cfg.Env)
	if err == nil {
		err = b.admit(ctx, d, req)
	}
	if err != nil {
		return asFailure(err)
	}
	keep, err := ignore(req.Source)
	if err != nil {
		return err
	}
	mark := fmt.Sprintf("LABEL %q=%q %q=%q", labels.Platform, b.cfg.Platform, labels.App, req.App)
	text := d.render(mark, "ENV GIT_SHA "+req.SHA)
	fmt.Fprintf(req.Out, "\n-----> Building Docker image\n")
	return again(req.Out, func() error {
		return b.image(ctx, network, req, b.buildArgs(d.args), nil, func(w *tar.Writer) error {
			return writeTree(ctx, w, req.Source, text, keep)
		})
	})
}

// asFailure makes a refusal a sentence for the pusher.
func asFailure(err error) error {
	var r *refusal
	if errors.As(err, &r) {
		return &Failure{r.Error()}
	}
	return err
}

// buildArgs are the settings for fetching that a Dockerfile asks for, and the
// proxies, which every RUN gets.
func (b *Builder) buildArgs(declared []string) map[string]*string {
	args := map[string]*string{}
	for name, value := range b.cfg.Env {
		if strings.HasSuffix(strings.ToLower(name), "_proxy") {
			args[name] = &value
		}
	}
	for _, name := range declared {
		if value, ok := b.cfg.Env[name]; ok {
			args[name] = &value
		}
	}
	return args
}

// image has the Engine build the context that write makes, under the name of
// the commit. marks are labels that its Dockerfile does not set itself.
func (b *Builder) image(ctx context.Context, network string, req Request, args map[string]*string, marks map[string]string, write func(*tar.Writer) error) error {
	body, wait := stream(write)
	defer wait()
	defer body.Close()
	resp, err := b.engine.ImageBuild(ctx, body, dockerbuild.ImageBuildOptions{
		Version:     dockerbuild.BuilderV1,
		Tags:        []string{b.tag(req.App, req.SHA)},
		Remove:      true,
		ForceRemove: true,
		NetworkMode: network,
		Memory:      b.cfg.Memory,
		MemorySwap:  b.cfg.Memory, // equal: no swap
		BuildArgs:   args,
		Labels:      marks,
	})
	if err != nil {
		if failed := body.err(); failed != nil { // of the tree, not of the Engine
			err = failed
		}
		return failure("the build could not be started: %v", err)
	}
	defer resp.Body.Close()
	err = engine.Stream(resp.Body, req.Out, nil)
	if failed := body.err(); err != nil && failed != nil {
		return failure("the source cannot be built: %v", failed)
	}
	var said *jsonmessage.JSONError
	if errors.As(err, &said) {
		if said.Code == 0 && imageGone.MatchString(said.Message) {
			return errImageGone
		}
		fmt.Fprintln(req.Out, said.Message)
		if said.Code != 0 {
			return failure("build failed (exit %d)", said.Code)
		}
		return failure("build failed")
	}
	return err
}

// The Engine looks for a step's cache among all images that have the same
// parent, of whatever app, and gives the build up if one of them is removed at
// that moment.
var (
	imageGone    = regexp.MustCompile(`^unable to find image "?sha256:[0-9a-f]{64}"?$`)
	errImageGone = errors.New("an image was removed while the Engine looked for its cache")
)

// maxAgain bounds how often a build begins.
const maxAgain = 5

// again builds until no image is removed meanwhile.
func again(out io.Writer, build func() error) error {
	for range maxAgain {
		if err := build(); !errors.Is(err, errImageGone) {
			return err
		}
		fmt.Fprintln(out, "       Another image was removed meanwhile; building again")
	}
	return failure("build failed: other images were removed meanwhile, again and again; push again later")
}

// ignore reads .dockerignore. The result says what the context keeps.
func ignore(source Source) (keep func(path string, dir bool) (bool, error), err error) {
	text, err := source.File(".dockerignore", maxIgnore)
	if errors.Is(err, fs.ErrNotExist) {
		return func(string, bool) (bool, error) { return true, nil }, nil
	}
	if err != nil {
		return nil, err
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
	if err != nil {
		return nil, failure(".dockerignore cannot be read: %v", err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, failure(".dockerignore cannot be read: %v", err)
	}
	return func(path string, dir bool) (bool, error) {
		ignored, err := matcher.MatchesOrParentMatches(path)
		if err != nil {
			return false, failure(".dockerignore cannot be read: %v", err)
		}
		// A folder stays when something in it may be let back in; it is empty
		// then, which the Engine's own client does alike.
		return !ignored || dir && matcher.Exclusions(), nil
	}, nil
}

// writeTree writes the context: the Dockerfile as it was amended, then the
// tree but for what is ignored.
func writeTree(ctx context.Context, w *tar.Writer, source Source, dockerfile []byte, keep func(string, bool) (bool, error)) error {
	if err := writeFile(w, "Dockerfile", dockerfile); err != nil {
		return err
	}
	return source.Walk(func(h *tar.Header, content io.Reader) error {
		// Patterns can be many, and the Engine may have had enough by now.
		if err := context.Cause(ctx); err != nil || h.Name == "Dockerfile" {
			return err
		}
		kept, err := keep(strings.TrimSuffix(h.Name, "/"), h.Typeflag == tar.TypeDir)
		if err != nil || !kept {
			return err
		}
		return writeEntry(w, h, content)
	})
}

func writeFile(w *tar.Writer, name string, content []byte) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}
	return writeEntry(w, h, bytes.NewReader(content))
}

func writeEntry(w *tar.Writer, h *tar.Header, content io.Reader) error {
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	_, err := io.Copy(w, content)
	return err
}
