package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path"
	"strings"

	"github.com/deis/deis/internal/httpapi"
)

// serve answers with the files of a static site until SIGTERM.
func serve(ctx context.Context, getenv func(string) string, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: slug serve DIR")
	}
	port := getenv("PORT")
	if port == "" {
		port = "5000"
	}
	root, err := os.OpenRoot(args[0])
	if err != nil {
		return err
	}
	defer root.Close()
	ln, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	return httpapi.Serve(ctx, ln, http.FileServerFS(site{root.FS()}))
}

// site is a folder as its visitors see it: without hidden files and the app's
// own, without lists of what a folder holds, and nothing outside of it.
type site struct{ fs.FS }

func (s site) Open(name string) (fs.File, error) {
	missing := &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	if name == "Procfile" {
		return nil, missing
	}
	for _, part := range strings.Split(name, "/") {
		if part != "." && strings.HasPrefix(part, ".") && part != ".well-known" {
			return nil, missing
		}
	}
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		if _, err := fs.Stat(s.FS, path.Join(name, "index.html")); err != nil {
			_ = f.Close()
			return nil, missing
		}
	}
	return f, nil
}
