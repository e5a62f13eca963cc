package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/httpapi"
)

const (
	maxMessage  = 64<<10 + 1 // bytes of a message from the client: its channel and 64 KiB
	maxInput    = 1 << 20    // bytes of input that wait for the command
	outputBlock = 32 << 10   // bytes of output in a message
	lastWords   = 5 * time.Second
)

// attach runs a command that the client attends, over a WebSocket. What can be
// refused without the command is refused before the protocol changes.
func (h containers) attach(w http.ResponseWriter, r *request) error {
	app := r.path("app")
	if _, err := h.c.App(r.Context(), r.by, app); err != nil {
		return err
	}
	if !websocket.IsWebSocketUpgrade(r.Request) {
		w.Header().Set("Upgrade", "websocket")
		return httpapi.Errorf(http.StatusUpgradeRequired, "This takes a WebSocket.")
	}
	if offered := websocket.Subprotocols(r.Request); len(offered) > 0 && !slices.Contains(offered, api.RunProtocol) {
		return deis.Errorf(deis.Invalid, "The WebSocket's protocol must be %s.", api.RunProtocol)
	}
	leave, ok := r.streams.sessions.enter(r.by.Username)
	if !ok {
		return deis.Errorf(deis.Unavailable, "Too many commands are attended at the moment.")
	}
	defer leave()
	var refused error
	up := websocket.Upgrader{
		HandshakeTimeout: lastWords,
		Subprotocols:     []string{api.RunProtocol},
		CheckOrigin:      func(*http.Request) bool { return true }, // a page has no token unless its user gave it one
		Error: func(_ http.ResponseWriter, _ *http.Request, status int, reason error) {
			refused = &httpapi.Error{Status: status, Detail: "This is not a WebSocket's handshake.", Cause: reason}
		},
	}
	conn, err := up.Upgrade(w, r.Request, maps.Clone(everyAnswer))
	if err != nil {
		return refused // nil if the client has gone
	}
	defer conn.Close()
	ctx, end := r.streams.attend(r, h.c, app)
	defer end(nil)
	s := &session{conn: conn, streams: r.streams, in: newInput(maxInput), control: make(chan deis.Control), ctx: ctx, end: end}
	code, err := s.serve(func(first api.RunStart, io deis.Session) (int, error) {
		return h.c.Attach(ctx, r.by, app, first.Command, io)
	})
	s.bye(r, code, err)
	return nil
}

// session is a client at its WebSocket. Its context ends it, with the cause.
type session struct {
	conn    *websocket.Conn
	streams *streams
	in      *input
	control chan deis.Control
	ctx     context.Context
	end     context.CancelCauseFunc

	output  sync.Mutex   // one message at a time
	block   []byte       // of output
	writes  atomic.Int32 // that wait for the client
	waiting atomic.Int32 // the same, and messages that wait for the command
	heard   atomic.Int64 // when the client was last heard of
	active  atomic.Int64 // when there was last input, output or control
}

// Ends of sessions, beside the command's own.
var (
	errGone = errors.New("the client has gone")
	errIdle = errors.New("there was neither input nor output for too long")
)

// wrongMessage is the client's fault, in a sentence.
type wrongMessage string

func (e wrongMessage) Error() string { return string(e) }

func note(at *atomic.Int64)                       { at.Store(time.Now().UnixNano()) }
func since(at *atomic.Int64) (past time.Duration) { return time.Since(time.Unix(0, at.Load())) }

