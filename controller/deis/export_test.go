package deis

import (
	"context"
	"time"
)

// ParseCert is what AddCert does before it asks the records.
func ParseCert(in NewCert) (Cert, Pair, error) { return in.parse() }

// RunsGoneAfter shortens the time after which runs of other controllers are
// leftovers, and RunsBeatEvery the time between signs of life of its own.
func (c *Controller) RunsGoneAfter(d time.Duration) { c.runGone = d }

func (c *Controller) RunsBeatEvery(d time.Duration) { c.runBeat = d }

// BeatRuns is what the controller does in that time.
func (c *Controller) BeatRuns(ctx context.Context) error { return c.beatRuns(ctx) }

// Pass is what it does once a minute.
func (c *Controller) Pass(ctx context.Context) { c.pass(ctx) }

// KeepImages removes images that nothing needs.
func (c *Controller) KeepImages(ctx context.Context, app string) { c.keepImages(ctx, app) }
