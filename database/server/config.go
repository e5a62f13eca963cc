package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// settings is postgresql.conf: for a small host, and a platform whose
// controller holds session locks that must end with it.
func settings(port int, socketDir string) string {
	return fmt.Sprintf(`# Written at each start: changes are lost. ALTER SYSTEM keeps them.
listen_addresses = '*'
port = %d
unix_socket_directories = '%s'
unix_socket_permissions = 0700
max_connections = 250
superuser_reserved_connections = 5
password_encryption = 'scram-sha-256'

shared_buffers = 64MB
work_mem = 4MB
maintenance_work_mem = 32MB
effective_cache_size = 256MB
max_parallel_workers_per_gather = 0	# /dev/shm is small in a container
jit = off

wal_level = replica
fsync = on
synchronous_commit = on
full_page_writes = on
min_wal_size = 64MB
max_wal_size = 512MB
checkpoint_completion_target = 0.9

# A client whose host has gone must not hold its locks for hours.
tcp_keepalives_idle = 15
tcp_keepalives_interval = 5
tcp_keepalives_count = 3
tcp_user_timeout = 30s
client_connection_check_interval = 10s
idle_in_transaction_session_timeout = 5min
authentication_timeout = 15s

timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'iso, mdy'
lc_messages = 'C'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = ''
log_statement = 'none'
log_min_messages = warning
log_checkpoints = off
`, port, quoteConf(socketDir))
}

// quoteConf doubles quotes, as postgresql.conf wants them.
func quoteConf(s string) string { return strings.ReplaceAll(s, `'`, `''`) }

// hba is pg_hba.conf: the socket is in a folder that only this user enters,
// everything else needs a password.
func hba(allow []string) string {
	var b strings.Builder
	b.WriteString("# Written at each start: changes are lost.\n")
	b.WriteString("local all postgres trust\n")
	for _, network := range allow {
		fmt.Fprintf(&b, "host all all %s scram-sha-256\n", network)
	}
	return b.String()
}

// replaceFile writes a file wholly or not at all.
func replaceFile(path, content string) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Clean(path))
}
