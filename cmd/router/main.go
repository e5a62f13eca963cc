// Router is nginx in front of the platform; see package router.
package main

import (
	"os"

	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/router"
)

func main() { os.Exit(process.Main("router", router.SettingsFromEnv, router.Run)) }
