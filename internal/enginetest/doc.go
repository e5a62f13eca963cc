// Package enginetest speaks as much of the Engine's HTTP API, on a unix socket,
// as the platform's parts use of containers, attaching to them, events, logs and images, and fails
// where a test says so. What a real Engine does is tested with a real one; this
// one is for units and for faults.
package enginetest
