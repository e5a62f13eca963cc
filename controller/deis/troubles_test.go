package deis_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"testing"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler/mock"
	"github.com/deis/deis/internal/jobid"
)

// told counts the lines that a pattern fits from end to end.
func (l *logs) told(pattern string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	re := regexp.MustCompile("^(?:" + pattern + ")$")
	for _, line := range l.lines {
		if re.MatchString(line) {
			n++
		}
	}
	return n
}

var errAway = &deis.Error{Kind: deis.Unavailable, Detail: "The Engine is away.", Err: errors.New("dial unix /var/run/docker.sock")}

// troubling lets calls fail.
func troubling(op mock.Op) func(mock.Op, jobid.ID) error {
	return func(called mock.Op, _ jobid.ID) error {
		if called == op {
			return errAway
		}
		return nil
	}
}

// What the scheduler could not do is in the app's log, in Deis v1's words (spec
// section 3.9), in one sentence of what went wrong; and once, however often it
// is tried again.
func TestTroublesInTheLog(t *testing.T) {
	for name, x := range map[string]struct {
		op    mock.Op
		do    func(p *platform, c *deis.Controller) error
		again bool // the loop tries it again
		want  []string
	}{
		"removal, stop": {mock.Stop, func(p *platform, c *deis.Controller) error {
			return c.Scale(p.Context(), p.by, "demo", map[string]any{"web": "1"})
		}, true, []string{`ERROR \[demo\]: demo_v2\.web\.2 \(stop\): The Engine is away\.`, `WARNING \[demo\]: warning, some containers failed to stop`}},
		"removal, destroy": {mock.Destroy, func(p *platform, c *deis.Controller) error {
			return c.Scale(p.Context(), p.by, "demo", map[string]any{"web": "1"})
		}, true, []string{`ERROR \[demo\]: demo_v2\.web\.2 \(destroy\): The Engine is away\.`, `ERROR \[demo\]: aborting, failed to destroy some containers`}},
		"restart": {mock.Stop, func(p *platform, c *deis.Controller) error {
			_, err := c.Restart(p.Context(), p.by, "demo", "web", 1)
			p.kind(err, deis.Unavailable, "The Engine is away.")
			return nil
		}, true, []string{
			`ERROR \[demo\]: demo_v2\.web\.1 \(stop\): The Engine is away\.`, `WARNING \[demo\]: warning, some containers failed to stop`,
			`ERROR \[demo\]: restart failed: The Engine is away\.`,
		}},
		"destroy": {mock.Destroy, func(p *platform, c *deis.Controller) error {
			p.kind(c.DestroyApp(p.Context(), p.by, "demo"), deis.Unavailable, "The app is being destroyed, which goes on in the background.")
			return nil
		}, true, []string{
			`ERROR \[demo\]: demo_v2\.web\.1 \(destroy\): The Engine is away\.`, `ERROR \[demo\]: demo_v2\.web\.2 \(destroy\): The Engine is away\.`,
			`ERROR \[demo\]: aborting, failed to destroy some containers`,
		}},
		"a leftover": {mock.Destroy, func(p *platform, _ *deis.Controller) error {
			p.stray("demo", "worker")
			return nil
		}, true, []string{`ERROR \[demo\]: demo_v1\.worker\.9 \(destroy\): The Engine is away\.`, `ERROR \[demo\]: aborting, failed to destroy some containers`}},
		"run": {mock.Run, func(p *platform, c *deis.Controller) error {
			_, _, err := c.Run(p.Context(), p.by, "demo", "ls")
			p.kind(err, deis.Unavailable, "The Engine is away.")
			return nil
		}, false, []string{`ERROR \[demo\]: demo_v2\.run\.[0-9]+ \(run\): The Engine is away\.`}},
		"attended run": {mock.Attach, func(p *platform, c *deis.Controller) error {
			s, _ := session()
			_, err := c.Attach(p.Context(), p.by, "demo", "ls", s)
			p.kind(err, deis.Unavailable, "The Engine is away.")
			return nil
		}, false, []string{`ERROR \[demo\]: demo_v2\.run\.[0-9]+ \(run\): The Engine is away\.`}},
		"healing, start": {mock.Start, func(p *platform, _ *deis.Controller) error {
			rows, err := p.db.Containers(p.Context(), "demo")
			p.must(err)
			p.must(p.engine.Stop(p.Context(), rows[0].UUID))
			p.routes.violations()
			return nil
		}, true, []string{`INFO \[demo\]: web\.1 was stopped and is started again`, `WARNING \[demo\]: demo_v2\.web\.1 \(start\): The Engine is away\.`, `WARNING \[demo\]: warning, some containers failed to start`}},
		"healing, create": {mock.Create, func(p *platform, _ *deis.Controller) error {
			rows, err := p.db.Containers(p.Context(), "demo")
			p.must(err)
			p.must(p.engine.Destroy(p.Context(), rows[0].UUID))
			p.routes.violations()
			return nil
		}, true, []string{`INFO \[demo\]: web\.1 was missing and is created again`, `ERROR \[demo\]: demo_v2\.web\.1 \(create\): The Engine is away\.`, `ERROR \[demo\]: aborting, failed to create some containers`}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			c := p.controller()
			p.app(c, "demo", map[string]int{"web": 2})
			p.fail = troubling(x.op)
			p.must(x.do(p, c))
			p.settle(c)
			if x.again {
				for range 3 { // each time the first pass finds it again
					before := p.engine.Calls()[x.op]
					stop := p.converge(c)
					p.eventually(func() string {
						if p.engine.Calls()[x.op] == before {
							return "it is not tried again"
						}
						return ""
					})
					stop()
				}
			}
			for _, line := range x.want {
				if n := p.logs.told(line); n != 1 {
					t.Errorf("%d times: %s", n, line)
				}
			}
			if n := p.logs.told(`.*docker\.sock.*`); n > 0 {
				t.Error("users read internals")
			}
			p.fail = nil
			if x.again {
				stop := p.converge(c)
				p.eventually(p.todo)
				stop()
			}
		})
	}
}

