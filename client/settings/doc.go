// Package settings is what the deis command keeps between two calls: the
// session in ~/.deis/<profile>.json and, in a repository of the user's, the git
// remote that says which app it is.
package settings
