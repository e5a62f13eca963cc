//go:build integration

// Package scripts holds the stories of users, from the outside: git, the
// client and HTTP against a whole platform made of the real images.
package scripts

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/deis/deis/tests/platform"
)

// stage is what all tests of the package share.
var stage struct {
	*platform.Platform
	app    string // the test app's binary
	root   *platform.User
	images *images
}

func TestMain(m *testing.M) {
	if address := os.Getenv(imagesAddress); address != "" {
		fmt.Fprintln(os.Stderr, serveImages(address))
		os.Exit(1)
	}
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "deis-stories-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	stage.Platform, err = platform.Start(ctx, false)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := stage.Clean(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	if stage.app, err = stage.BuildApp(ctx, dir); err == nil {
		stage.root, err = stage.NewUser(ctx, "root", dir) // the first user is the admin
	}
	if err == nil {
		stage.images, err = startImages(ctx, stage.app)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := stage.images.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	return m.Run()
}

// TestStories runs beside TestGuide, when the tests that disturb the platform
// are over.
func TestStories(t *testing.T) {
	t.Parallel()
	stories(t, ".")
}

// TestAlone holds the stories that are about all users at once.
func TestAlone(t *testing.T) { stories(t, "alone") }

// TestCrashes holds the stories that end components.
func TestCrashes(t *testing.T) { stories(t, "crashes") }

func stories(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"as": as, "await": await, "http": httpStatus, "state": state, "testapp": testApp, "example": example, "certificate": certificate, "https": https,
			"served": served, "terminal": atTerminal, "crash": crash, "numbered": numbered,
		},
	})
}
