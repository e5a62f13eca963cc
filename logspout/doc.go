// Package logspout sends what the containers of one host print to the logger.
//
// # What it does
//
// It follows the Engine's events and reads the log of every container of its
// platform from where it was before, also of those that have ended and are not
// yet removed. Lines of an app's container are filed under its app and process
// (web.1), those of a platform container under its name; lines that controller
// and builder print on stdout as `INFO [app]: message` under that app, as from
// deis-controller or deis-builder. Its own output and the logger's are left
// out, since each line would make another.
//
// Lines wait in a bounded queue for each container. While the logger is away
// nothing more is read, since the Engine keeps it; when the logger is there
// but slower than the containers, the oldest lines are dropped, counted, and
// the app's log says how many.
//
// # Ports
//
//	9000/tcp  /healthz /readyz /metrics (HEALTH_LISTEN)
//
// # Environment
//
//	DEIS_NAME    name of the platform, whose containers alone are read (deis)
//	DOCKER_HOST  the Engine (unix:///var/run/docker.sock)
//	POSITIONS    folder for what was sent of each container's log, a volume (/var/lib/logspout)
//	ETCD         host:port[,host:port...]; unset: HOST and ETCD_PORT
//	ETCD_PORT    port of etcd on HOST if ETCD is unset (4001)
//	HOST         name of this host in messages; unset: the address from which etcd is reached
//
// # etcd keys read
//
//	/deis/logs/{host,port}  the logger; followed
//	/deis/logs/protocol     unset or syslog+tcp: RFC 5424 over TCP with octet counting; udp or tcp: the line of Deis v1; followed
//
// # etcd keys written
//
// None.
//
// # When a dependency is away
//
// Without the logger, without etcd or without the Engine it waits and tries
// again; no error while it runs ends it. It must reach etcd once to start.
package logspout
