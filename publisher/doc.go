// Package publisher announces what runs on one host: the containers of apps
// that answer stand in etcd, for the routers, and leave it the moment they
// are withdrawn, end, or stop to answer.
//
// Ports: none but HEALTH_LISTEN.
//
// Environment:
//
//	ETCD ETCD_PORT   where etcd is: host:port[,...], or HOST and this port (4001)
//	ETCD_TTL         seconds that the announcements outlive us (20)
//	HOST             name of this host among publishers (the address that reaches etcd)
//	DEIS_NAME        platform whose containers are announced (deis)
//	APPS_NETWORK     network of the app containers (<DEIS_NAME>-apps)
//	DOCKER_HOST      the Engine (unix:///var/run/docker.sock)
//
// Etcd keys read: /deis/publisher/withdraw/<app>/<job>, a container's id: it
// leaves /deis/services at once and never comes back. At the start also what
// the publisher before this one has announced.
//
// Etcd keys written, all on one lease: /deis/services/<app>/<job>, ip:port;
// /deis/publisher/checks/<app>/<job>, the last change of a health check as
// {"container", "ok", "detail", "at"}; /deis/publisher/hosts/<HOST> after the
// first pass over all containers. On exit the lease lapses, so that a
// successor finds the keys and takes them over.
//
// When the Engine is away everything stays announced as long as it answers.
// When etcd is away writes wait; when the lease was lost meanwhile, everything
// is announced anew.
package publisher
