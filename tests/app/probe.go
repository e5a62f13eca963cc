package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// deadline is what one target has to answer in.
	deadline = 2 * time.Second
	// datagrams go to each UDP target, so that whoever counts them can tell
	// them from what arrives anyway.
	datagrams = 50
	// atOnce bounds the targets tried at the same time.
	atOnce = 256
)

// probe tries every target and prints a line for each: "open tcp/10.0.0.1:80".
// A target is network/address; @file stands for the lines of a file and - for
// those of stdin.
//
//	open      it answered
//	refused   something said no: the packet got to where the target would be
//	closed    nothing came back
//	sent      datagrams went out and no reply came
func probe(args []string) {
	var targets []string
	for _, arg := range args {
		lines, err := expand(arg)
		if err != nil {
			log.Fatal(err)
		}
		targets = append(targets, lines...)
	}
	results := make([]string, len(targets))
	slots := make(chan struct{}, atOnce)
	var tries sync.WaitGroup
	for i, target := range targets {
		slots <- struct{}{}
		tries.Go(func() {
			results[i] = try(target)
			<-slots
		})
	}
	tries.Wait()
	for i, target := range targets {
		fmt.Println(results[i], target)
	}
}

func expand(arg string) ([]string, error) {
	in := os.Stdin
	if name, ok := strings.CutPrefix(arg, "@"); ok {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	} else if arg != "-" {
		return []string{arg}, nil
	}
	b, err := io.ReadAll(in)
	return strings.Fields(string(b)), err
}

func try(target string) string {
	network, address, _ := strings.Cut(target, "/")
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return failed(err)
	}
	defer conn.Close()
	if network != "udp" {
		return "open"
	}
	for range datagrams {
		if _, err := conn.Write([]byte("probe")); err != nil {
			return failed(err)
		}
		time.Sleep(2 * time.Millisecond) // a full queue would drop what arrived
	}
	_ = conn.SetReadDeadline(time.Now().Add(deadline))
	if _, err := bufio.NewReader(conn).ReadByte(); err == nil {
		return "open"
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		return "refused"
	}
	return "sent"
}

func failed(err error) string {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "refused"
	}
	return "closed"
}

// listen plays what the probes look for: it takes TCP connections and sends
// datagrams back, until it is killed.
func listen(targets []string) {
	for _, target := range targets {
		network, address, _ := strings.Cut(target, "/")
		if network == "udp" {
			conn, err := net.ListenPacket(network, address)
			if err != nil {
				log.Fatal(err)
			}
			go reply(conn)
			continue
		}
		l, err := net.Listen(network, address)
		if err != nil {
			log.Fatal(err)
		}
		go accept(l)
	}
	fmt.Println("listening")
	select {}
}

func accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		_ = conn.Close()
	}
}

func reply(conn net.PacketConn) {
	b := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			log.Fatal(err)
		}
		_, _ = conn.WriteTo(b[:n], from)
	}
}
