//go:build failpoint

package deis

import (
	"context"
	"io"
	"strings"
	"sync"
)

// hook calls Hit, if it is set, with the name of each failpoint that is met.
type hook struct {
	Hit func(ctx context.Context, name string)
}

func (h *hook) hit(ctx context.Context, f failpoint) {
	if h.Hit != nil {
		h.Hit(ctx, table[f].Name)
	}
}

// hitOnInput is in with failpoints before it is first read, and before it is
// first closed.
func (h *hook) hitOnInput(ctx context.Context, read, closed failpoint, in io.ReadCloser) io.ReadCloser {
	return &input{
		ReadCloser: in,
		read:       sync.OnceFunc(func() { h.hit(ctx, read) }),
		closed:     sync.OnceFunc(func() { h.hit(ctx, closed) }),
	}
}

type input struct {
	io.ReadCloser
	read, closed func()
}

func (i *input) Read(p []byte) (int, error) {
	i.read()
	return i.ReadCloser.Read(p)
}

func (i *input) Close() error {
	i.closed()
	return i.ReadCloser.Close()
}

// hitOnWrite is w with a failpoint after each of its writes.
func (h *hook) hitOnWrite(ctx context.Context, f failpoint, w io.Writer) io.Writer {
	return writerFunc(func(b []byte) (int, error) {
		n, err := w.Write(b)
		h.hit(ctx, f)
		return n, err
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Failpoint is a line of the table: a place, and for the operations that come
// by it what the app must be like when a controller that died there has been
// followed by another: as before the operation, or as after it.
type Failpoint struct {
	Name  string
	Where string // the function
	Old   string // operations, with spaces between
	New   string
}

// Failpoints is the table, for the test that goes through all of it. Its
// operations are the test's.
func Failpoints() []Failpoint { return table[:] }

// Operations that have failpoints in common.
const (
	deploys  = "first-deploy deploy config rollback"
	starts   = deploys + " scale-up scale-back"
	failing  = "failing-deploy failing-scale"
	recovers = "recover-deploy recover-restart"
	removes  = "deploy config rollback scale-down" // after what counts
)

var table = [...]Failpoint{
	afterLock:             {"after-lock", "lock", words(starts, failing, recovers, "heal bare-config scale-down restart destroy"), ""},
	afterReplacingCleared: {"after-replacing-cleared", "repair", "recover-restart", ""},
	afterReplacingServing: {"after-replacing-serving", "repair", "recover-restart", ""},
	afterImageWithdrawn:   {"after-image-withdrawn", "repair", "failing-deploy recover-deploy", ""},
	afterUndoRows:         {"after-undo-rows", "repair", words(failing, "recover-deploy"), ""},
	afterUndo:             {"after-undo", "repair", words(failing, "recover-deploy"), ""},

	afterReleaseRow:    {"after-release-row", "release", words(deploys, "failing-deploy"), "bare-config"},
	afterReleaseImage:  {"after-release-image", "publish", words(deploys, "failing-deploy"), ""},
	afterImagePush:     {"after-image-push", "publish", words(deploys, "failing-deploy"), ""},
	afterContainerRows: {"after-container-rows", "start", words(starts, failing), ""},
	afterCreate:        {"after-container-create", "launch", words(starts, failing, "restart"), ""},
	afterStart:         {"after-container-start", "launch", words(starts, failing, "restart"), ""},
	afterAnnouncement:  {"after-first-announcement", "awaitReady", words(starts, "restart"), ""},
	afterReady:         {"after-ready", "launch", words(starts, "restart"), ""},
	afterCommit:        {"after-commit", "deploy", "", deploys},
	afterMirror:        {"after-mirror", "release, deploy", "", words(deploys, "bare-config")},
	afterWithdraw:      {"after-withdraw", "retire", "", removes},
	beforeAnswer:       {"before-answer", "release, Scale, Restart, DestroyApp", "", words(starts, "scale-down restart destroy")},

	afterRemovalWithdraw: {"after-removal-withdraw", "clear", words(failing, recovers, "scale-back restart"), words(removes, "destroy")},
	afterStop:            {"after-container-stop", "clear", words(failing, recovers, "scale-back restart"), words(removes, "destroy")},
	afterDestroy:         {"after-container-destroy", "clear", words(failing, recovers, "scale-back restart"), words(removes, "destroy")},
	afterForget:          {"after-withdrawal-forgotten", "clear", words(failing, recovers, "scale-back restart"), words(removes, "destroy")},
	afterRowsDeleted:     {"after-rows-deleted", "remove", words(failing, "recover-deploy scale-back"), words(removes, "destroy")},
	afterEngineImages:    {"after-engine-images", "keepImages", "failing-deploy", words(removes, "first-deploy")},
	afterRegistryPrune:   {"after-registry-prune", "cleanImages", "", deploys},

	afterScaleCommit:  {"after-scale-commit", "Scale", "", "scale-up scale-down scale-back"},
	afterReplacing:    {"after-replacing", "restart", "restart", ""},
	afterOldCleared:   {"after-old-cleared", "restart", "restart", ""},
	afterServingAgain: {"after-serving-again", "restart", "restart", ""},

	beforeRun:          {"before-run", "beginRun", "run attended-run", ""},
	afterRunRow:        {"after-run-row", "beginRun", "run attended-run", ""},
	afterAttach:        {"after-attach", "Attach", "attended-run", ""}, // the container is there, and does not run yet
	duringRun:          {"during-run", "Run", "run", ""},
	duringAttended:     {"during-attended-run", "Attach", "attended-run", ""},
	beforeAttendedEnd:  {"before-attended-end", "Attach", "attended-run", ""}, // the container is to be removed
	afterRun:           {"after-run", "Run, Attach", "run attended-run", ""},
	afterRunRowDeleted: {"after-run-row-deleted", "beginRun", "run attended-run", ""},

	afterMarkDestroyed:   {"after-mark-destroyed", "DestroyApp", "", "destroy"},
	afterAllLeave:        {"after-all-leave", "destroy", "", "destroy"},
	afterAllRemoved:      {"after-all-removed", "destroy", "", "destroy"},
	afterStrays:          {"after-strays", "destroy", "", "destroy"},
	afterAppEngineImages: {"after-app-engine-images", "destroy", "", "destroy"},
	afterAppImages:       {"after-app-images", "destroy", "", "destroy"},
	afterAppLogs:         {"after-app-logs", "destroy", "", "destroy"},
	afterAppMirror:       {"after-app-mirror", "destroy", "", "destroy"},
	afterAppRows:         {"after-app-rows", "destroy", "", "destroy"},

	afterHealStart:   {"after-heal-start", "apply", "heal", ""},
	afterHealCreate:  {"after-heal-create", "apply", "heal recover-restart", ""},
	afterHealCreated: {"after-heal-created", "apply", "heal recover-restart", ""},
	afterOrphan:      {"after-orphan", "apply", "heal", ""},
}

func words(lists ...string) string { return strings.Join(lists, " ") }
