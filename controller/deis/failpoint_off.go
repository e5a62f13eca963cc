//go:build !failpoint

package deis

import (
	"context"
	"io"
)

// hook does nothing in released binaries.
type hook struct{}

func (hook) hit(context.Context, failpoint) {}

func (hook) hitOnInput(_ context.Context, _, _ failpoint, in io.ReadCloser) io.ReadCloser { return in }

func (hook) hitOnWrite(_ context.Context, _ failpoint, w io.Writer) io.Writer { return w }
