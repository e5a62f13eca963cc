// Command deis is the users' command line: it deploys applications to a Deis
// platform and looks after them there.
package main

import (
	"os"

	"github.com/deis/deis/client/cmd"
)

func main() { os.Exit(cmd.Main(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)) }
