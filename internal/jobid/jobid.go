// Package jobid is the name of a container: app_v2.web.1. The controller makes
// such names, the publisher, logspout and the scheduler read them.
package jobid

import (
	"fmt"
	"regexp"
	"strconv"
)

// ID names one container of an app.
type ID struct {
	App     string // [a-z0-9-]+, at most 64 characters
	Version int    // of the release, from 1
	Type    string // process type, such as web
	Num     int    // from 1
}

var pattern = regexp.MustCompile(`^([a-z0-9-]{1,64})_v([1-9][0-9]{0,8})\.([A-Za-z][A-Za-z0-9_-]{0,127})\.([1-9][0-9]{0,8})$`)

// Parse reads a job id. A leading slash, which Docker puts before names, is
// not accepted.
func Parse(s string) (ID, error) {
	m := pattern.FindStringSubmatch(s)
	if m == nil {
		return ID{}, fmt.Errorf("%q is not a job id", s)
	}
	version, _ := strconv.Atoi(m[2])
	num, _ := strconv.Atoi(m[4])
	return ID{App: m[1], Version: version, Type: m[3], Num: num}, nil
}

// String is the container's name, app_v2.web.1.
func (id ID) String() string {
	return fmt.Sprintf("%s_v%d.%s.%d", id.App, id.Version, id.Type, id.Num)
}

// Process is the part that users see in logs and in `deis ps`: web.1.
func (id ID) Process() string { return fmt.Sprintf("%s.%d", id.Type, id.Num) }

// Routable says whether the router may send traffic to containers of the
// process type: web and cmd, as in Deis v1.
func Routable(processType string) bool { return processType == "web" || processType == "cmd" }

// Routable says whether the router may send traffic to this container.
func (id ID) Routable() bool { return Routable(id.Type) }
