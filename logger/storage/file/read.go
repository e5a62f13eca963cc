package file

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/logger/storage"
)

// Seek finds where an app's newest n lines begin.
func (f *Files) Seek(name string, n int) (api.LogPosition, error) {
	a := f.lock(name, true)
	f.mark(a) // a follower may come back with it
	at := api.LogPosition{Log: a.id, Offset: a.base + a.size}
	oldest := a.base
	if len(a.old) > 0 {
		oldest = a.old[0].base
	}
	parts, err := f.parts(a)
	a.mu.Unlock()
	defer closeAll(parts)
	switch {
	case err != nil:
		return api.LogPosition{}, err
	case n < 0:
		at.Offset = oldest
	case n > 0 && len(parts) > 0:
		first, start, err := locate(parts, n)
		if err != nil {
			return api.LogPosition{}, err
		}
		at.Offset = parts[first].base + start
	}
	return at, nil
}

// Read writes whole lines from a position on, those of one segment at most. It
// holds no lock while it reads and writes.
func (f *Files) Read(name string, from api.LogPosition, w io.Writer) (api.LogPosition, error) {
	p, err := f.part(name, from)
	if err != nil || p.file == nil {
		return from, err
	}
	defer p.file.Close()
	block, err := p.lines(from.Offset - p.base)
	if err != nil || len(block) == 0 {
		return from, err
	}
	if _, err := w.Write(block); err != nil {
		return from, err
	}
	return from.Add(len(block)), nil
}

// part opens the segment that has the position; none if that is the log's end.
func (f *Files) part(name string, at api.LogPosition) (part, error) {
	a := f.lock(name, true)
	defer a.mu.Unlock()
	if a.id != at.Log || at.Offset > a.base+a.size {
		return part{}, storage.ErrLost
	}
	if at.Offset == a.base+a.size && a.size == 0 {
		return part{}, nil
	}
	n, size, base := 0, a.size, a.base
	if at.Offset < a.base {
		n = -1
		for _, s := range a.old {
			if at.Offset >= s.base && at.Offset < s.base+s.size {
				n, size, base = s.n, s.size, s.base
			}
		}
		if n < 0 {
			return part{}, storage.ErrLost // it went with its segment
		}
	}
	file, err := os.Open(f.path(name, n))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return part{}, err
	}
	there := int64(0)
	if err == nil {
		info, err := file.Stat()
		if err != nil {
			file.Close()
			return part{}, err
		}
		if there = info.Size(); there >= size {
			return part{file: file, size: size, base: base}, nil
		}
		file.Close()
	}
	// Emptied or removed by hand: what comes is another log.
	if n == 0 {
		f.shrink(a, there)
		return part{}, storage.ErrLost
	}
	for len(a.old) > 0 && a.old[0].n <= n {
		if err := f.removeOldest(a); err != nil {
			return part{}, err
		}
	}
	return part{}, storage.ErrLost
}

// shrink takes in that somebody else made the current segment smaller. a's
// lock is held.
func (f *Files) shrink(a *app, size int64) {
	f.close(a)
	f.mu.Lock()
	f.total += size - a.size
	f.mu.Unlock()
	a.size = size
	f.renew(a)
}

// lines reads whole lines from start on, about storage.ReadBytes of them.
func (p part) lines(start int64) ([]byte, error) {
	if start > 0 { // the byte before must end a line
		end := make([]byte, 1)
		if _, err := p.file.ReadAt(end, start-1); err != nil {
			return nil, err
		}
		if end[0] != '\n' {
			return nil, storage.ErrLost
		}
	}
	for limit := int64(storage.ReadBytes); ; limit *= 2 {
		block := make([]byte, min(limit, p.size-start))
		if _, err := p.file.ReadAt(block, start); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if end := bytes.LastIndexByte(block, '\n'); end >= 0 {
			return block[:end+1], nil
		}
		if int64(len(block)) < limit { // only the beginning of a line, from before a crash
			return nil, nil
		}
	}
}
