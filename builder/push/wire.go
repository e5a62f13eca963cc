package push

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
)

// Open asks for a session of git on an app's repository.
type Open struct {
	Key        []byte `json:"key"`     // wire form of the SSH key that signed
	Service    string `json:"service"` // receive-pack or upload-pack
	App        string `json:"app"`     // empty: the client named none
	Connection string `json:"connection"`
	Command    string `json:"command"`
}

// Update is one ref as a push wants it.
type Update struct {
	Old string `json:"old"`
	New string `json:"new"`
	Ref string `json:"ref"`
}

// judgement asks about updates within a session.
type judgement struct {
	Token   string   `json:"token"`
	Updates []Update `json:"updates"`
}

// message is one line of an answer. The last has Done.
type message struct {
	Text   []byte `json:"text,omitempty"`   // for the pusher
	Token  string `json:"token,omitempty"`  // the session is open
	Done   bool   `json:"done,omitempty"`   // there is no more
	Reason string `json:"reason,omitempty"` // with Done: why it was refused
}

// maxRequest bounds what the SSH-facing process may ask for.
const maxRequest = 1 << 20

// answer writes messages as they come. Text written to it reaches the pusher.
type answer struct {
	mu  sync.Mutex
	enc *json.Encoder
	rc  *http.ResponseController
}

func newAnswer(w http.ResponseWriter) *answer {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return &answer{enc: json.NewEncoder(w), rc: http.NewResponseController(w)}
}

func (a *answer) send(m message) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.enc.Encode(m); err != nil {
		return err
	}
	return a.rc.Flush()
}

// Write never fails: a pusher who has gone away must not end what goes on.
func (a *answer) Write(p []byte) (int, error) {
	_ = a.send(message{Text: p})
	return len(p), nil
}

// receive reads messages up to the one that ends the question: a token or
// Done. Text goes to out.
func receive(dec *json.Decoder, out io.Writer) (message, error) {
	for {
		var m message
		if err := dec.Decode(&m); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return message{}, err
		}
		if len(m.Text) > 0 {
			if _, err := out.Write(m.Text); err != nil {
				return message{}, err
			}
		}
		if m.Done || m.Token != "" {
			return m, nil
		}
	}
}
