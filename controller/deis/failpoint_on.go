//go:build failpoint

package deis

import "context"

// Hit is called at each failpoint with its name; run.go sets it.
var Hit func(ctx context.Context, name string)

func (c *Controller) hit(ctx context.Context, f failpoint) {
	if Hit != nil {
		Hit(ctx, string(f))
	}
}
