package file

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/deis/deis/logger/storage"
)

const blockSize = 64 << 10 // read at a time, from the end

// Tail writes an app's newest n lines. It reads no more of the files than that
// takes, and holds no lock while it writes: segments only grow, and one that
// is removed meanwhile can still be read.
func (f *Files) Tail(name string, n int, w io.Writer) error {
	parts, err := f.snapshot(name)
	if err != nil {
		return err
	}
	defer func() {
		for _, p := range parts {
			p.file.Close()
		}
	}()
	if len(parts) == 0 {
		return storage.ErrUnknown
	}
	if n <= 0 {
		return nil
	}
	first, start := len(parts)-1, int64(0)
	for i := len(parts) - 1; i >= 0; i-- {
		first = i
		var found int
		if start, found, err = parts[i].lastLines(n); err != nil {
			return err
		}
		if n -= found; n == 0 {
			break
		}
	}
	for i := first; i < len(parts); i++ {
		if i > first {
			start = 0
		}
		if _, err := io.Copy(w, io.NewSectionReader(parts[i].file, start, parts[i].size-start)); err != nil {
			return err
		}
	}
	return nil
}

// part is a segment as it was when Tail began.
type part struct {
	file *os.File
	size int64
}

// snapshot opens an app's segments that have lines, the oldest first.
func (f *Files) snapshot(name string) (parts []part, err error) {
	a := f.lock(name, false)
	if a == nil {
		return nil, storage.ErrUnknown
	}
	defer a.mu.Unlock()
	add := func(n int, size int64) error {
		if size == 0 {
			return nil
		}
		file, err := os.Open(f.path(name, n))
		if errors.Is(err, os.ErrNotExist) {
			return nil // removed by hand
		}
		if err != nil {
			return err
		}
		info, err := file.Stat()
		if err != nil {
			file.Close()
			return err
		}
		if size = min(size, info.Size()); size == 0 { // emptied by hand
			return file.Close()
		}
		parts = append(parts, part{file, size})
		return nil
	}
	for _, s := range a.old {
		err = errors.Join(err, add(s.n, s.size))
	}
	if err = errors.Join(err, add(0, a.size)); err != nil {
		for _, p := range parts {
			p.file.Close()
		}
		return nil, err
	}
	return parts, nil
}

// lastLines finds where the last n lines begin, and how many there are if it
// is fewer.
func (p part) lastLines(n int) (start int64, found int, err error) {
	block := make([]byte, blockSize)
	end := p.size
	for end > 0 {
		from := max(0, end-blockSize)
		b := block[:end-from]
		if _, err := p.file.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, err
		}
		for i := len(b); ; {
			if i = bytes.LastIndexByte(b[:i], '\n'); i < 0 {
				break
			}
			if from+int64(i) == p.size-1 {
				continue // ends the last line
			}
			if found++; found == n {
				return from + int64(i) + 1, found, nil
			}
		}
		end = from
	}
	return 0, found + 1, nil
}
