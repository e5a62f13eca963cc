package deis

import (
	"log/slog"
	"sync"
	"time"
)

// Bounds of waiting.
const (
	lockWaitConfig = 5 * time.Second  // as Deis v1 waited for a config change
	lockWait       = 60 * time.Second // for everything else that changes an app
)

// Needs is all that the rules depend on. Every field but Directory must be set.
type Needs struct {
	Log        *slog.Logger
	Platform   string // DEIS_NAME
	Records    Records
	Scheduler  Scheduler
	Routes     Routes
	Images     Images
	Mirror     Mirror
	AppLogs    AppLogs
	Settings   Settings
	Directory  Directory     // nil: users are known by local passwords only
	BuilderKey func() string // what only the builder knows

	DeployTimeout time.Duration // until new containers are ready, beside their health check's initial delay
	Drain         time.Duration // from the last router's convergence to SIGTERM
	Parallel      int           // containers of one app that are started or stopped at once
}

// Controller is the rules, with all they need. Its methods are what package
// rest offers to clients; Converge works in the background.
type Controller struct {
	Needs
	hook
	queue    *queue         // apps to look at
	attempts *attempts      // at guessing passwords
	removals sync.WaitGroup // containers that leave after their operation was answered

	mu      sync.Mutex
	leaving map[string]bool  // uuids of containers that a removal in the background is at
	exits   map[string]exits // by uuid: how containers ended by themselves
	runs    map[string]bool  // uuids of the one-off containers that this controller is at
	// troubles are what apps' logs were told last of containers, by uuid, and of
	// logs, by app, that did not do what they should.
	troubles map[string]string
	beats    map[string]beat // by uuid: signs of life of those that others are at

	runBeat, runGone time.Duration // but for tests, the constants
}

// New makes a Controller.
func New(n Needs) *Controller {
	return &Controller{
		Needs: n, queue: newQueue(), attempts: newAttempts(),
		leaving: map[string]bool{}, exits: map[string]exits{}, runs: map[string]bool{}, beats: map[string]beat{}, troubles: map[string]string{},
		runBeat: runBeat, runGone: runGone,
	}
}

// event writes a line to the app's log.
func (c *Controller) event(app, message string) { c.AppLogs.Event("INFO", app, message) }

// fail writes an error to the app's log.
func (c *Controller) fail(app, message string) { c.AppLogs.Event("ERROR", app, message) }
