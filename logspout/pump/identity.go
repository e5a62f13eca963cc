package pump

import (
	"strconv"

	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/syslog"
)

// identity is under what a container's lines are filed.
type identity struct {
	app     string
	process string
	release string
	events  string // if not empty: lines on stdout that are events go to their app, as from this process
}

// identify tells a container by its labels and name. ok is false for one whose
// lines are not read: of another platform, a build, and those that would feed
// themselves. A name is given by who creates a container, labels may come from
// a user's Dockerfile: so labels count only where the name agrees.
func identify(platform, name string, label map[string]string) (id identity, ok bool) {
	if label[labels.Platform] != platform {
		return identity{}, false
	}
	if c, isApp, err := labels.Parse(label); err == nil && isApp && c.Name() == name {
		return identity{app: c.ID.App, process: c.ID.Process(), release: "v" + strconv.Itoa(c.ID.Version)}, true
	}
	id = identity{app: name, process: "1"}
	switch name {
	case platform + "-logspout", platform + "-logger":
		return identity{}, false
	case platform + "-controller", platform + "-builder":
		id.events = "deis-" + name[len(platform)+1:]
	case platform + "-etcd", platform + "-database", platform + "-registry", platform + "-publisher", platform + "-router", platform + "-filter":
	default:
		return identity{}, false
	}
	return id, true
}

// message is a line of the container.
func (id identity) message(r record) syslog.Message {
	m := syslog.Message{Time: r.time, App: id.app, Process: id.process, Release: id.release, Stream: r.stream, Text: r.text}
	if id.events != "" && r.stream == stdout {
		if _, app, text, ok := syslog.ParseEvent(r.text); ok {
			m.App, m.Process, m.Text = app, id.events, text
		}
	}
	return m
}
