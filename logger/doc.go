// Package logger is the platform's logs: lines come in by syslog, are kept per
// app, and are read over HTTP.
//
// # What it does
//
// It takes RFC 5424 with octet counting, RFC 5424 one a line, and the line of
// Deis v1 (`<time> <app>[<process>]: <text>`), over TCP and UDP. The app is
// what the message's header says, never anything from its text. What cannot be
// read is counted, and kept up to a bound under the name _unparsed. Lines are
// stored and returned in Deis v1's form.
//
// Over HTTP (port 8088):
//
//	GET    /<app>[?log_lines=N]  the last N lines (100); 204 if there are none
//	DELETE /<app>                forget the app's lines; 200, also if there are none
//
//	GET    /<app>?follow=1[&log_lines=N][&position=P]
//
// sends the last N lines (100, may be 0), or those from a position on, and then
// each line when it is stored. The header Deis-Log-Position is the position of
// the first byte, <log>-<offset>; adding the bytes of whole lines gives where to
// go on after a cut, also after a restart of the logger. Every 20 s without
// lines an empty line is sent, which is none of the log's and does not count.
// If a position's lines are gone, the header Deis-Log-Gap says how many bytes,
// or unknown if the app's log is another one by now; then it begins with the
// oldest, or the last N, lines. The answer ends when it cannot go on without a
// gap, and when the logger stops. At most 1,000 follow (503).
//
// When an app is destroyed, its lines that are still under way are dropped: a
// line counts as the old app's if its time is before that of the DELETE.
//
// # Ports
//
//	514/udp, 514/tcp  syslog (LISTEN)
//	8088/tcp          reading and destroying (WEB_LISTEN)
//	9000/tcp          /healthz /readyz /metrics (HEALTH_LISTEN)
//
// # Environment
//
//	LISTEN           address for syslog, UDP and TCP (:514)
//	WEB_LISTEN       address for HTTP (:8088)
//	LOG_ROOT         folder of the files, on a volume (/data/logs)
//	LOG_APP_BYTES    an app's share of the files; the oldest lines go (64M)
//	LOG_TOTAL_BYTES  bound on all files together; the oldest lines go (2G)
//	LOG_MAX_APPS     bound on distinct names; lines of further ones are dropped (5000)
//	ETCD             host:port[,host:port...]; unset: HOST and ETCD_PORT
//	ETCD_PORT        port of etcd on HOST if ETCD is unset (4001)
//	ETCD_TTL         seconds for which the announcement outlives the logger (20)
//	HOST             address announced; unset: the one from which etcd is reached
//	EXTERNAL_PORT    syslog port announced (the one of LISTEN)
//
// # etcd keys read
//
//	/deis/logs/storageAdapterType  file (default), memory, memory:<lines> or memory:<lines>:<bytes>; followed
//
// # etcd keys written
//
//	/deis/logs/host  by lease, while listening
//	/deis/logs/port  by lease, while listening
//
// # When a dependency is away
//
// Without etcd it does not start; once it runs it goes on, and announces
// itself again when etcd is back. With a full disk it drops its own oldest
// segments, then lines, counts them, and goes on.
package logger
