package syslog

import (
	"regexp"
	"strings"
)

// Event is a line that the controller or the builder prints on stdout for an
// app's log, as Deis v1 did: `INFO [app]: message`. Line breaks in message
// become spaces, since a line is one event.
func Event(level, app, message string) string {
	message = strings.Join(strings.FieldsFunc(message, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
	return level + " [" + app + "]: " + message
}

var event = regexp.MustCompile(`^([A-Z]+) \[([a-z0-9-]+)\]: (.*)$`)

// ParseEvent takes apart what Event made.
func ParseEvent(line string) (level, app, message string, ok bool) {
	m := event.FindStringSubmatch(line)
	if m == nil {
		return "", "", "", false
	}
	return m[1], m[2], m[3], true
}
