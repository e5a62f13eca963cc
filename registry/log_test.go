package registry

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// distribution logs each 404 as an error; the operator wants the others.
func TestLogsWhatIsWrong(t *testing.T) {
	f := start(t, time.Hour)
	var b bytes.Buffer
	logToSlog(slog.New(slog.NewTextHandler(&b, nil)))
	defer logToSlog(slog.New(slog.DiscardHandler))
	if status, _, _ := f.request("GET", "/v2/demo/manifests/v1", nil); status != 404 {
		t.Fatal(status)
	}
	if b.Len() > 0 {
		t.Errorf("a 404 was logged: %s", b.String())
	}
	// A folder where a file should be: the storage is broken.
	link := filepath.Join(f.storage, "docker/registry/v2/repositories/demo/_manifests/tags/v1/current/link")
	if err := os.MkdirAll(link, 0o700); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := f.request("GET", "/v2/demo/manifests/v1", nil); status != 500 {
		t.Fatal(status)
	}
	f.stop() // the log is written by then
	if !strings.Contains(b.String(), "level=WARN msg=distribution") || !strings.Contains(b.String(), "unknown") {
		t.Errorf("logged: %q", b.String())
	}
}
