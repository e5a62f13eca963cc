package rest

// statusForm is how a status line begins; 0 stands for any digit.
const statusForm = "HTTP/1.0 000"

// part is where in a server's output a statusLine is.
type part int

const (
	pass    part = iota // behind the status line, or in what is no HTTP
	start               // inside statusForm
	phrase              // inside the reason phrase of a final response
	interim             // inside a 1xx response, up to its empty line
)

// statusLine follows a server's output from the first byte of a response, cut
// into writes anyhow, to the status line of the final response: responses with
// status 1xx come before it. The zero value looks for nothing.
type statusLine struct {
	part part
	at   int // bytes of statusForm that were seen; while interim, of the line
	code int
}

// begin says that the next byte is the first of a response.
func (s *statusLine) begin() { *s = statusLine{part: start} }

// phrase goes on with p and returns where in it the reason phrase, or a part
// of it, is: p[from:to], empty if it is not in p.
func (s *statusLine) phrase(p []byte) (from, to int) {
	for i, b := range p {
		switch s.part {
		case pass:
			return from, to
		case start:
			s.start(b)
			from, to = i+1, i+1
		case phrase:
			if b == '\r' || b == '\n' {
				s.part = pass
				return from, i
			}
			to = i + 1
		case interim:
			switch {
			case b == '\n' && s.at == 0:
				s.begin()
			case b == '\n':
				s.at = 0
			case b != '\r':
				s.at++
			}
		}
	}
	return from, to
}

func (s *statusLine) start(b byte) {
	want, digit := statusForm[s.at], b >= '0' && b <= '9'
	if b != want && (want != '0' || !digit) {
		s.part = pass
		return
	}
	if s.at > len("HTTP/1.0") {
		s.code = 10*s.code + int(b-'0')
	}
	if s.at++; s.at < len(statusForm) {
		return
	}
	switch {
	case s.code == 101: // what follows is another protocol
		s.part = pass
	case s.code/100 == 1:
		s.part = interim
	default:
		s.part = phrase
	}
}

// upper is p in upper case, ASCII only, in place.
func upper(p []byte) {
	for i, b := range p {
		if b >= 'a' && b <= 'z' {
			p[i] = b - 'a' + 'A'
		}
	}
}
