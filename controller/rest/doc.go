// Package rest is the controller's HTTP API, version 1.7, as Deis v1's clients
// know it: paths, bodies, errors and headers, down to the reason phrases in
// upper case. It translates and authenticates; what may be done, and by whom,
// is decided in package deis.
//
// One table, in routes.go, says which methods each path has, who may call
// them and what a success is. The mux, the Allow header, 405 answers, OPTIONS,
// the labels of metrics and the test of docs/api.md follow it.
//
// What changes something runs to its end even if the client goes away, as it
// did in Deis v1, but not longer than 20 minutes; what only reads ends with
// its request.
package rest