// serve connects the command that the client's first message names. When it
// returns nobody reads or writes any more.
func (s *session) serve(run func(api.RunStart, deis.Session) (int, error)) (code int, err error) {
	note(&s.heard)
	note(&s.active)
	s.conn.SetReadLimit(maxMessage)
	s.conn.SetPongHandler(func(string) error { note(&s.heard); return nil })
	freed := make(chan struct{})
	context.AfterFunc(s.ctx, func() {
		defer close(freed)
		s.free()
	})
	defer func() { <-freed }()
	defer s.end(nil)

	_ = s.conn.SetReadDeadline(time.Now().Add(s.streams.hello))
	first, err := s.hello()
	if err != nil {
		return 0, s.cause(err)
	}
	_ = s.conn.SetReadDeadline(time.Time{}) // watch sees to it
	if s.ctx.Err() != nil {                 // that undid what free did
		return 0, s.cause(nil)
	}
	var helpers sync.WaitGroup
	helpers.Go(func() { s.end(s.read()) })
	helpers.Go(s.watch)
	code, err = run(first, deis.Session{
		Stdin: s.in, Stdout: output{s, api.RunStdout}, Stderr: output{s, api.RunStderr},
		TTY: first.TTY, Size: deis.Size(first.RunSize), Control: s.control,
	})
	if err != nil {
		err = s.cause(err)
	}
	s.end(nil)
	helpers.Wait()
	return code, err
}

// cause is why the session ended, err if it did not.
func (s *session) cause(err error) error {
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	return err
}

// free ends what waits for the client or for the command.
func (s *session) free() {
	s.in.Close()
	past := time.Unix(1, 0)
	_ = s.conn.NetConn().SetReadDeadline(past)
	for s.writes.Load() > 0 { // each write sets a deadline of its own, perhaps only now
		_ = s.conn.NetConn().SetWriteDeadline(past)
		time.Sleep(5 * time.Millisecond)
	}
}

// hello reads the first message.
func (s *session) hello() (first api.RunStart, err error) {
	kind, message, err := s.conn.ReadMessage()
	switch {
	case err != nil:
		return first, errGone
	case kind != websocket.TextMessage || json.Unmarshal(message, &first) != nil:
		return first, wrongMessage("The first message must be a text that says what to run, as JSON.")
	case first.Command == "":
		return first, wrongMessage("The first message has no command.")
	}
	return first, nil
}

// read takes the client's messages until there are no more.
func (s *session) read() error {
	for {
		kind, message, err := s.conn.ReadMessage()
		switch {
		case errors.Is(err, websocket.ErrReadLimit):
			return wrongMessage("A message is longer than 64 KiB.") // told by the close frame
		case err != nil:
			return errGone
		}
		note(&s.heard)
		note(&s.active)
		s.waiting.Add(1)
		if kind == websocket.BinaryMessage {
			err = s.input(message)
		} else {
			err = s.controlled(message)
		}
		s.waiting.Add(-1)
		note(&s.heard) // it could not be heard while it had to wait
		if err != nil {
			return err
		}
	}
}

func (s *session) input(message []byte) error {
	if len(message) == 0 || message[0] != api.RunStdin {
		return wrongMessage("A binary message must begin with the channel 0, the input.")
	}
	s.in.put(message[1:])
	return nil
}

func (s *session) controlled(message []byte) error {
	var c api.RunControl
	if err := json.Unmarshal(message, &c); err != nil {
		return wrongMessage("A text must be a control message, as JSON.")
	}
	var do deis.Control
	switch {
	case c.EOF:
		s.in.finish()
		return nil
	case c.Resize != nil:
		do.Resize = deis.Size(*c.Resize)
	case slices.Contains(deis.Signals, c.Signal):
		do.Signal = c.Signal
	default:
		return wrongMessage("A text must be resize, signal or eof.")
	}
	select {
	case s.control <- do:
	case <-s.ctx.Done():
	}
	return nil
}

// watch ends the session when the client does not answer pings, or nothing
// happens. While something waits for the client or for the command, pings and
// their answers wait as well.
func (s *session) watch() {
	tick := time.NewTicker(s.streams.ping)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		if since(&s.active) > s.streams.idle {
			s.end(errIdle)
			return
		}
		if s.waiting.Load() > 0 {
			note(&s.heard)
			continue
		}
		if since(&s.heard) > s.streams.silence {
			s.end(errGone)
			return
		}
		_ = s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(lastWords)) // read sees what this means
	}
}

// output is a channel from the command to the client.
type output struct {
	s       *session
	channel byte
}

