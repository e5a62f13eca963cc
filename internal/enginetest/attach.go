package enginetest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/pkg/stdcopy"
)

// Attached is the surroundings of a program in a container that somebody is
// attached to.
type Attached struct {
	Container
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Control        <-chan string // such as "resize 24x80" and "kill SIGINT"
	Removed        <-chan struct{}
}

// Attend gives containers a program, which runs from the start of one that
// somebody is attached to; its result is the exit code.
func (e *Engine) Attend(program func(Attached) int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.program = program
}

// attachment is one client's connection to a container.
type attachment struct {
	conn    net.Conn
	in      *bufio.ReadWriter
	control chan string
	ended   chan struct{} // closed when the program has ended, or the container is removed
	removed chan struct{}
	gone    sync.Once
	code    int
	looks   int // at its processes
}

func (a *attachment) remove() { a.gone.Do(func() { close(a.removed) }) }

func (e *Engine) attach(w http.ResponseWriter, _ *http.Request, c *Container) {
	conn, in, err := http.NewResponseController(w).Hijack()
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	fmt.Fprint(conn, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	c.attached = &attachment{conn: conn, in: in, control: make(chan string, 16), ended: make(chan struct{}), removed: make(chan struct{})}
}

// begin runs the program in a container that was started; the lock is held.
func (e *Engine) begin(c *Container) {
	a, program := c.attached, e.program
	if a == nil || program == nil {
		return
	}
	of := Attached{Container: *c, Stdin: a.in, Stdout: a.conn, Stderr: a.conn, Control: a.control, Removed: a.removed}
	if c.Config == nil || !c.Config.Tty {
		of.Stdout, of.Stderr = stdcopy.NewStdWriter(a.conn, stdcopy.Stdout), stdcopy.NewStdWriter(a.conn, stdcopy.Stderr)
	}
	go func() {
		a.code = program(of)
		_ = a.conn.Close()
		e.mu.Lock()
		defer e.mu.Unlock()
		close(a.ended)
		if e.find(c.ID) != nil {
			c.State, c.ExitCode = container.StateExited, a.code
			e.tell(c, events.ActionDie)
		}
	}()
}

func (e *Engine) wait(w http.ResponseWriter, r *http.Request, c *Container) {
	e.mu.Lock()
	a := c.attached
	e.mu.Unlock()
	if a == nil {
		fail(w, http.StatusNotImplemented, "nobody is attached")
		return
	}
	_ = http.NewResponseController(w).Flush()
	select {
	case <-r.Context().Done():
	case <-a.ended:
		_ = json.NewEncoder(w).Encode(container.WaitResponse{StatusCode: int64(a.code)})
	}
}

// control takes what is done to a running container besides its input.
func (e *Engine) control(w http.ResponseWriter, c *Container, what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.attached == nil || c.State != container.StateRunning {
		fail(w, http.StatusConflict, "container "+c.ID+" is not running")
		return
	}
	c.attached.control <- what
	w.WriteHeader(http.StatusNoContent)
}

func (e *Engine) resize(w http.ResponseWriter, r *http.Request, c *Container) {
	e.control(w, c, "resize "+r.URL.Query().Get("h")+"x"+r.URL.Query().Get("w"))
}

// top shows an init that has not begun the command at the first looks.
func (e *Engine) top(w http.ResponseWriter, _ *http.Request, c *Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.attached == nil {
		fail(w, http.StatusConflict, "container "+c.ID+" is not running")
		return
	}
	c.attached.looks++
	top := container.TopResponse{Titles: []string{"PID"}, Processes: [][]string{{"1"}}}
	if c.attached.looks > LooksAtInit {
		top.Processes = append(top.Processes, []string{"7"})
	}
	_ = json.NewEncoder(w).Encode(top)
}

// LooksAtInit is how often an attended container shows its init alone.
const LooksAtInit = 2

func (e *Engine) kill(w http.ResponseWriter, r *http.Request, c *Container) {
	e.control(w, c, "kill "+r.URL.Query().Get("signal"))
}
