package builder

import (
	"strings"
	"testing"
)

func TestPushDeploys(t *testing.T) {
	r := newRig(t, succeed, nil)
	alice := r.addUser("alice")
	dir := r.project(alice, "demo", map[string]string{"Dockerfile": "FROM deis/base\n"})
	o := r.mustGit(alice, dir, "push", "deis", "master")
	t.Log(o.stderr)
	if r.ref("demo", "refs/heads/master") != r.head(dir) {
		t.Error("the ref did not move")
	}
	t.Log(r.events.String())
	for _, line := range []string{"INFO [demo]: build git-" + r.head(dir)[:8] + " started by alice"} {
		if !strings.Contains(r.events.String(), line) {
			t.Errorf("no event %q in\n%s", line, r.events)
		}
	}
}