// What is trouble again after all was well is told again.
func TestNewTrouble(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", map[string]int{"web": 1})
	rows, err := p.db.Containers(t.Context(), "demo")
	p.must(err)
	for n := 1; n <= 2; n++ {
		p.must(p.engine.Stop(t.Context(), rows[0].UUID))
		p.routes.violations()
		p.fail = troubling(mock.Start)
		stop := p.converge(c)
		const line = `WARNING \[demo\]: demo_v2\.web\.1 \(start\): The Engine is away\.`
		p.eventually(func() string {
			if told := p.logs.told(line); told != n {
				return fmt.Sprintf("told %d times, want %d", told, n)
			}
			return ""
		})
		stop()
		p.fail = nil
		stop = p.converge(c)
		p.eventually(p.todo)
		stop()
	}
}

// undeletable are logs that cannot be deleted.
type undeletable struct{ deis.AppLogs }

func (undeletable) Delete(context.Context, string) error {
	return &deis.Error{Kind: deis.Unavailable, Detail: "The logger is not available.", Err: errors.New("dial tcp 10.0.0.9:8088")}
}

func TestLogsThatCannotBeDeleted(t *testing.T) {
	p := newPlatform(t)
	p.app(p.controller(), "demo", nil)
	n := p.needs()
	n.AppLogs = undeletable{p.logs}
	c := deis.New(n)
	for range 2 {
		err := c.DestroyApp(t.Context(), p.by, "demo")
		if deis.KindOf(err) == deis.NotFound { // it is marked: the loop goes on with it
			stop := p.converge(c)
			defer stop()
			break
		}
		p.kind(err, deis.Unavailable, "The app is being destroyed")
	}
	if n := p.logs.told(`ERROR \[demo\]: Error deleting existing application logs: The logger is not available\.`); n != 1 {
		t.Errorf("told %d times", n)
	}
}
