package nginx

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"regexp"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	relayChunk = 128 << 10
	relayQueue = 128     // chunks that wait for a slow reader
	pipeSize   = 1 << 20 // what the kernel allows everyone
)

// relay passes whole lines on and drops them, counted, when its reader is too
// slow: a router that waits for its log serves no one.
type relay struct {
	queue   chan []byte
	dropped prometheus.Counter
}

func newRelay(dropped prometheus.Counter) *relay {
	return &relay{queue: make(chan []byte, relayQueue), dropped: dropped}
}

// write passes lines to w until ctx ends.
func (r *relay) write(ctx context.Context, w io.Writer) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case lines := <-r.queue:
			if _, err := w.Write(lines); err != nil {
				r.dropped.Add(float64(bytes.Count(lines, []byte("\n"))))
			}
		}
	}
}

// flush writes what has arrived.
func (r *relay) flush(w io.Writer) {
	for {
		select {
		case lines := <-r.queue:
			if _, err := w.Write(lines); err != nil {
				return
			}
		default:
			return
		}
	}
}

// widen makes a pipe large enough for a burst from all workers. Workers write
// 32 KiB at a time, which stay in one piece while the pipe has room.
func widen(pipe *os.File) error {
	const setPipeSize = 1031 // F_SETPIPE_SZ
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, pipe.Fd(), setPipeSize, pipeSize); errno != 0 {
		return errno
	}
	return nil
}

// read takes lines from in until it ends.
func (r *relay) read(in io.ReadCloser) {
	defer in.Close()
	buf := make([]byte, 0, 2*relayChunk)
	for {
		n, err := in.Read(buf[len(buf) : len(buf)+relayChunk])
		buf = buf[:len(buf)+n]
		end := bytes.LastIndexByte(buf, '\n') + 1
		if end == 0 && len(buf) > relayChunk {
			end = len(buf) // a line that long is cut
		}
		if end > 0 {
			r.offer(bytes.Clone(buf[:end]))
			buf = buf[:copy(buf[:cap(buf)], buf[end:])]
		}
		if err != nil {
			return
		}
	}
}

func (r *relay) offer(lines []byte) {
	select {
	case r.queue <- lines:
	default:
		r.dropped.Add(float64(bytes.Count(lines, []byte("\n"))))
	}
}

var errorLine = regexp.MustCompile(`^(?:\S+ \S+|nginx:) \[([a-z]+)\] (?:\d+#\d+: )?(.*)$`)

// logErrors turns nginx's error log into ours.
func logErrors(log *slog.Logger, in io.ReadCloser) {
	defer in.Close()
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 4096), 1<<20)
	for lines.Scan() {
		level, text := slog.LevelInfo, lines.Text()
		if m := errorLine.FindStringSubmatch(text); m != nil {
			text = m[2]
			switch m[1] {
			case "warn", "error":
				level = slog.LevelWarn // of one request, as a rule: no one must act
			case "crit", "alert", "emerg":
				level = slog.LevelError
			case "debug":
				level = slog.LevelDebug
			}
		}
		log.Log(context.Background(), level, "nginx says", "text", text)
	}
}
