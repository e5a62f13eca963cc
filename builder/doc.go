// Package builder is where users push to: git over SSH, an image from what
// they pushed, and the release that the controller makes of it.
//
// It is two processes. The worker, as root, has the Engine's socket, the
// builder key and etcd. The other, which clients speak to, runs sshd, git and
// git's hooks as GIT_UID without any of these; it gets the listening socket
// and the host keys from the worker, and asks it everything else over a unix
// socket in RUN_DIR. Whichever dies takes nothing with it that the other needs:
// a dead sshd is started again behind the same listening socket, and with a
// dead worker sshd ends.
//
// Ports: SSH_HOST_PORT, SSH.
//
// Environment:
//
//	DEIS_NAME         name of the platform (deis)
//	ETCD ETCD_PORT    where etcd is: host:port[,...], or HOST and this port (4001)
//	ETCD_TTL          seconds that our keys outlive us (20)
//	HOST              address announced (the one that reaches etcd)
//	EXTERNAL_PORT     port announced (2223)
//	SSH_HOST_IP       address to listen on (0.0.0.0)
//	SSH_HOST_PORT     port to listen on (2223)
//	MAX_CONNECTIONS   SSH clients at once (200)
//	DOCKER_HOST       the Engine (unix:///var/run/docker.sock)
//	BUILDS_NETWORK    network of builds (<DEIS_NAME>-builds); several are separated by commas: a Dockerfile is built in one that nothing else uses meanwhile
//	REGISTRY_FROM_ENGINE   the platform's registry as the Engine reaches it (127.0.0.1:5000)
//	BASE_REGISTRIES   host:port of registries, separated by commas, that Dockerfiles may name although they have a port or an address (none)
//	SLUGBUILDER_IMAGE image that compiles slugs (deis/slugbuilder of our version)
//	SLUGRUNNER_IMAGE  image that apps of slugs are built on (deis/slugrunner:latest)
//	STACK             what buildpacks are told to build for (the slugbuilder's own)
//	BUILDS            builds at once (2)
//	BUILD_MEMORY      memory of one build (1G)
//	BUILD_TIMEOUT     seconds from a build's start to its push (900)
//	GIT_ROOT          folder of the repositories (/home/git)
//	GIT_UID           account of sshd and git, by number (1000)
//	GIT_GID           its group, by number (1000)
//	RUN_DIR           folder for socket and hooks (/run/deis-builder)
//	MAX_PUSH          size of a push (256M)
//	MAX_SOURCE        size of a commit's files (1G)
//	MAX_SLUG          size of a slug (1G)
//	OUTPUT_PREFIX     begin lines with ESC[1G, which hides git's "remote: " (true)
//	DRAIN_TIMEOUT     seconds that pushes may take to end at SIGTERM (20)
//
// Builds that fetch get HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY in both
// cases, GOPROXY, GOSUMDB, GONOSUMDB, GONOPROXY, GOPRIVATE and GOFLAGS where
// the builder has them; a Dockerfile sees those of Go that it declares by ARG.
//
// Capabilities: SETUID SETGID to become GIT_UID; CHOWN DAC_OVERRIDE FOWNER KILL
// for what that account owns. The root file system may be read-only.
//
// Etcd keys read: /deis/builder/users/ /deis/services/ (the apps that exist)
// /deis/controller/{protocol,host,port,builderKey,mirrored}
// /deis/registry/{host,port} /deis/builder/sshHost{rsa,ecdsa,ed25519}Key.
//
// Etcd keys written: /deis/builder/{host,port} on a lease, while clients are
// answered; /deis/builder/sshHost{rsa,ecdsa,ed25519}Key, once, when absent.
//
// When etcd is away, keys and controller are those last seen, and nothing is
// cleaned up; at a start, clients wait. When the Engine, the registry or the
// controller is away pushes fail with a sentence, change nothing, and can be
// repeated.
package builder
