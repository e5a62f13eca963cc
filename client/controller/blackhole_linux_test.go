package controller

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestBlackHole: a controller that drops what is sent to it is not waited for
// without end. A socket with a full backlog drops.
func TestBlackHole(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port))
	for range 8 { // a few fit in
		if conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond); err == nil {
			defer conn.Close()
		}
	}
	was := dialer.Timeout
	dialer.Timeout = 50 * time.Millisecond
	defer func() { dialer.Timeout = was }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = client(t, Options{URL: "http://" + address}).App(ctx, "demo")
	if want := "http://" + address + " cannot be reached: it does not answer"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
