// Package database is the platform's PostgreSQL: made at the first start,
// configured at each, supervised, and announced while it answers queries.
//
// # What it does
//
// It creates a cluster (UTF8, locale C, data checksums, scram-sha-256) in
// PGDATA/<major version>/main, writes its configuration, runs the server as
// its child, and keeps the platform's role and database as the keys below say.
// It runs wholly as the user that started it, who must not be root. SIGTERM
// makes PostgreSQL disconnect all clients and stop in order; give it 60 s.
// When PostgreSQL ends by itself this process ends too, and is to be restarted.
//
// # Ports
//
//	5432/tcp  PostgreSQL (PORT), for the networks of ALLOW
//	9000/tcp  /healthz /readyz /metrics (HEALTH_LISTEN)
//
// # Environment
//
//	PGDATA         folder of the data, a volume (/var/lib/postgresql)
//	PG_BIN         folder of initdb and postgres; unset: the newest below /usr/lib/postgresql
//	PORT           port to listen on, at all addresses (5432)
//	ALLOW          networks that may connect, with a password, as CIDR[,CIDR...] (samenet: those that this host is in)
//	PG_USER_NAME   initial value of /deis/database/user (deis)
//	PG_USER_PASS   initial value of /deis/database/password (random)
//	PG_USER_DB     initial value of /deis/database/name (deis)
//	PG_ADMIN_PASS  initial value of /deis/database/adminPass (random)
//	ETCD           host:port[,host:port...]; unset: HOST and ETCD_PORT
//	ETCD_PORT      port of etcd on HOST if ETCD is unset (4001)
//	ETCD_TTL       seconds for which the announcement outlives the database (20)
//	HOST           address announced; unset: the one from which etcd is reached
//	EXTERNAL_PORT  port announced (PORT)
//
// # etcd keys read
//
//	/deis/database/{name,user,password,adminPass}  followed: the role gets a new password, a new role or database is made
//
// # etcd keys written
//
//	/deis/database/engine     postgresql_psycopg2, created if absent
//	/deis/database/name       created if absent
//	/deis/database/user       created if absent
//	/deis/database/password   random, created if absent
//	/deis/database/adminUser  postgres, created if absent
//	/deis/database/adminPass  random, created if absent
//	/deis/database/host       by lease, while queries are answered
//	/deis/database/port       by lease, while queries are answered
//
// # When a dependency is away
//
// Without etcd it does not start, since it has no passwords; once it runs it
// goes on serving and announces itself again when etcd is back.
package database
