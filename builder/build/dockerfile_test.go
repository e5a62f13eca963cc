package build

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/errdefs"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
)

// fakeImages is an Engine with some images; all else is missing and can be
// pulled if it is in registry.
type fakeImages struct {
	Engine
	local    map[string]image.InspectResponse
	registry map[string]image.InspectResponse
	pulled   []string
}

func (f *fakeImages) InspectImage(_ context.Context, ref string) (image.InspectResponse, error) {
	if i, ok := f.local[ref]; ok {
		return i, nil
	}
	return image.InspectResponse{}, errdefs.NotFound(errors.New("no such image"))
}

func (f *fakeImages) ImagePull(_ context.Context, ref string, _ image.PullOptions) (io.ReadCloser, error) {
	f.pulled = append(f.pulled, ref)
	i, ok := f.registry[ref]
	if !ok {
		return nil, errdefs.NotFound(errors.New("manifest unknown"))
	}
	for _, name := range i.RepoTags {
		f.local[name], f.local[strings.TrimSuffix(name, ":latest")] = i, i
	}
	return io.NopCloser(strings.NewReader("")), nil
}

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// engineImages are the platform's as it runs: controller, an app's images, the
// bases; and what builds have pulled.
func engineImages() *fakeImages {
	tagged := func(repo, tag string, onbuild ...string) image.InspectResponse {
		return image.InspectResponse{RepoTags: []string{repo + ":" + tag}, RepoDigests: []string{repo + "@" + digest},
			Config: &dockerspec.DockerOCIImageConfig{DockerOCIImageConfigExt: dockerspec.DockerOCIImageConfigExt{OnBuild: onbuild}}}
	}
	local := func(repo, tag string) image.InspectResponse {
		i := tagged(repo, tag)
		i.RepoDigests = nil
		return i
	}
	labelled := tagged("evil", "labels")
	labelled.Config.Labels = map[string]string{"deis.job": "victim_v2.web.1"}
	return &fakeImages{
		local: map[string]image.InspectResponse{
			"debian": tagged("debian", "latest"), "debian:13": tagged("debian", "13"), "golang:1.24": tagged("golang", "1.24"),
			"debian@" + digest: tagged("debian", "13"),
			"node":             tagged("node", "latest"),
			"corp/private":     local("corp/private", "latest"),
			"deadbeef:latest":  tagged("127.0.0.1:5000/victim", "v2"), // as the Engine finds ids
			"victim@" + digest: tagged("127.0.0.1:5000/victim", "v2"),
			"evil:labels":      labelled,
			"evil:onbuild":     tagged("evil", "onbuild", "COPY --from=127.0.0.1:5000/victim:v2 / /"),
			"evil:add":         tagged("evil", "add", "ADD http://127.0.0.1:5000/v2/victim/blobs/x /"),
			"evil:label":       tagged("evil", "label", `LABEL "deis.job"=x`),
			"evil:two":         tagged("evil", "two", "RUN true\nCOPY --from=victim / /"),
			"fine:onbuild":     tagged("fine", "onbuild", "COPY . /app", "RUN make"),
		},
		registry: map[string]image.InspectResponse{
			"docker.io/library/alpine:3": tagged("alpine", "3"), "registry.corp:5000/base:latest": tagged("registry.corp:5000/base", "latest"),
			"ghcr.io/some/image:latest": tagged("ghcr.io/some/image", "latest"),
		},
	}
}

