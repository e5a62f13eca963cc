package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
)

// Defaults of a session.
const (
	DefaultResponseLimit = 100
	DefaultSSHPort       = 2222
)

// ErrNotLoggedIn says that there is no session.
var ErrNotLoggedIn error = sentence("Not logged in. Use 'deis login' or 'deis register' to get started.")

type sentence string

func (s sentence) Error() string { return string(s) }

// Session is who is logged in where. The first five fields are Deis v1's, in
// its order; the others are written only if set.
type Session struct {
	Username      string `json:"username"`
	SSLVerify     bool   `json:"ssl_verify"`
	Controller    string `json:"controller"` // scheme and host
	Token         string `json:"token"`
	ResponseLimit int    `json:"response_limit"`     // size of lists; changed only by hand
	CAFile        string `json:"ca_file,omitempty"`  // certificates to trust beside the system's
	SSHPort       int    `json:"ssh_port,omitempty"` // of the builder; unset means 2222
}

// Path is where the session of a profile is kept. getenv knows the home
// directory and DEIS_PROFILE.
func Path(getenv func(string) string) (string, error) {
	home := Home(getenv)
	if home == "" {
		return "", errors.New("the home directory is not known: HOME is not set")
	}
	profile := getenv("DEIS_PROFILE")
	switch {
	case profile == "":
		profile = "client"
	case !filepath.IsLocal(profile) || strings.ContainsFunc(profile, unicode.IsControl):
		return "", fmt.Errorf("DEIS_PROFILE is %q, which is not the name of a session file in %s", profile, filepath.Join(home, ".deis"))
	}
	return filepath.Join(home, ".deis", profile+".json"), nil
}

// Home is the user's home directory, empty if it is not known.
func Home(getenv func(string) string) string {
	if runtime.GOOS == "windows" {
		return getenv("HOMEDRIVE") + getenv("HOMEPATH")
	}
	return getenv("HOME")
}

// Load reads a session. The error is ErrNotLoggedIn if there is none; any other
// names the file.
func Load(path string) (*Session, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotLoggedIn
	}
	if err != nil {
		return nil, fmt.Errorf("%w; remove it and log in again", err)
	}
	s := new(Session)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s is not a session: %w; %s", path, err, instead)
	}
	if s.Controller == "" {
		return nil, fmt.Errorf("%s names no controller; %s", path, instead)
	}
	if _, err := ParseController(s.Controller); err != nil {
		return nil, fmt.Errorf("%s is not a session: %w; %s", path, err, instead)
	}
	if s.ResponseLimit <= 0 {
		s.ResponseLimit = DefaultResponseLimit
	}
	return s, nil
}

// instead is what to do about a session file that is broken.
const instead = "log in again to replace it"

// Save writes a session for the user's eyes only, whole or not at all.
func (s *Session) Save(path string) error {
	if s.ResponseLimit <= 0 {
		s.ResponseLimit = DefaultResponseLimit
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link stays a link
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".session-*") // made with 0600
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return &fs.PathError{Op: "write", Path: path, Err: failed.Err} // rather than a name nobody knows
	}
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// Delete ends a session. It is no error if there is none.
func Delete(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
