// Package docker runs app containers on the local Engine.
//
// A container is what its labels say (internal/labels): the platform's name and
// the row's UUID are its identity, and the job is what publisher, logspout and
// clean-ups read. Its name is for people and keeps two containers of a job from
// existing at once: the job id on the platform that is called deis, and
// <platform>.<job id> on others, which is never the name of another platform's
// container, since app ids have no dots.
//
// The host satisfies the tags in Config.HostTags; an app that asks for others
// cannot be placed and is told so. A host without HOST_TAGS runs apps without
// tags only.
//
// Images are pulled from the platform's registry by digest when the Engine does
// not have them. What ends by itself is started again by the Engine, also after
// the Engine itself was restarted.
package docker
