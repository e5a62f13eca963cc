package api

// RunProtocol is the WebSocket subprotocol of an attended run. The client's
// first message is a RunStart. From then on binary messages begin with a
// channel's byte, and texts are a RunControl from the client, a RunEnd from the
// controller.
const RunProtocol = "run.deis.v1"

// Channels of an attended run.
const (
	RunStdin  byte = 0
	RunStdout byte = 1
	RunStderr byte = 2
)

// RunStart says what to run.
type RunStart struct {
	Command string `json:"command"`
	TTY     bool   `json:"tty"`
	RunSize        // of the terminal
}

// RunSize is a terminal's.
type RunSize struct {
	Rows uint16 `json:"rows"`
	Cols uint16 `json:"cols"`
}

// RunControl is one of the three.
type RunControl struct {
	Resize *RunSize `json:"resize,omitempty"`
	Signal string   `json:"signal,omitempty"` // HUP INT QUIT TERM KILL USR1 or USR2
	EOF    bool     `json:"eof,omitempty"`    // the input has ended
}

// RunEnd is the controller's last message: one of the two.
type RunEnd struct {
	Exit  *int   `json:"exit,omitempty"`
	Error string `json:"error,omitempty"` // a sentence
}
