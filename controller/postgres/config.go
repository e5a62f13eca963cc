package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
)

// Config says where the database is and who the controller is there.
type Config struct {
	Host     string
	Port     int
	User     string
	Password string
	Name     string
}

// String is Config without the password.
func (c Config) String() string {
	return fmt.Sprintf("%s@%s/%s", c.User, net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), c.Name)
}

// GoString keeps the password out of %#v.
func (c Config) GoString() string { return c.String() }

// place is what a connection cannot survive a change of, unlike the password.
func (c Config) place() Config {
	c.Password = ""
	return c
}

// Parse reads a connection string, as a URL or as words.
func Parse(dsn string) (Config, error) {
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		return Config{}, err
	}
	return Config{Host: cc.Host, Port: int(cc.Port), User: cc.User, Password: cc.Password, Name: cc.Database}, nil
}

// Source says where the database is now. It is asked for each new connection,
// so that a database that has moved is found without a restart.
type Source func(ctx context.Context) (Config, error)

// knownTimeout bounds how long etcd is asked for a place that is known.
const knownTimeout = 500 * time.Millisecond

// FromEtcd reads the keys under /deis/database/. While etcd is away, or the
// database is not announced, the answer is the last one that was complete.
func FromEtcd(kv *etcd.KV) Source {
	var mu sync.Mutex
	var last *Config
	return func(ctx context.Context) (Config, error) {
		mu.Lock()
		known := last != nil
		mu.Unlock()
		if known { // a connection must not wait for an etcd that is away
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, knownTimeout)
			defer cancel()
		}
		state, err := kv.List(ctx, keys.Database)
		var c Config
		if err == nil {
			c, err = fromKeys(state.Keys)
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			last = &c
		case last != nil:
			return *last, nil
		}
		return c, err
	}
}

// fromKeys makes a Config of the keys of Deis v1.
func fromKeys(state map[string]etcd.Entry) (Config, error) {
	var missing []string
	value := func(name string) string {
		v := state[keys.Database+name].Value
		if v == "" {
			missing = append(missing, keys.Database+name)
		}
		return v
	}
	c := Config{Host: value("host"), User: value("user"), Password: value("password"), Name: value("name")}
	port := value("port")
	if len(missing) > 0 {
		return Config{}, fmt.Errorf("etcd does not have %s", strings.Join(missing, ", "))
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Config{}, fmt.Errorf("%sport: %q is not a port", keys.Database, port)
	}
	c.Port = int(n)
	return c, nil
}

const (
	connectTimeout = 5 * time.Second
	// A peer that is gone without a word is given up after this long, by us and,
	// since we tell it so, by the server: an app's lock is not held by the dead.
	deadAfter = 20 * time.Second
	// tcpUserTimeout is TCP_USER_TIMEOUT of Linux, which syscall does not name.
	tcpUserTimeout = 0x12
)

var dialer = net.Dialer{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 2},
	Control: func(network, _ string, c syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return nil
		}
		var sockErr error
		err := c.Control(func(fd uintptr) {
			sockErr = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(deadAfter/time.Millisecond))
		})
		return errors.Join(err, sockErr)
	},
}

// session is what the controller's connections ask of the server.
var session = map[string]string{
	"application_name":                    "deis-controller",
	"timezone":                            "UTC",
	"tcp_keepalives_idle":                 "10",
	"tcp_keepalives_interval":             "5",
	"tcp_keepalives_count":                "2",
	"tcp_user_timeout":                    strconv.Itoa(int(deadAfter / time.Millisecond)),
	"client_connection_check_interval":    "5s",
	"idle_session_timeout":                "0", // a held lock is idle
	"idle_in_transaction_session_timeout": "60s",
}

// settings makes what pgx connects with. TLS is used if the server offers it.
func (c Config) settings() (*pgx.ConnConfig, error) {
	words := fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=prefer",
		quote(c.Host), c.Port, quote(c.User), quote(c.Password), quote(c.Name))
	cc, err := pgx.ParseConfig(words)
	if err != nil {
		// The error may repeat the words, and with them the password.
		return nil, fmt.Errorf("database %v: no valid settings", c)
	}
	cc.ConnectTimeout = connectTimeout
	cc.DialFunc = dialer.DialContext
	for name, value := range session {
		cc.RuntimeParams[name] = value
	}
	return cc, nil
}

// quote writes a value of a connection string.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// connect makes one connection outside any pool.
func connect(ctx context.Context, source Source) (*pgx.Conn, error) {
	c, err := source(ctx)
	if err != nil {
		return nil, err
	}
	cc, err := c.settings()
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, cc)
}

// beforeConnect puts the database's present place into a pool's settings.
func beforeConnect(source Source) func(context.Context, *pgx.ConnConfig) error {
	return func(ctx context.Context, cc *pgx.ConnConfig) error {
		c, err := source(ctx)
		if err != nil {
			return &unplaced{err}
		}
		fresh, err := c.settings()
		if err != nil {
			return err
		}
		cc.Config = fresh.Config
		return nil
	}
}

// unplaced says that nobody knows where the database is.
type unplaced struct{ err error }

func (u *unplaced) Error() string { return "the database's place is unknown: " + u.err.Error() }
func (u *unplaced) Unwrap() error { return u.err }

// away says whether err means that the database cannot be reached or does not
// serve now, rather than that it refused what it was asked.
func away(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return awayCode(pg.Code)
	}
	var connecting *pgconn.ConnectError
	var netErr net.Error
	var nowhere *unplaced
	return errors.As(err, &connecting) || errors.As(err, &netErr) || errors.As(err, &nowhere) ||
		errors.Is(err, errClosed) || isEnd(err) || pgconn.SafeToRetry(err)
}
