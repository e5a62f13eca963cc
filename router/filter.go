package router

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	bootID    = "/proc/sys/kernel/random/boot_id"
	filterAge = 30 * time.Second // what touches the file does so every 5 s
)

// filterStands is nil if the packet filter that separates apps from the
// machine stands since this boot, or if no file tells.
func filterStands(path string, now time.Time) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return errors.New("the packet filter does not stand")
	}
	if age := now.Sub(info.ModTime()); age > filterAge {
		return fmt.Errorf("the packet filter was last seen %s ago", age.Round(time.Second))
	}
	boot, err := os.ReadFile(bootID)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	if !lines.Scan() || strings.TrimSpace(lines.Text()) != strings.TrimSpace(string(boot)) {
		return errors.New("the packet filter is of another boot")
	}
	return nil
}
