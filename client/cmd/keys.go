package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/deis/deis/client/controller"
	"github.com/deis/deis/client/settings"
)

func keysVerbs(f *Factory) []*verb {
	return []*verb{newKeysList(f, nil), newKeysAdd(f, nil), newKeysRemove(f, nil)}
}

type keysListOptions struct {
	*Factory
	Limit  *int
	Output string
}

func newKeysList(f *Factory, runF func(context.Context, *keysListOptions) error) *verb {
	o := &keysListOptions{Factory: f}
	v := newVerb("keys:list", "list your SSH keys", "Lists the SSH keys that may push for you.")
	v.limited(&o.Limit)
	v.printed(&o.Output)
	return action(v, o, runF, runKeysList)
}

func runKeysList(ctx context.Context, o *keysListOptions) error {
	a, err := o.account()
	if err != nil {
		return err
	}
	page, err := a.api.ListKeys(ctx, a.size(o.Limit))
	if err != nil {
		return err
	}
	return o.show(o.Output, list(page), func() {
		o.printf("=== %s Keys%s\n", a.Username, count(page))
		slices.SortStableFunc(page.Results, func(a, b controller.Key) int { return strings.Compare(a.ID, b.ID) })
		for _, key := range page.Results {
			o.printf("%s %s\n", key.ID, excerpt(key.Public))
		}
	})
}

// excerpt is the first 16 and the last 10 characters of a public key, or all
// of a shorter one.
func excerpt(public string) string {
	public = strings.TrimSpace(public)
	if len(public) <= 16+10 {
		return public
	}
	return public[:16] + "..." + public[len(public)-10:]
}

// publicKey is an SSH key as its file holds it.
type publicKey struct {
	id, public, file string
}

var publicKeyPattern = regexp.MustCompile(`^(ssh-[^ ]+|ecdsa-[^ ]+|sk-[^ ]+) ([^ ]+) ?(.*)`)

// readPublicKey reads a .pub file. The key's id is its comment, else the name
// of the file up to the first dot.
func readPublicKey(path string) (publicKey, error) {
	text, err := readText(path)
	if err != nil {
		return publicKey{}, err
	}
	if isPrivateKey(text) {
		return publicKey{}, sentence(path + " holds a private key, which stays on this machine: give the file of the public one, whose name ends in .pub")
	}
	m := publicKeyPattern.FindStringSubmatch(text)
	if m == nil {
		return publicKey{}, sentence(path + " is not a valid ssh key")
	}
	key := publicKey{id: strings.TrimSpace(m[3]), public: strings.TrimSpace(text), file: filepath.Base(path)}
	if key.id == "" {
		key.id, _, _ = strings.Cut(key.file, ".")
	}
	return key, nil
}

type keysAddOptions struct {
	*Factory
	Path string
}

func newKeysAdd(f *Factory, runF func(context.Context, *keysAddOptions) error) *verb {
	o := &keysAddOptions{Factory: f}
	v := newVerb("keys:add", "add an SSH key", "Adds an SSH key that may push for you. Without a file it offers those in ~/.ssh.")
	v.optional(&o.Path, "<key>", "the file of the public key, such as ~/.ssh/id_ed25519.pub")
	return action(v, o, runF, runKeysAdd)
}

func runKeysAdd(ctx context.Context, o *keysAddOptions) error {
	a, err := o.account()
	if err != nil {
		return err
	}
	var key publicKey
	if o.Path == "" {
		key, err = o.chooseKey(ctx)
	} else {
		key, err = readPublicKey(o.Path)
	}
	if err != nil {
		return err
	}
	o.printf("Uploading %s to deis...", key.file)
	return o.finish(a.api.AddKey(ctx, key.id, key.public))
}

// finish ends the line of something that has no spinner.
func (f *Factory) finish(err error) error {
	if err != nil {
		f.printf("\n")
		return err
	}
	f.printf(" done\n")
	return nil
}

// chooseKey offers the keys in ~/.ssh.
func (o *keysAddOptions) chooseKey(ctx context.Context) (publicKey, error) {
	home := settings.Home(o.Getenv)
	if home == "" {
		return publicKey{}, sentence("the home directory is not known, so no keys are found: name the file of one")
	}
	dir := filepath.Join(home, ".ssh")
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return publicKey{}, err
	}
	var keys []publicKey
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != ".pub" {
			continue
		}
		key, err := readPublicKey(filepath.Join(dir, entry.Name()))
		if err != nil {
			o.printf("%s\n", err)
			continue
		}
		keys = append(keys, key)
	}
	o.printf("Found the following SSH public keys:\n")
	for i, key := range keys {
		o.printf("%d) %s %s\n", i+1, key.file, key.id)
	}
	o.printf("0) Enter path to pubfile (or use keys:add <key_path>)\n")
	answer, err := o.IO.ReadLine(ctx, "Which would you like to use with Deis? ")
	if err != nil {
		return publicKey{}, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(answer))
	switch {
	case err != nil:
		return publicKey{}, err
	case n < 0 || n > len(keys):
		return publicKey{}, sentence(fmt.Sprintf("%d is not a valid option", n))
	case n > 0:
		return keys[n-1], nil
	}
	path, err := o.IO.ReadLine(ctx, "Enter the path to the pubkey file: ")
	if err != nil {
		return publicKey{}, err
	}
	return readPublicKey(strings.TrimSpace(path))
}

type keysRemoveOptions struct {
	*Factory
	ID string
}

func newKeysRemove(f *Factory, runF func(context.Context, *keysRemoveOptions) error) *verb {
	o := &keysRemoveOptions{Factory: f}
	v := newVerb("keys:remove", "remove an SSH key", "Removes an SSH key, which may push no more.")
	v.required(&o.ID, "<key>", "its id, as keys:list shows it")
	return action(v, o, runF, runKeysRemove)
}

func runKeysRemove(ctx context.Context, o *keysRemoveOptions) error {
	a, err := o.account()
	if err != nil {
		return err
	}
	o.printf("Removing %s SSH Key...", o.ID)
	return o.finish(a.api.RemoveKey(ctx, o.ID))
}
