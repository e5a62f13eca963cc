// Package controller speaks the /v1 API of a Deis controller, version 1.7. It
// is what the deis command is built on, and fit for other programs:
//
//	c, err := controller.New(controller.Options{URL: "http://deis.example.com", Token: token})
//	if err != nil {
//		return err
//	}
//	app, err := c.CreateApp(ctx, "demo")
//	var refused *controller.Error
//	if errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
//		...
//	}
//
// Each method is one request and blocks until the controller has done what was
// asked, which for a deploy may take minutes: the context is its only deadline.
// Connecting and the TLS handshake have time-outs of their own, and TCP
// keep-alives find a controller that is gone.
//
// Two last: FollowLogs goes on with each further line of a log, whatever is
// restarted in between, and Attend runs a command with its streams.
//
//	for line, err := range c.FollowLogs(ctx, "demo", controller.FollowOptions{Lines: 10}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(line.Text)
//	}
package controller
