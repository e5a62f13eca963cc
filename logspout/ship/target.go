package ship

import (
	"fmt"
	"net"
	"strconv"

	"github.com/deis/deis/internal/syslog"
)

// Target is where lines go; the zero value is nowhere.
type Target struct {
	Network string // tcp or udp
	Addr    string
	Legacy  bool // the line of Deis v1
}

// ParseTarget reads the values of /deis/logs/{host,port,protocol}. Without host
// or port there is no target, which is no error.
func ParseTarget(host, port, protocol string) (Target, error) {
	if host == "" || port == "" {
		return Target{}, nil
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return Target{}, fmt.Errorf("port %q is not a port", port)
	}
	t := Target{Network: "tcp", Addr: net.JoinHostPort(host, port)}
	switch protocol {
	case "", "syslog+tcp":
	case "tcp":
		t.Legacy = true
	case "udp":
		t.Network, t.Legacy = "udp", true
	default:
		return Target{}, fmt.Errorf("protocol %q is none of syslog+tcp, tcp and udp", protocol)
	}
	return t, nil
}

// maxDatagram is the longest text of a UDP datagram over IPv4.
const maxDatagram = 65507

// append encodes m for the target.
func (t Target) append(b []byte, m syslog.Message) []byte {
	switch {
	case t.Network == "udp":
		line := m.Legacy()
		if len(line) > maxDatagram {
			line = line[:maxDatagram-3] + "..."
		}
		return append(b, line...)
	case t.Legacy:
		return append(append(b, m.Legacy()...), '\n')
	}
	body := m.AppendRFC5424(nil)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, ' ')
	return append(b, body...)
}
