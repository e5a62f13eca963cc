// Package version says which platform this is.
package version

// Platform is the version of the platform: of every image, of both command
// line tools, of user agents and of the slug images' DEIS_RELEASE.
const Platform = "1.14.0"

// API is the version of the controller's HTTP API, major and minor.
const API = "1.7"
