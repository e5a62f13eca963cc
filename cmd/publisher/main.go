// Publisher announces the containers of a host; see package publisher.
package main

import (
	"os"

	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/publisher"
)

func main() { os.Exit(process.Main("publisher", publisher.SettingsFromEnv, publisher.Run)) }
