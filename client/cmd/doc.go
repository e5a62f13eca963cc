// Package cmd is the deis command: what is typed, what is printed, and how it
// ends. Commands are named group:verb; a file holds a group. Each has an
// options struct, a constructor that says how the options are given, and a run
// function that does the work, so that a test can hold either end.
//
// Main follows one call: dispatch.go finds the verb, parse.go reads its
// arguments by Deis v1's grammar, cobra runs it, fail prints its error. At a
// TAB the shell's script calls `deis __complete` instead (complete.go, sources.go).
//
// Environment: HOME (on Windows HOMEDRIVE and HOMEPATH); DEIS_PROFILE, the
// name of the session file, client by default; DEIS_APP, the app if -a does not
// name one; DEIS_DRINK_OF_CHOICE, what to wait with, coffee by default; PATH,
// for git, the browser's opener and plugins; XDG_CACHE_HOME, ~/.cache by
// default; http_proxy, https_proxy and no_proxy.
//
// Files: ~/.deis/<profile>.json, the session; ~/.ssh/*.pub, the keys that
// keys:add offers; ~/.cache/deis/completion/, what the controller told
// completion; in the working directory .env and Procfile. config:push and
// --password-stdin read standard input.
//
// Exit codes: 0 for success and help, 1 for a failure, 130 when interrupted,
// which is how apps:logs --follow ends; apps:run and plugins end with the code
// of what they ran.
//
// Signals: the first SIGINT or SIGTERM cancels what runs, the second ends the
// process. apps:run hands the first one to the command and ends the session by
// the second; with a terminal of its own it ends by the first, or by SIGHUP,
// and leaves the terminal as it was.
package cmd
