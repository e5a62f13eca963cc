//go:build integration

package scripts

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/deis/deis/tests/platform"
)

// imagesAddress tells a process of this test that it is the registry, and
// where it listens.
const imagesAddress = "DEIS_TEST_IMAGES"

// images is a registry of others, for `deis pull`: it is in a network
// namespace beyond the host, as the platform refuses the host's own networks.
type images struct {
	namespace string
	address   string // host:port
	registry  *exec.Cmd
}

// robot is who may fetch what is private there.
const (
	robot         = "robot"
	robotPassword = "a-secret"
)

// serveImages is the registry's process. What is pushed is kept in memory.
func serveImages(address string) error {
	all := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	guard := func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		asked := r.URL.Path == "/v2/" || strings.HasPrefix(r.URL.Path, "/v2/private/")
		if asked && (name != robot || password != robotPassword) {
			w.Header().Set("WWW-Authenticate", `Basic realm="images"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		all.ServeHTTP(w, r)
	}
	s := &http.Server{Addr: address, Handler: http.HandlerFunc(guard), ReadHeaderTimeout: time.Minute}
	return s.ListenAndServe()
}

// startImages starts a registry that has the test app as team/app:1, and as
// private/app:1 for the robot alone.
func startImages(ctx context.Context, binary string) (_ *images, err error) {
	id, subnet := platform.Random(3), fmt.Sprintf("10.254.%d.%d", rand.IntN(256), 4*rand.IntN(63))
	i := &images{namespace: "deis-" + id}
	near, far := nthOf(subnet, 1), nthOf(subnet, 2)
	i.address = far + ":5000"
	defer func() {
		if err != nil {
			err = errors.Join(err, i.stop())
		}
	}()
	for _, line := range []string{
		"ip netns add " + i.namespace,
		"ip link add di" + id + " type veth peer name dj" + id + " netns " + i.namespace,
		"ip addr add " + near + "/30 dev di" + id,
		"ip link set di" + id + " up",
		"ip -n " + i.namespace + " link set lo up",
		"ip -n " + i.namespace + " link set dj" + id + " up",
		"ip -n " + i.namespace + " addr add " + far + "/30 dev dj" + id,
		"ip -n " + i.namespace + " route add default via " + near,
	} {
		args := strings.Fields(line)
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", line, err, out)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	i.registry = exec.Command("ip", "netns", "exec", i.namespace, self)
	i.registry.Env = append(os.Environ(), imagesAddress+"="+i.address)
	i.registry.Stderr = os.Stderr
	if err := i.registry.Start(); err != nil {
		return nil, err
	}
	app, err := appImage(binary)
	if err != nil {
		return nil, err
	}
	return i, eventually("a registry of others", func() (bool, error) {
		conn, err := net.DialTimeout("tcp", i.address, time.Second)
		if err != nil {
			return false, err
		}
		conn.Close()
		for _, image := range []string{"/team/app:1", "/private/app:1"} {
			ref, err := name.ParseReference(i.address + image)
			if err != nil {
				return true, err
			}
			login := remote.WithAuth(&authn.Basic{Username: robot, Password: robotPassword})
			if err := remote.Write(ref, app, remote.WithContext(ctx), login); err != nil {
				return true, err
			}
		}
		return true, nil
	})
}

func nthOf(subnet string, n byte) string {
	ip := net.ParseIP(subnet).To4()
	ip[3] += n
	return ip.String()
}

// stop ends the registry with its network.
func (i *images) stop() error {
	if i.registry != nil && i.registry.Process != nil {
		_ = i.registry.Process.Kill()
		_ = i.registry.Wait()
	}
	// the interfaces go with it
	if out, err := exec.Command("ip", "netns", "del", i.namespace).CombinedOutput(); err != nil {
		return fmt.Errorf("ip netns del: %w: %s", err, out)
	}
	return nil
}

// appImage is an image of the test app, which is its shell, too: process types
// of a Procfile are run by one.
func appImage(app string) (v1.Image, error) {
	binary, err := os.ReadFile(app)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	for _, file := range []tar.Header{
		{Name: "app", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(binary))},
		{Name: "bin", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "bin/bash", Typeflag: tar.TypeSymlink, Linkname: "/app"},
	} {
		if err := w.WriteHeader(&file); err != nil {
			return nil, err
		}
		if file.Size > 0 {
			if _, err := w.Write(binary); err != nil {
				return nil, err
			}
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		return nil, err
	}
	return mutate.Config(image, v1.Config{
		Cmd: []string{"/app"}, Env: []string{"PATH=/bin", "POWERED_BY=Others"}, ExposedPorts: map[string]struct{}{"5000/tcp": {}},
	})
}
