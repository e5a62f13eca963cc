// Package controller is the API server: apps, releases and the scheduler.
//
// It listens on LISTEN for the /v1 API (docs/api.md). What users ask for is
// written into PostgreSQL; a loop makes it so on the Engine, and a mirror of
// it is kept in etcd for routers, publishers and builders.
//
// # Environment
//
//   - DEIS_NAME: name of the platform (deis)
//   - ETCD: host:port[,host:port...] of etcd; unset, HOST and ETCD_PORT (127.0.0.1:4001)
//   - HOST: address that is announced (the one from which etcd is reached)
//   - LISTEN: address of the API (:8000)
//   - EXTERNAL_PORT: port that is announced (8000)
//   - ETCD_TTL: seconds that the announcement outlives the controller (20)
//   - DOCKER_HOST: the Engine (unix:///var/run/docker.sock)
//   - APPS_NETWORK: Engine network of app containers (<DEIS_NAME>-apps)
//   - REGISTRY_FROM_ENGINE: host:port of the registry as the Engine reaches it (127.0.0.1:5000)
//   - HOST_TAGS: tags of this host, k=v[,k=v...] (none)
//   - DEPLOY_TIMEOUT: seconds in which new containers must be ready (120)
//   - DRAIN: seconds from the last router's convergence to SIGTERM (5)
//   - HEALTH_LISTEN: /healthz, /readyz and /metrics (:9000)
//   - LOG_LEVEL: debug, info, warn or error (info)
//
// # etcd keys read
//
// /deis/database/{host,port,user,password,name}, /deis/registry/{host,port},
// /deis/logs/host, /deis/platform/domain, /deis/controller/{subdomain,
// registrationMode,unitHostname}, /deis/controller/auth/ldap/{endpoint, bind/dn,
// bind/password, user/basedn, user/filter, verify, ca}; /deis/services/, /deis/publisher/checks/,
// /deis/router/{hosts,applied}/ while containers come and go.
//
// # etcd keys written
//
// /deis/controller/{host,port} on a lease; /deis/controller/{builderKey,
// secretKey} and defaults, once; /deis/services/<app>, /deis/domains/,
// /deis/certs/, /deis/builder/users/, /deis/config/,
// /deis/controller/mirrored (mirror); /deis/publisher/withdraw/ (scheduler).
//
// # When a dependency is away
//
// PostgreSQL: requests are answered with 503 and a sentence. etcd: so are those
// that change what it must show, and nothing is changed. What runs goes on. The
// Engine or the registry: what needs them fails with 503, the app's old release
// goes on. The LDAP server: local passwords count alone, other logins fail with
// 503. Each is found again without a restart.
package controller
