// Command logspout sends the output of a host's containers to the logger.
package main

import (
	"os"

	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/logspout"
)

func main() { os.Exit(process.Main("logspout", logspout.SettingsFromEnv, logspout.Run)) }
