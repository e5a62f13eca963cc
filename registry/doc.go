// Package registry is the platform's Docker registry: distribution/v3 as a
// library, on a volume, with garbage collection of its own.
//
// # What it does
//
// It speaks the registry API (/v2/) over plain HTTP without authentication:
// only the platform's network and, over loopback, the Engine reach it. Beside
// the API it answers two requests of the controller:
//
//	DELETE /deis/repositories/<app>  remove a repository wholly; 204, also if there is none
//	POST   /deis/sweep               remove what nothing refers to; answers when done, with counts as JSON
//
// Both answer 503 with Retry-After when the registry is too busy to let them in.
// A sweep also runs every SWEEP_INTERVAL. While it works, requests that could
// be hurt by it wait: they are held by a gate, and the transfer of a layer's
// bytes is not among them. A layer that was pushed, mounted or asked for within
// SWEEP_GRACE is kept even though no manifest names it yet: its push is under
// way.
//
// # Ports
//
//	5000/tcp  the registry API and /deis/ (LISTEN)
//	9000/tcp  /healthz /readyz /metrics (HEALTH_LISTEN)
//
// # Environment
//
//	LISTEN          address to listen on (:5000)
//	STORAGE         folder of the images, a volume (/var/lib/registry)
//	SWEEP_INTERVAL  seconds between two sweeps (3600)
//	SWEEP_GRACE     seconds for which a layer that no manifest names is kept (900)
//	ETCD            host:port[,host:port...]; unset: HOST and ETCD_PORT
//	ETCD_PORT       port of etcd on HOST if ETCD is unset (4001)
//	ETCD_TTL        seconds for which the announcement outlives the registry (20)
//	HOST            address announced; unset: the one from which etcd is reached
//	EXTERNAL_PORT   port announced (the one of LISTEN)
//
// # etcd keys read
//
//	/deis/registry/httpSecret  signs the state of uploads, the same for all registries
//
// # etcd keys written
//
//	/deis/registry/protocol    http, created if absent
//	/deis/registry/httpSecret  random, created if absent
//	/deis/registry/host        by lease, while listening
//	/deis/registry/port        by lease, while listening
//
// # When a dependency is away
//
// Without etcd the registry does not start, since it has no secret; once it
// runs it goes on serving and announces itself again when etcd is back.
// Without its volume, or when that is full, requests fail with the API's 5xx
// and /readyz says why.
package registry
