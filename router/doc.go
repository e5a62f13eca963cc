// Package router is the platform's way in: nginx in front of every app, of the
// controller and of the builder, configured from etcd. Endpoints, apps and
// custom domains change without a reload; settings and certificates by a
// checked one. All routers are alike and know nothing of each other.
//
// Ports: HTTP_PORT HTTPS_PORT (only with a certificate) SSH_PORT (only while a
// builder is announced) and HEALTH_PORT, which answers /health-check and
// never speaks the PROXY protocol.
//
// Environment:
//
//	ETCD ETCD_PORT   where etcd is: host:port[,...], or HOST and this port (4001)
//	ETCD_TTL         seconds that our keys outlive us (20)
//	HOST             address this router is announced under (the one that reaches etcd)
//	EXTERNAL_PORT    port it is announced under (80)
//	LISTEN           addresses to listen on, separated by commas (127.0.0.1)
//	HTTP_PORT HTTPS_PORT SSH_PORT HEALTH_PORT   80 443 2222 9090
//	ROUTER_DIR       folder for configuration and sockets (/run/deis-router)
//	NGINX NGINX_MODULES   nginx (/usr/sbin/nginx) and its modules (/usr/lib/nginx/modules)
//	STOP_TIMEOUT     seconds that requests may take to end at SIGTERM (8)
//	FILTER_STATE     file of the packet filter without which the router is not ready (unset: no check)
//
// Capabilities: NET_BIND_SERVICE, SETUID SETGID CHOWN KILL for workers that
// are not root. The root file system may be read-only; ROUTER_DIR is written.
//
// Etcd keys read: /deis/services/ /deis/domains/ /deis/certs/ /deis/config/
// /deis/publisher/{hosts,withdraw}/ /deis/store/gateway/
// /deis/{controller,builder}/{host,port} /deis/controller/subdomain
// /deis/platform/domain and the settings under /deis/router/.
//
// Etcd keys written, on one lease: /deis/router/hosts/<HOST>, and
// /deis/router/applied/<HOST>, the revision that nginx serves.
//
// When etcd is away traffic goes on as it was, and endpoints whose publisher
// is away stay until they refuse a connection. When nginx dies it is started
// again with the routes it had. When a value is wrong only its app or setting
// is concerned; metrics and log say which.
package router
