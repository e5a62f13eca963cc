package cmd

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// maxFile bounds what is read of a file: keys, certificates and Procfiles are
// a few KiB.
const maxFile = 1 << 20

// readFile reads a file of no more than maxFile bytes.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s is larger than a MiB", path)
	}
	return b, err
}

// readText reads a file that must hold some text. Anything else would not
// reach the controller as it is.
func readText(path string) (string, error) {
	b, err := readFile(path)
	switch {
	case err != nil:
		return "", err
	case len(b) == 0:
		return "", fmt.Errorf("%s is empty", path)
	case !utf8.Valid(b) || strings.IndexByte(string(b), 0) >= 0:
		return "", fmt.Errorf("%s is not a text", path)
	}
	return string(b), nil
}

// isPrivateKey tells a file with a private key, in PEM or PuTTY's form.
func isPrivateKey(text string) bool {
	return strings.Contains(text, "PRIVATE KEY-----") || strings.HasPrefix(text, "PuTTY-User-Key-File")
}

// isCertificate tells a file with a certificate in PEM.
func isCertificate(text string) bool { return strings.Contains(text, "CERTIFICATE-----") }