func TestGuard(t *testing.T) {
	apps := map[string]bool{"victim": true, "node": true}
	for name, c := range map[string]struct {
		file string
		want string // part of the refusal; empty: admitted
	}{
		"published base":           {"FROM deis/base", ""},
		"published base latest":    {"FROM deis/base:latest", ""},
		"published base in full":   {"FROM docker.io/deis/base:latest", ""},
		"published runner":         {"FROM deis/slugrunner", ""},
		"scratch":                  {"FROM scratch\nCOPY a /", ""},
		"public":                   {"FROM debian", ""},
		"public tag":               {"FROM debian:13", ""},
		"public digest":            {"FROM debian@" + digest, ""},
		"pulled when missing":      {"FROM alpine:3", ""},
		"public registry":          {"FROM ghcr.io/some/image", ""},
		"allowed registry":         {"FROM registry.corp:5000/base", ""},
		"missing in full":          {"FROM docker.io/library/none", "cannot be pulled"},
		"stages":                   {"FROM golang:1.24 AS build\nRUN make\nFROM build AS test\nFROM deis/base\nCOPY --from=build /a /\nCOPY --from=TEST /a /\nCOPY --from=0 /a /", ""},
		"args":                     {"ARG V=13\nARG NAME=debian\nFROM $NAME:${V}\nARG V\nRUN echo $V", ""},
		"arg with default":         {"FROM debian:${MISSING:-13}", ""},
		"platform":                 {"FROM --platform=$BUILDPLATFORM golang:1.24 AS b\nFROM debian\nCOPY --from=b / /", ""},
		"directive":                {"# syntax=docker/dockerfile:1\nFROM debian", ""},
		"comments":                 {"FROM debian\nRUN a \\\n # comment\n b\n", ""},
		"harmless triggers":        {"FROM fine:onbuild", ""},
		"own trigger":              {"FROM debian\nONBUILD COPY . /app", ""},
		"add of a file":            {"FROM debian\nARG V=1\nADD app-$V.tgz /app/", ""},
		"label":                    {`FROM debian` + "\n" + `LABEL org.example="a b" other=1`, ""},
		"shell shift":              {"FROM debian\nRUN echo $((1<<2))", ""},
		"platform registry":        {"FROM 127.0.0.1:5000/victim:v2", "image of an app of this platform"},
		"platform registry digest": {"FROM 127.0.0.1:5000/victim@" + digest, "image of an app of this platform"},
		"localhost":                {"FROM localhost:5000/victim:v2", "not open to builds"},
		"LOCALHOST":                {"FROM LOCALHOST:5000/victim:v2", "not open to builds"},
		"localhost dot":            {"FROM localhost.:5000/victim", "line 1"},
		"sub.localhost":            {"FROM x.localhost/victim", "not open to builds"},
		"other loopback":           {"FROM 127.9.9.9:5000/victim", "not open to builds"},
		"loopback without port":    {"FROM 127.0.0.1/victim", "not open to builds"},
		"short address":            {"FROM 127.1:5000/victim", "not open to builds"},
		"short address no port":    {"FROM 127.1/victim", "not open to builds"},
		"ipv6":                     {"FROM [::1]:5000/victim", "not open to builds"},
		"host's address":           {"FROM 172.21.0.5:5000/victim", "not open to builds"},
		"a name for loopback":      {"FROM localtest.example.com:5000/victim:v2", "not open to builds"},
		"bare app":                 {"FROM victim", "is an app of this platform"},
		"bare app tag":             {"FROM victim:v2", "is an app of this platform"},
		"bare app digest":          {"FROM victim@" + digest, "is an app of this platform"},
		"library app":              {"FROM docker.io/library/victim:v2", "cannot be pulled"},
		"app like a public image":  {"FROM node", "there is also docker.io/library/node"},
		"component":                {"FROM deis/controller:1.14.0", "part of the platform"},
		"component in full":        {"FROM index.docker.io/deis/controller:1.14.0", "part of the platform"},
		"base by version":          {"FROM deis/base:root", "part of the platform"},
		"private local image":      {"FROM corp/private", "local image of this machine"},
		"image id":                 {"FROM deadbeef", "id of an image"},
		"long id":                  {"FROM " + digest[7:], "id of an image"},
		"id with algorithm":        {"FROM " + digest, "id of an image"},
		"short id with algorithm":  {"FROM sha256:0123", "id of an image"},
		"one digit":                {"FROM 0", "id of an image"},
		"id with a tag":            {"FROM deadbeef:latest", "local image of this machine"},
		"missing":                  {"FROM nosuch/image", "cannot be pulled"},
		"arg":                      {"ARG B=127.0.0.1:5000/victim:v2\nFROM $B", "line 2: 127.0.0.1:5000/victim:v2 is an image of an app"},
		"arg in pieces":            {"ARG A=127.0.0.1\nARG B=$A:5000\nFROM ${B}/victim:v2", "image of an app of this platform"},
		"arg as default":           {"FROM ${NONE:-127.0.0.1:5000/victim}", "image of an app of this platform"},
		"arg by substring":         {"ARG A=x127.0.0.1:5000/victim\nFROM ${A#x}", "image of an app of this platform"},
		"copy from registry":       {"FROM debian\nCOPY --from=127.0.0.1:5000/victim:v2 /x /", "line 2: 127.0.0.1:5000/victim:v2 is an image of an app"},
		"copy from app":            {"FROM debian\nCOPY --from=victim /x /", "is an app of this platform"},
		"copy from variable":       {"ARG X=victim\nFROM debian\nCOPY --from=$X /x /", "line 3"},
		"copy from quoted":         {"FROM debian\nCOPY --from=\"127.0.0.1:5000/victim\" /x /", "line 2"},
		"copy from escaped flag":   {"FROM debian\nCOPY --fr\\om=127.0.0.1:5000/victim /x /", "line 2"},
		"copy from id":             {"FROM debian\nCOPY --from=deadbeef /x /", "id of an image"},
		"copy from later stage":    {"FROM debian\nCOPY --from=victim /x /\nFROM debian AS victim", "is an app of this platform"},
		"copy from itself":         {"FROM debian AS victim\nCOPY --from=victim /x /", "is an app of this platform"},
		"copy from no stage":       {"FROM debian\nCOPY --from=0 /x /", "no earlier stage 0"},
		"copy from negative":       {"FROM debian\nCOPY --from=-1 /x /", "line 2"},
		"alias of an app":          {"FROM 127.0.0.1:5000/victim AS base\nFROM base", "line 1"},
		"second stage":             {"FROM debian AS a\nFROM victim:v2 AS b\nFROM a", "line 2"},
		"lower case":               {"from 127.0.0.1:5000/victim", "image of an app"},
		"heredoc hides from":       {"FROM debian\nRUN <<EOF\nFROM 127.0.0.1:5000/victim\nEOF\n", "here-documents"},
		"copy heredoc":             {"FROM debian\nCOPY <<EOF /x\ny\nEOF", "here-documents"},
		"escape hides from":        {"# escape=`\nFROM debian\nRUN echo `\nFROM victim", "escape directive"},
		"syntax then escape":       {"# syntax=x\n# escape=`\nFROM debian\nRUN echo `\nFROM victim", "escape directive"},
		"backslash at the end":     {"FROM debian\nRUN echo \\\\\nFROM victim", "line 2: it ends with a backslash"},
		"run mount":                {"FROM debian\nRUN --mount=type=bind,from=127.0.0.1:5000/victim,target=/x cp -r /x /y", "needs BuildKit"},
		"run network":              {"FROM debian\nRUN --network=host id", "needs BuildKit"},
		"add url":                  {"FROM debian\nADD http://127.0.0.1:5000/v2/victim/blobs/x /", "ADD takes no URL"},
		"add any url":              {"FROM debian\nADD https://example.com/redirects-to-loopback /", "ADD takes no URL"},
		"add capital url":          {"FROM debian\nADD HTTP://127.0.0.1/ /", "ADD takes no URL"},
		"add json url":             {"FROM debian\nADD [\"http://127.0.0.1/\", \"/\"]", "ADD takes no URL"},
		"add quoted url":           {"FROM debian\nADD 'http'://127.0.0.1/ /", "ADD takes no URL"},
		"add variable url":         {"FROM debian\nENV U=http://127.0.0.1/\nADD $U /", "ADD takes no URL"},
		"add half a url":           {"FROM debian\nENV U=tp://127.0.0.1/\nADD ht$U /", "ADD takes no URL"},
		"add most of a url":        {"FROM debian\nENV U=://127.0.0.1/\nADD http${U} /", "ADD takes no URL"},
		"onbuild of own":           {"FROM debian\nONBUILD COPY --from=127.0.0.1:5000/victim / /", "line 2"},
		"trigger copies":           {"FROM evil:onbuild", "ONBUILD"},
		"trigger adds":             {"FROM evil:add", "ONBUILD"},
		"trigger labels":           {"FROM evil:label", "ONBUILD"},
		"trigger of two lines":     {"FROM evil:two", "ONBUILD"},
		"label of ours":            {"FROM debian\nLABEL deis.job=victim_v2.web.1", "labels that begin with deis."},
		"label second":             {"FROM debian\nLABEL a=b \"deis.platform\"=deis", "labels that begin with deis."},
		"label old form":           {"FROM debian\nLABEL deis.app victim", "labels that begin with deis."},
		"label by variable":        {"FROM debian\nENV K=deis\nLABEL $K.job=x", "labels that begin with deis."},
		"base has labels of ours":  {"FROM evil:labels", "label of the platform"},
		"empty":                    {"", "no instructions"},
		"no from":                  {"RUN id", "RUN comes before FROM"},
		"only arg":                 {"ARG A=1", "it has no FROM"},
		"from nothing":             {"FROM $UNSET", "is not the name of an image"},
		"from with spaces":         {"ARG A=\"debian AS x\"\nFROM $A", "is not the name of an image"},
		"args that grow":           {"ARG A=" + strings.Repeat("x", 1000) + doubling("ARG") + "\nFROM debian", "too large"},
		"envs that grow":           {"FROM debian\nENV A=" + strings.Repeat("x", 1000) + doubling("ENV"), "too large"},
		"args in a line":           {"FROM debian\nARG A=" + strings.Repeat("x", 60000) + "\nLABEL x=" + strings.Repeat("$A", 100), "too large"},
		"long path":                {"FROM debian" + strings.Repeat("\nENV PATH=/opt/x/bin:$PATH LD=$LD:/lib", 100), ""},
		"unknown platform":         {"ARG P=\"linux/x y\"\nFROM --platform=$P debian", "is not a platform"},
	} {
		t.Run(name, func(t *testing.T) {
			b := New(engineImages(), Config{Platform: "test", Registry: "127.0.0.1:5000", Registries: []string{"registry.corp:5000"}, Networks: []string{"n"}, Builds: 1,
				RegistryAuth: func(string) string { return "" }})
			d, err := parseDockerfile([]byte(c.file), nil)
			if err == nil {
				err = b.admit(t.Context(), d, Request{App: "mine", Out: io.Discard, IsApp: func(a string) bool { return apps[a] }})
			}
			var r *refusal
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.As(err, &r) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			case strings.Contains(errText(err), "\n"):
				t.Errorf("more than one line: %q", err)
			}
			if len(b.engine.(*fakeImages).pulled) > 0 && strings.Contains(strings.Join(b.engine.(*fakeImages).pulled, " "), "5000/victim") {
				t.Error("pulled", b.engine.(*fakeImages).pulled)
			}
		})
	}
}

