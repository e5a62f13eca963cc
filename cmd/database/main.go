// Command database is the platform's PostgreSQL, supervised.
package main

import (
	"os"

	"github.com/deis/deis/database"
	"github.com/deis/deis/internal/process"
)

func main() { os.Exit(process.Main("database", database.SettingsFromEnv, database.Run)) }
