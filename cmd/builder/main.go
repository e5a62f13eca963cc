// Command builder turns what users push with git into releases.
package main

import (
	"os"

	"github.com/deis/deis/builder"
	"github.com/deis/deis/internal/process"
)

func main() {
	os.Exit(process.Main("builder", builder.SettingsFromEnv, builder.Run, builder.Commands()))
}
