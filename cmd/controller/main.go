// Controller is the API server.
package main

import (
	"os"

	"github.com/deis/deis/controller"
	"github.com/deis/deis/internal/process"
)

func main() {
	os.Exit(process.Main("controller", controller.SettingsFromEnv, controller.Run, controller.Commands))
}
