// Command registry is the platform's Docker registry.
package main

import (
	"os"

	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/registry"
)

func main() { os.Exit(process.Main("registry", registry.SettingsFromEnv, registry.Run)) }