// doubling is lines that each make a variable twice as large.
func doubling(instruction string) string {
	var b strings.Builder
	for i := range 25 {
		b.WriteString("\n" + instruction + " " + string(rune('B'+i)) + "=$" + string(rune('A'+i)) + "${" + string(rune('A'+i)) + "}")
	}
	return b.String()
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestRender is what the Engine gets: names written out, one line each.
func TestRender(t *testing.T) {
	d, err := parseDockerfile([]byte("# syntax=x\nARG V=13\nFROM --platform=$BUILDPLATFORM debian:$V AS Build\nRUN a && \\\n  # why\n  b\n\nFROM deis/base\ncopy --from=build --chown=1:1 /a /b\nCMD [\"a\"]\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "ARG V=13\nFROM debian:13 AS build\nMARK\nRUN a &&   b\nFROM deis/base\nMARK\ncopy --from=build --chown=1:1 /a /b\nCMD [\"a\"]\nENV GIT_SHA x\n"
	if got := string(d.render("MARK", "ENV GIT_SHA x")); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
}

func TestBuildArgsDecideFrom(t *testing.T) {
	d, err := parseDockerfile([]byte("ARG GOPROXY=debian\nFROM $GOPROXY"), map[string]string{"GOPROXY": "127.0.0.1:5000/victim"})
	if err != nil || d.bases[0].ref != "127.0.0.1:5000/victim" {
		t.Error(d, err)
	}
}

// FuzzDockerfile: whatever comes in, what goes to the Engine reads the same
// when it is read again, and names no other images.
func FuzzDockerfile(f *testing.F) {
	for _, s := range []string{"FROM a\nRUN b \\\n c", "ARG A=1\nFROM $A AS b\nCOPY --from=b / /", "# escape=`\nFROM a", "FROM a\nRUN <<E\nx\nE", "from a\nONBUILD ADD x y", "FROM a\nLABEL a=b c=d"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		d, err := parseDockerfile(src, nil)
		if err != nil {
			return
		}
		out := d.render("", "")
		if _, err := parser.Parse(bytes.NewReader(out)); err != nil {
			t.Fatalf("cannot be read again: %v\n%s", err, out)
		}
		again, err := parseDockerfile(out, nil)
		if err != nil {
			t.Fatalf("refused the second time: %v\n%q\n%q", err, src, out)
		}
		if len(again.bases) != len(d.bases) || len(again.lines) != len(d.lines) {
			t.Fatalf("%q\n%q", d.lines, again.lines)
		}
		for i := range d.bases {
			if d.bases[i].ref != again.bases[i].ref {
				t.Fatalf("%v, then %v", d.bases[i], again.bases[i])
			}
		}
	})
}
