package receive

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// kernelDrops is how many datagrams the kernel has dropped at the sockets of a
// port: the last column of /proc/net/udp, whose second ends in the port.
func kernelDrops(port int) (n float64) {
	for _, name := range []string{"/proc/self/net/udp", "/proc/self/net/udp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			n += dropsOf(lines.Text(), port)
		}
		f.Close()
	}
	return n
}

func dropsOf(line string, port int) float64 {
	fields := strings.Fields(line)
	if len(fields) < 13 || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
		return 0
	}
	n, err := strconv.ParseFloat(fields[len(fields)-1], 64)
	if err != nil {
		return 0
	}
	return n
}
