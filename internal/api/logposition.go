package api

import (
	"fmt"
	"regexp"
	"strconv"
)

// LogPosition is a place between two lines of an app's log. Its text is
// <log>-<offset>: whoever has a position and takes lines from it on gets the
// next one by adding their bytes.
type LogPosition struct {
	Log    string // which log, 16 hex digits: an app that is destroyed and made again has another
	Offset int64  // bytes of lines before it, since the log began
}

func (p LogPosition) String() string { return p.Log + "-" + strconv.FormatInt(p.Offset, 10) }

// Add is the position n bytes on.
func (p LogPosition) Add(n int) LogPosition {
	p.Offset += int64(n)
	return p
}

var logPosition = regexp.MustCompile(`^([0-9a-f]{16})-(0|[1-9][0-9]{0,17})$`)

// ParseLogPosition reads what String wrote.
func ParseLogPosition(text string) (LogPosition, error) {
	m := logPosition.FindStringSubmatch(text)
	if m == nil {
		return LogPosition{}, fmt.Errorf("%.40q is not a position in a log", text)
	}
	offset, err := strconv.ParseInt(m[2], 10, 64)
	return LogPosition{Log: m[1], Offset: offset}, err
}
