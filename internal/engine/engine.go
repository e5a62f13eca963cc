// Package engine is how components use the Docker Engine: one client, the
// restrictions of containers that run users' code, and streams whose errors
// hide in a 200 answer.
package engine

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/jsonmessage"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/deis/deis/internal/retry"
)

// dialTimeout bounds Dial's wait for the Engine.
const dialTimeout = time.Minute

// Client is the Engine's API. Parts declare the few calls they make of it.
type Client struct {
	*client.Client
	// RegistryAuth gives the X-Registry-Auth header for an image reference:
	// what ImagePush and ImagePull need. New sets one for registries without
	// authentication.
	RegistryAuth func(ref string) string
}

// New makes a client for host, such as unix:///var/run/docker.sock; the
// version of the API is negotiated at the first call.
func New(host string) (*Client, error) {
	c, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("engine at %s: %w", host, err)
	}
	return &Client{Client: c, RegistryAuth: anonymous}, nil
}

// Dial is New, and waits up to a minute until the Engine answers.
func Dial(ctx context.Context, host string) (*Client, error) {
	c, err := New(host)
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var last error
	err = retry.Until(wait, 250*time.Millisecond, func(ctx context.Context) (bool, error) {
		_, last = c.Client.Ping(ctx)
		return last == nil, nil
	})
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("engine at %s does not answer: %w", host, errors.Join(err, last))
	}
	return c, nil
}

// Healthy is nil if the Engine answers.
func (c *Client) Healthy(ctx context.Context) error {
	_, err := c.Client.Ping(ctx)
	return err
}

// InspectImage is ImageInspect for parts that do not know the client's options.
func (c *Client) InspectImage(ctx context.Context, ref string) (image.InspectResponse, error) {
	return c.Client.ImageInspect(ctx, ref)
}

// anonymous is an empty set of credentials: the Engine refuses a push whose
// header is missing.
func anonymous(string) string {
	b, err := json.Marshal(registry.AuthConfig{})
	if err != nil {
		panic(err) // a struct of strings always marshals
	}
	return base64.URLEncoding.EncodeToString(b)
}

// IsNotFound says that the Engine knows no such container, image or network.
func IsNotFound(err error) bool { return errdefs.IsNotFound(err) }

// IsConflict says that a name is taken, or that a thing is in use or already
// being removed.
func IsConflict(err error) bool { return errdefs.IsConflict(err) }

// Stream copies the progress of a build, pull or push to w as plain text and
// returns the error that the stream carries, which the Engine reports with
// status 200. aux, if not nil, gets the values that come beside the text, such
// as a pushed manifest's digest.
func Stream(r io.Reader, w io.Writer, aux func(json.RawMessage)) error {
	dec := json.NewDecoder(r)
	for {
		var m jsonmessage.JSONMessage
		err := dec.Decode(&m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the Engine's progress: %w", err)
		}
		if m.Error != nil {
			return m.Error
		}
		if m.Aux != nil && aux != nil {
			aux(*m.Aux)
		}
		// Progress bars are for terminals; a line for each step is enough.
		if m.Stream == "" && (m.Status == "" || m.Progress != nil) {
			continue
		}
		text := m.Stream
		if m.Status != "" {
			text = m.Status + "\n"
			if m.ID != "" {
				text = m.ID + ": " + text
			}
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
}

// Demultiplex splits the output of a container without a terminal.
func Demultiplex(stdout, stderr io.Writer, r io.Reader) error {
	_, err := stdcopy.StdCopy(stdout, stderr, r)
	return err
}

// Restrictions bound what a container with users' code may do and use.
type Restrictions struct {
	Memory int64 // bytes; swap is not added to it. 0 means DefaultMemory
	CPU    int64 // shares; 0 means the Engine's default
	Pids   int64 // processes and threads; 0 means DefaultPids
}

// Defaults of Restrictions.
const (
	DefaultMemory = 1 << 30
	DefaultPids   = 1024
)

// capabilities are what app, run and build containers keep. NET_RAW is not
// among them: with it one app took another's address by ARP.
var capabilities = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE"}

// Restrict applies r and the platform's rules for users' code to h:
// capabilities, no new privileges, limits, bounded logs.
func (r Restrictions) Restrict(h *container.HostConfig) {
	memory, pids := r.Memory, r.Pids
	if memory == 0 {
		memory = DefaultMemory
	}
	if pids == 0 {
		pids = DefaultPids
	}
	h.CapDrop = []string{"ALL"}
	h.CapAdd = capabilities
	h.SecurityOpt = []string{"no-new-privileges"}
	h.Resources.Memory = memory
	h.Resources.MemorySwap = memory // equal: no swap
	h.Resources.CPUShares = r.CPU
	h.Resources.PidsLimit = &pids
	h.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "16m", "max-file": "3"}}
}
