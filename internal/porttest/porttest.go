// Package porttest finds TCP ports for servers that a test starts and that
// have to be told their port beforehand.
package porttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports are below those that the kernel gives to outgoing connections
// (32768 and up on Linux) and to listeners on port 0, so that neither takes
// one between its choice and its use; platforms choose theirs from 20000 up.
const lowest, count = 10000, 10000

// Free returns n different ports on which nothing listens at 127.0.0.1.
func Free(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range 100 * n {
		port := lowest + rand.IntN(count)
		// held until all are found, so that none is found twice
		ln, err := net.Listen("tcp", Addr(port))
		if err != nil {
			continue
		}
		defer ln.Close()
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("no %d ports are free at 127.0.0.1 from %d to %d", n, lowest, lowest+count-1)
}

// Addr is a port's address, host:port.
func Addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
