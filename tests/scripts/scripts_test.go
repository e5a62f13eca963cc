//go:build integration

// Package scripts holds the stories of users, from the outside: git, the
// client and HTTP against a whole platform made of the real images.
package scripts

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/deis/deis/tests/platform"
)

// stage is what all tests of the package share.
var stage struct {
	*platform.Platform
	app  string // the test app's binary
	root *platform.User
}

func TestMain(m *testing.M) {
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
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// alone are the stories that would disturb others: they end a component.
var alone = []string{"client-logs.txtar"}

func TestStories(t *testing.T) {
	all, err := filepath.Glob("*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	tell(t, slices.DeleteFunc(all, func(file string) bool { return slices.Contains(alone, file) }))
}

func TestStoriesAlone(t *testing.T) {
	for _, file := range alone {
		tell(t, []string{file})
	}
}

// tell plays stories, all at the same time.
func tell(t *testing.T, files []string) {
	testscript.Run(t, testscript.Params{
		Files:               files,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"as": as, "await": await, "http": httpStatus, "state": state, "testapp": testApp, "example": example, "certificate": certificate, "https": https,
			"terminal": atTerminal, "crash": crash, "numbered": numbered,
		},
	})
}
