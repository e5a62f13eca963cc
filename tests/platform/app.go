package platform

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Dockerfile runs the test app from nothing else.
const Dockerfile = "FROM scratch\nCOPY app /app\nENV POWERED_BY=Deis\nEXPOSE 5000\nCMD [\"/app\"]\n"

// BuildApp compiles the test app into dir.
func (p *Platform) BuildApp(ctx context.Context, dir string) (string, error) {
	out := filepath.Join(dir, "app")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./tests/app")
	cmd.Dir = p.Root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./tests/app: %w: %s", err, b)
	}
	return out, nil
}

// AppRepository makes a repository of the test app, whose binary is at app.
func (u *User) AppRepository(ctx context.Context, dir, app string) error {
	binary, err := os.ReadFile(app)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "app"), binary, 0o755); err != nil {
		return err
	}
	return u.Repository(ctx, dir, map[string]string{"Dockerfile": Dockerfile})
}

// Deploy creates an app and pushes the test app to it from dir.
func (u *User) Deploy(ctx context.Context, dir, binary, app string) error {
	if err := u.AppRepository(ctx, dir, binary); err != nil {
		return err
	}
	if _, err := u.Deis(ctx, dir, "create", app, "--no-remote"); err != nil {
		return err
	}
	_, err := u.Push(ctx, dir, app)
	return err
}
