// Backend is the cheapest app there can be: it answers 1 KB to whatever comes,
// so that a comparison of two proxies in front of it measures the proxies.
package main

import (
	"bufio"
	"log"
	"net"
	"strings"
)

const size = 1024

func main() {
	ln, err := net.Listen("tcp", ":5000")
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn)
	}
}

// serve answers requests without a body until the connection ends.
func serve(conn net.Conn) {
	defer conn.Close()
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", size))
	in := bufio.NewReader(conn)
	for {
		// The head ends with an empty line.
		for line := []byte("-"); len(line) > 0; {
			var err error
			if line, _, err = in.ReadLine(); err != nil {
				return
			}
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}
