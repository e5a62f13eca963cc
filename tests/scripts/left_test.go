//go:build integration

package scripts

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/deis/deis/tests/platform"
)

// TestNothingLeft destroys an app that used every part of the platform, and
// looks for it everywhere.
func TestNothingLeft(t *testing.T) {
	ctx := t.Context()
	app := "gone-" + platform.Random(3)
	dir := t.TempDir()
	user := stage.root
	must(t, user.Deploy(ctx, dir, stage.app, app))
	for _, args := range [][]string{
		{"config:set", "SECRET=do-not-keep-me"}, {"domains:add", "www." + app + ".example.test"}, {"scale", "cmd=2"}, {"run", "--", "/app", "x"},
	} {
		if _, err := user.Deis(ctx, dir, append([]string{args[0], "-a", app}, args[1:]...)...); err != nil && args[0] != "run" { // no shell in the image
			t.Fatal(err)
		}
	}
	must(t, eventually("lines in the log", func() (bool, error) {
		out, err := user.Deis(ctx, dir, "logs", "-a", app)
		return strings.Contains(out, "listening"), err
	}))

	registry := "http://127.0.0.1:" + stage.Env["REGISTRY_PORT"] + "/v2/" + app
	digest, config := manifest(t, registry+"/manifests/v3")
	if status, _ := fetch(t, registry+"/blobs/"+config); status != http.StatusOK {
		t.Fatalf("config blob before: %d", status)
	}
	if rows, err := stage.Rows(ctx, app); err != nil || !strings.Contains(rows, "do-not-keep-me") {
		t.Fatal("the dump of rows does not show what it should", err)
	}

	if out, err := user.Deis(ctx, dir, "destroy", "-a", app, "--confirm="+app); err != nil {
		t.Fatal(out, err)
	}
	for _, ref := range []string{"v2", "v3", digest} {
		if status, _ := fetch(t, registry+"/manifests/"+ref); status != http.StatusNotFound {
			t.Errorf("manifest %s: %d", ref, status)
		}
	}
	for _, url := range []string{registry + "/blobs/" + config, registry + "/tags/list"} {
		if status, body := fetch(t, url); status != http.StatusNotFound {
			t.Errorf("%s: %d %s", url, status, body)
		}
	}
	must(t, eventually("nothing left", func() (bool, error) {
		left, err := Everything(ctx, stage.Platform, app)
		if left != "" {
			err = errors.New(left)
		}
		return err == nil, err
	}))
	if files, err := platform.Docker(ctx, "run", "--rm", "-v", stage.Name+"-logger:/data:ro", "-v", stage.Name+"-registry:/registry:ro", "deis/base:latest",
		"sh", "-c", "find /data /registry -name '*"+app+"*'; grep -rl do-not-keep-me /data /registry || true"); err != nil || files != "" {
		t.Error(files, err)
	}

	// a new app of that name sees nothing old
	if out, err := user.Deis(ctx, dir, "create", app, "--no-remote"); err != nil {
		t.Fatal(out, err)
	}
	for _, list := range []string{"config", "domains", "releases", "ps", "logs"} {
		out, err := user.Deis(ctx, dir, list, "-a", app)
		if err != nil || strings.Contains(out, "SECRET") || strings.Contains(out, "example.test") || strings.Contains(out, "v2") || strings.Contains(out, "listening") {
			t.Errorf("%s: %s %v", list, out, err)
		}
	}
	if out, err := user.Push(ctx, dir, app); err != nil { // the same commit is built again
		t.Error(out, err)
	}
	if _, err := user.Deis(ctx, dir, "destroy", "-a", app, "--confirm="+app); err != nil {
		t.Error(err)
	}
}

func fetch(t *testing.T, url string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	must(t, err)
	req.Header.Add("Accept", "application/vnd.docker.distribution.manifest.v2+json")
	req.Header.Add("Accept", "application/vnd.oci.image.manifest.v1+json")
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode == http.StatusOK {
		b = append(b, "\n"+resp.Header.Get("Docker-Content-Digest")...)
	}
	return resp.StatusCode, b
}

// manifest reads an image's digest and the digest of its config.
func manifest(t *testing.T, url string) (digest, config string) {
	t.Helper()
	status, b := fetch(t, url)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", url, status, b)
	}
	i := strings.LastIndex(string(b), "\n")
	var m struct {
		Config struct{ Digest string } `json:"config"`
	}
	must(t, json.Unmarshal(b[:i], &m))
	return string(b[i+1:]), m.Config.Digest
}
