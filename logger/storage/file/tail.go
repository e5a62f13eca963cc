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
	a := f.lock(name, false)
	if a == nil {
		return storage.ErrUnknown
	}
	parts, err := f.parts(a)
	a.mu.Unlock()
	if err != nil {
		return err
	}
	defer closeAll(parts)
	if len(parts) == 0 {
		return storage.ErrUnknown
	}
	if n <= 0 {
		return nil
	}
	first, start, err := locate(parts, n)
	if err != nil {
		return err
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

// locate finds where the last n lines begin: in which part, and where there.
func locate(parts []part, n int) (first int, start int64, err error) {
	for first = len(parts) - 1; ; first-- {
		var found int
		if start, found, err = parts[first].lastLines(n); err != nil {
			return 0, 0, err
		}
		if n -= found; n == 0 || first == 0 {
			return first, start, nil
		}
	}
}

// part is a segment as it was when reading began.
type part struct {
	file *os.File
	size int64
	base int64 // offset of its first byte
}

func closeAll(parts []part) {
	for _, p := range parts {
		p.file.Close()
	}
}

// parts opens an app's segments that have lines, the oldest first. a's lock is
// held.
func (f *Files) parts(a *app) (parts []part, err error) {
	add := func(n int, size, base int64) error {
		if size == 0 {
			return nil
		}
		file, err := os.Open(f.path(a.name, n))
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
		parts = append(parts, part{file, size, base})
		return nil
	}
	for _, s := range a.old {
		err = errors.Join(err, add(s.n, s.size, s.base))
	}
	if err = errors.Join(err, add(0, a.size, a.base)); err != nil {
		closeAll(parts)
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