func (o output) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m := min(outputBlock, len(p)-n)
		if err := o.s.send(o.channel, p[n:n+m]); err != nil {
			o.s.end(errGone)
			return n, err
		}
		n += m
	}
	return n, nil
}

// send waits until the client takes it, or the session ends.
func (s *session) send(channel byte, p []byte) error {
	s.output.Lock()
	defer s.output.Unlock()
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	s.writes.Add(1)
	defer s.writes.Add(-1)
	if err := s.ctx.Err(); err != nil {
		return err
	}
	s.block = append(append(s.block[:0], channel), p...)
	_ = s.conn.SetWriteDeadline(time.Time{})
	err := s.conn.WriteMessage(websocket.BinaryMessage, s.block)
	note(&s.active)
	return err
}

// bye tells the client how it ended. It waits for the client's own goodbye,
// so that what is under way from it does not make the last words be lost.
func (s *session) bye(r *request, code int, err error) {
	if errors.Is(err, errGone) {
		return
	}
	last, closing := api.RunEnd{Exit: &code}, websocket.CloseNormalClosure
	if err != nil {
		last, closing = api.RunEnd{Error: s.sentence(r, err)}, websocket.CloseInternalServerErr
		if _, wrong := err.(wrongMessage); wrong {
			closing = websocket.CloseProtocolError
		}
	}
	text, err := httpapi.Marshal(last)
	if err != nil {
		return // a struct of a number and a text can be marshalled
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(lastWords))
	_ = s.conn.WriteMessage(websocket.TextMessage, text)
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(closing, ""), time.Now().Add(lastWords))
	_ = s.conn.NetConn().SetReadDeadline(time.Now().Add(lastWords))
	_, _ = io.Copy(io.Discard, s.conn.NetConn())
}

// sentence is an error as its user may read it. What an operator must know is
// logged.
func (s *session) sentence(r *request, err error) string {
	var e *deis.Error
	var wrong wrongMessage
	switch {
	case errors.As(err, &wrong):
		return string(wrong)
	case errors.Is(err, errIdle):
		return "The command was ended, since there was neither input nor output for " + spoken(s.streams.idle) + "."
	case errors.Is(err, errStopping):
		return "The command was ended, since the controller stops."
	case !errors.As(err, &e) || e.Kind == deis.Internal:
		r.log.Error("command not attended", "app", r.path("app"), "err", err)
		return "Something went wrong on the server."
	case e.Kind == deis.Unavailable:
		r.log.Error("command not attended", "app", r.path("app"), "err", err)
	}
	for _, field := range slices.Sorted(maps.Keys(e.Fields)) {
		return field + ": " + e.Fields[field][0]
	}
	return e.Detail
}

func spoken(d time.Duration) string {
	if d == time.Hour {
		return "an hour"
	}
	return fmt.Sprint(d)
}

// input is what the client typed and the command has not read yet, up to a
// limit.
type input struct {
	limit int

	mu       sync.Mutex
	changed  sync.Cond
	text     bytes.Buffer
	finished bool // no more will come
	closed   bool // nobody reads it any more
}

func newInput(limit int) *input {
	in := &input{limit: limit}
	in.changed.L = &in.mu
	return in
}

// put waits for room.
func (in *input) put(p []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.text.Len() >= in.limit && !in.closed {
		in.changed.Wait()
	}
	if !in.closed && !in.finished {
		in.text.Write(p)
		in.changed.Broadcast()
	}
}

func (in *input) finish() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.finished = true
	in.changed.Broadcast()
}

// Read is part of io.Reader.
func (in *input) Read(p []byte) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.text.Len() == 0 && !in.finished && !in.closed {
		in.changed.Wait()
	}
	if in.closed {
		return 0, io.ErrClosedPipe
	}
	n, err := in.text.Read(p)
	in.changed.Broadcast()
	return n, err
}

// Close is part of io.Closer.
func (in *input) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	in.changed.Broadcast()
	return nil
}
