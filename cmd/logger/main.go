// Command logger is the platform's logs.
package main

import (
	"os"

	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/logger"
)

func main() { os.Exit(process.Main("logger", logger.SettingsFromEnv, logger.Run)) }
