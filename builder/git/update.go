package git

import (
	"errors"
	"fmt"
	"strings"
)

// none is the hash of a ref that is not there.
const none = "0000000000000000000000000000000000000000"

// Update is one ref as a push wants it.
type Update struct {
	Old, New string // 40 hex digits
	Ref      string
}

// Deletes says whether the update removes its ref.
func (u Update) Deletes() bool { return u.New == none }

// parseUpdate reads "old new ref".
func parseUpdate(line string) (Update, error) {
	parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
	if len(parts) != 3 {
		return Update{}, fmt.Errorf("%q is not an update", line)
	}
	u := Update{Old: parts[0], New: parts[1], Ref: parts[2]}
	return u, u.check()
}

func (u Update) check() error {
	switch {
	case !hash.MatchString(u.Old) || !hash.MatchString(u.New):
		return errors.New("an update has no valid hashes")
	case !strings.HasPrefix(u.Ref, "refs/") || len(u.Ref) > 1024 || strings.ContainsAny(u.Ref, "\x00\n\r \\^~:?*[") || strings.Contains(u.Ref, ".."):
		return errors.New("an update has no valid ref")
	}
	return nil
}
