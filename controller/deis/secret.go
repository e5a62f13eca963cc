package deis

import "log/slog"

// Secret is a text that no log, error or answer shows, however it is printed.
type Secret string

const hidden = "(secret)"

// Reveal is the text.
func (s Secret) Reveal() string { return string(s) }

func (Secret) String() string { return hidden }

// GoString hides the text from %#v.
func (Secret) GoString() string { return hidden }

// LogValue hides the text from logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the text from JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
