package docker

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
)

var update = flag.Bool("update", false, "write the golden files")

func TestPlanContainer(t *testing.T) {
	id := jobid.ID{App: "demo", Version: 3, Type: "web", Num: 2}
	identity := labels.Identity{Platform: "deis", ID: id, UUID: "6b2f4a1e-0000-4000-8000-000000000001"}
	checked := identity
	checked.Health = &labels.HealthCheck{URL: "/health", InitialDelay: 5, Timeout: 2}
	run := identity
	run.ID = jobid.ID{App: "demo", Version: 3, Type: "run", Num: 9}
	deisConfig := Config{Platform: "deis", Network: "deis-apps", Registry: "127.0.0.1:5000"}
	other := Config{Platform: "staging", Network: "staging-apps", Registry: "127.0.0.1:5100"}
	cases := []struct {
		file string
		cfg  Config
		spec deis.Spec
		once bool
		user *deis.Session // who attends it
	}{
		{"defaults", deisConfig, deis.Spec{Identity: identity, Image: "sha256:aa"}, false, nil},
		{"everything", deisConfig, deis.Spec{
			Identity: checked, Image: "sha256:aa", Entrypoint: []string{"/runner/init"}, Command: []string{"start", "web"},
			Memory: 512 << 20, CPU: 1024, Tags: map[string]string{"disk": "ssd"}, Hostname: "demo-v3.web.2",
		}, false, nil},
		{"other-platform", other, deis.Spec{Identity: identity, Image: "sha256:aa", Command: []string{"bash", "-c", `echo "it's" $HOME`}}, false, nil},
		{"one-off", deisConfig, deis.Spec{Identity: run, Image: "sha256:aa", Entrypoint: []string{"/bin/bash", "-c"}, Command: []string{"ls"}}, true, nil},
		{"attended", deisConfig, deis.Spec{Identity: run, Image: "sha256:aa", Command: []string{"cat"}}, true, &deis.Session{}},
		{"terminal", deisConfig, deis.Spec{Identity: run, Image: "sha256:aa", Command: []string{"vi"}}, true, &deis.Session{TTY: true, Size: deis.Size{Rows: 24, Cols: 80}}},
	}
	for _, c := range cases {
		p := c.cfg.planContainer(c.spec, c.once)
		if c.user != nil {
			p = p.attended(*c.user)
		}
		got, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
		file := filepath.Join("testdata", c.file+".golden.json")
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s: got\n%s", file, got)
		}
	}
}

func TestReplaces(t *testing.T) {
	cfg := Config{Platform: "deis"}
	spec := deis.Spec{Identity: labels.Identity{ID: jobid.ID{App: "demo", Version: 1, Type: "web", Num: 1}, UUID: "1"}}
	p := cfg.planContainer(spec, false)
	labelled := func(platform, uuid string) map[string]string {
		return labels.Identity{Platform: platform, ID: spec.Identity.ID, UUID: uuid}.Labels()
	}
	for _, c := range []struct {
		labels         map[string]string
		leftover, same bool
	}{
		{labelled("deis", "1"), false, true},
		{labelled("deis", "2"), true, false},
		{labelled("other", "1"), false, false},
		{nil, false, false},
		{map[string]string{labels.Platform: "deis"}, false, false}, // a component
	} {
		if leftover, same := p.replaces(c.labels); leftover != c.leftover || same != c.same {
			t.Errorf("%v: %v %v", c.labels, leftover, same)
		}
	}
}

func TestStateKnowsEveryWord(t *testing.T) {
	for word, want := range map[container.ContainerState]deis.State{
		"created": deis.StateCreated, "running": deis.StateUp, "paused": deis.StateDown, "exited": deis.StateDown,
		"restarting": deis.StateCrashed, "removing": deis.StateDestroyed, "dead": deis.StateDestroyed, "": deis.StateError,
	} {
		if got := state(word); got != want {
			t.Errorf("%s: %s, want %s", word, got, want)
		}
	}
}

func TestSettled(t *testing.T) {
	for status, want := range map[string]bool{
		"Up Less than a second": false, "Up 1 second": false, "Up 59 seconds": false, "Up 5 seconds (healthy)": false,
		"Up About a minute": true, "Up 2 minutes": true, "Up About an hour": true, "Up 3 weeks": true,
	} {
		if got := settled(container.Summary{State: "running", Status: status}); got != want {
			t.Errorf("%s: %v", status, got)
		}
	}
	if settled(container.Summary{State: "exited", Status: "Exited (1) 2 hours ago"}) || settled(container.Summary{State: "restarting"}) || !settled(container.Summary{State: "created"}) {
		t.Error("only what is created or runs is settled")
	}
}

func TestWords(t *testing.T) {
	for message, want := range map[string]string{
		`Error response from daemon: OCI runtime create failed: container_linux.go:380: starting container process caused: exec: "bash": executable file not found in $PATH: unknown`:                                                            `exec: "bash": executable file not found in $PATH`,
		`Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/x": stat /x: no such file or directory: unknown`: `exec: "/x": stat /x: no such file or directory`,
		"Error response from daemon: network deis-apps not found.\n": "network deis-apps not found",
		"dial unix /x: connect: no such file":                        "dial unix /x: connect: no such file",
	} {
		if got := words(errors.New(message)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
