// Command consumer is a program of another module that uses the client of the
// controller's API: it sets a variable of each of a user's apps that runs
// something, and says what came of it.
//
//	consumer http://deis.example.com bob NAME=value <password
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/deis/deis/client/controller"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "consumer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 3 || !strings.Contains(args[2], "=") {
		return errors.New("usage: consumer CONTROLLER USER NAME=value <password")
	}
	password, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return err
	}
	options := controller.Options{URL: args[0], UserAgent: "consumer/1"}
	c, err := controller.New(options)
	if err != nil {
		return err
	}
	options.Token, err = c.Login(ctx, args[1], strings.TrimSuffix(password, "\n"))
	if err != nil {
		return err
	}
	if c, err = controller.New(options); err != nil {
		return err
	}
	name, value, _ := strings.Cut(args[2], "=")
	page, err := c.ListApps(ctx, 2)
	for err == nil && len(page.Results) > 0 {
		for _, app := range page.Results {
			fmt.Printf("%s: %s\n", app.ID, set(ctx, c, app, name, value))
		}
		page, err = controller.Next(ctx, c, page)
	}
	return err
}

// set sets the variable of one app, if the app runs something.
func set(ctx context.Context, c *controller.Client, app controller.App, name, value string) string {
	var processes controller.Page[controller.Container]
	processes, err := c.ListContainers(ctx, app.ID, 1)
	if err != nil {
		return explain(err)
	}
	if processes.Count == 0 {
		return "runs nothing"
	}
	change := controller.ConfigChange{Values: map[string]any{name: value}}
	var config controller.Config
	if config, err = c.ChangeConfig(ctx, app.ID, change); err != nil {
		return explain(err)
	}
	return fmt.Sprintf("%s on %d processes", config.Values["DEIS_RELEASE"], processes.Count)
}

// explain is an error on one line.
func explain(err error) string {
	var refused *controller.Error
	var unreached *controller.ConnectError
	switch {
	case controller.IsNotFound(err):
		return "is gone"
	case errors.As(err, &refused):
		return fmt.Sprintf("refused with %d: %s", refused.Status, strings.Join(refused.Lines(), "; "))
	case errors.As(err, &unreached):
		return "not known: " + unreached.Error()
	}
	return err.Error()
}
