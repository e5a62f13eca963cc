package deis

import (
	"context"
	"errors"
)

// etcdAnswers fails with a sentence while etcd is away. Whatever etcd must show
// asks before it stores anything, so that a request that fails has changed
// nothing; if etcd goes away after that, the mirror catches up by itself.
func (c *Controller) etcdAnswers(ctx context.Context) error {
	return c.Mirror.Answers(ctx)
}

// because is err, or, if it only says that the context of the app's lock was
// cancelled, why it was.
func because(ctx context.Context, err error) error {
	var cause *Error
	if errors.Is(err, context.Canceled) && KindOf(err) == Internal && errors.As(context.Cause(ctx), &cause) {
		return cause
	}
	return err
}

// ErrStopping is why operations are cancelled by a controller that ends.
var ErrStopping error = Errorf(Unavailable, "The controller is being stopped; ask again.")
