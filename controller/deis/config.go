package deis

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/deis/deis/internal/labels"
)

// ConfigChange is what a client wants changed: decoded JSON, numbers as
// json.Number. A nil value takes the key away.
type ConfigChange struct {
	Values map[string]any
	Memory map[string]any
	CPU    map[string]any
	Tags   map[string]any
}

// Bounds of a config, so that its values fit into an image's config object and
// the rest stays small beside them.
const (
	maxConfigKeys  = 1000
	maxConfigBytes = 1 << 20
	maxTagBytes    = 128 // of a key or a value
)

var (
	configKey  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	memoryForm = regexp.MustCompile(`^([0-9]{1,12})(?i:(MB|KB|GB|[BKMG]))$`)
	tagKey     = regexp.MustCompile(`^[A-Za-z]+$`)
	tagValue   = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	typeForm   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)
)

// minMemory is the Engine's own lower bound of a memory limit.
const minMemory = 6 << 20

// Config is the config of the app's latest release.
func (c *Controller) Config(ctx context.Context, by User, app string) (Config, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return Config{}, err
	}
	return c.Records.LatestConfig(ctx, app)
}

// SetConfig merges a change into the config of the latest release and deploys
// the result. It returns the merged config, with DEIS_APP and DEIS_RELEASE
// among its values if the app has a build, and the release's version.
func (c *Controller) SetConfig(ctx context.Context, by User, app string, in ConfigChange) (Config, int, error) {
	a, err := c.authorize(ctx, by, app, Collaborate)
	if err != nil {
		return Config{}, 0, err
	}
	change, err := in.parse()
	if err != nil {
		return Config{}, 0, err
	}
	var merged Config
	r, err := c.release(ctx, a, by, lockWaitConfig, func(ctx context.Context, tx Tx, prev previous) (draft, error) {
		merged = change.merge(prev.config)
		merged.App, merged.Owner = app, by.Username
		if err := checkSize(merged); err != nil {
			return draft{}, err
		}
		if merged, err = tx.CreateConfig(ctx, merged); err != nil {
			return draft{}, err
		}
		return draft{config: merged, build: prev.build}, nil
	})
	if err != nil {
		return Config{}, 0, err
	}
	if r.Build != "" {
		merged.Values = maps.Clone(merged.Values)
		maps.Copy(merged.Values, releaseEnv(app, r.Version))
	}
	return merged, r.Version, nil
}

// releaseEnv is what every release adds to its config.
func releaseEnv(app string, version int) map[string]string {
	return map[string]string{"DEIS_APP": app, "DEIS_RELEASE": "v" + strconv.Itoa(version)}
}

// parsedChange is a ConfigChange that has passed its checks. A nil pointer
// takes the key away.
type parsedChange struct {
	values, memory, tags map[string]*string
	cpu                  map[string]*int
}

// parse checks a change by the rules of spec sections 2.3 and 2.4. All fields
// that are wrong are named at once.
func (in ConfigChange) parse() (parsedChange, error) {
	p := parsedChange{cpu: map[string]*int{}}
	fields := map[string][]string{}
	bad := func(field, text string) { fields[field] = []string{text} }
	text := func(field string, m map[string]any, check func(k string, v *string) string) map[string]*string {
		out := make(map[string]*string, len(m))
		for k, v := range m {
			s, ok := scalar(v)
			if !ok {
				bad(field, fmt.Sprintf("The value of %s is neither a text nor a number.", k))
				continue
			}
			if problem := check(k, s); problem != "" {
				bad(field, problem)
			}
			out[k] = s
		}
		return out
	}
	p.values = text("values", in.Values, func(k string, v *string) string {
		switch {
		case !configKey.MatchString(k):
			return "Config keys must start with a letter or underscore and only contain [A-z0-9_]"
		case v != nil && strings.Contains(*v, "\x00"):
			return fmt.Sprintf("The value of %s holds a NUL character.", k)
		}
		return healthProblem(strings.ToUpper(k), v)
	})
	p.memory = text("memory", in.Memory, func(k string, v *string) string {
		switch {
		case !typeForm.MatchString(k):
			return "Process types can only contain [a-z]"
		case v == nil:
			return ""
		}
		n, ok := ParseMemory(*v)
		switch {
		case !ok:
			return "Limit format: <number><unit>, where unit = B, K, M or G"
		case n < minMemory:
			return "Memory limits below 6M are too small to start a container."
		}
		return ""
	})
	p.tags = text("tags", in.Tags, func(k string, v *string) string {
		switch {
		case !tagKey.MatchString(k):
			return "Tag keys can only contain [a-z]"
		case v != nil && !tagValue.MatchString(*v):
			return "Invalid tag value"
		case len(k) > maxTagBytes || v != nil && len(*v) > maxTagBytes:
			return tooLong(maxTagBytes)
		}
		return ""
	})
	for k, v := range in.CPU {
		n, ok := whole(v)
		switch {
		case !typeForm.MatchString(k):
			bad("cpu", "Process types can only contain [a-z]")
		case v == nil:
			p.cpu[k] = nil
		case !ok:
			bad("cpu", "CPU shares must be an integer")
		case n < 0 || n > 1024:
			bad("cpu", "CPU shares must be between 0 and 1024")
		default:
			shares := int(n)
			p.cpu[k] = &shares
		}
	}
	if len(fields) > 0 {
		return parsedChange{}, &Error{Kind: Invalid, Fields: fields}
	}
	return p, nil
}

// scalar makes a text of a JSON value: nil of null, and ok is false of arrays
// and objects.
func scalar(v any) (s *string, ok bool) {
	var text string
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		text = v
	case json.Number:
		text = v.String()
	case bool: // as Deis v1's language printed them
		text = "False"
		if v {
			text = "True"
		}
	default:
		return nil, false
	}
	return &text, true
}

// whole makes a whole number of a JSON value, also of one written as a text. A
// fraction is cut off, as Deis v1 did, but not in a text.
func whole(v any) (n float64, ok bool) {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Float64()
		return math.Trunc(n), err == nil
	case string:
		n, err := strconv.Atoi(strings.TrimSpace(v))
		return float64(n), err == nil
	}
	return 0, false
}

// ParseMemory reads a limit such as 512M, in bytes.
func ParseMemory(s string) (bytes int64, ok bool) {
	m := memoryForm.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	shift := map[byte]uint{'B': 0, 'K': 10, 'M': 20, 'G': 30}[strings.ToUpper(m[2])[0]]
	if err != nil || n > (1<<50)>>shift {
		return 0, false
	}
	return n << shift, true
}

func checkSize(c Config) error {
	size := 0
	for k, v := range c.Values {
		size += len(k) + len(v)
	}
	if len(c.Values) > maxConfigKeys || size > maxConfigBytes {
		return Field("values", "A config holds at most %d keys and %d bytes.", maxConfigKeys, maxConfigBytes)
	}
	for field, keys := range map[string]int{"memory": len(c.Memory), "cpu": len(c.CPU), "tags": len(c.Tags)} {
		if keys > maxProcessTypes {
			return Field(field, "A config holds at most %d of them.", maxProcessTypes)
		}
	}
	return nil
}

// merge lays the change over a config.
func (p parsedChange) merge(c Config) Config {
	return Config{Values: overlay(c.Values, p.values), Memory: overlay(c.Memory, p.memory), CPU: overlay(c.CPU, p.cpu), Tags: overlay(c.Tags, p.tags)}
}

func overlay[V any](base map[string]V, change map[string]*V) map[string]V {
	out := make(map[string]V, len(base)+len(change))
	maps.Copy(out, base)
	for k, v := range change {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = *v
		}
	}
	return out
}

// healthProblem checks the HEALTHCHECK_* settings where they are set, so that
// a bad one does not fail a deploy later.
func healthProblem(key string, v *string) string {
	if v == nil {
		return ""
	}
	switch key {
	case "HEALTHCHECK_INITIAL_DELAY", "HEALTHCHECK_TIMEOUT":
		if n, err := strconv.Atoi(*v); err != nil || n < 0 || n > 3600 {
			return key + " must be a whole number of seconds, at most 3600."
		}
	case "HEALTHCHECK_URL":
		if !strings.HasPrefix(*v, "/") || strings.ContainsAny(*v, " \r\n\t") {
			return "HEALTHCHECK_URL must be a path that starts with /."
		}
	}
	return ""
}

// healthCheck is what the config asks for, nil if nothing.
func (c Config) healthCheck() *labels.HealthCheck {
	url := c.Values["HEALTHCHECK_URL"]
	if url == "" {
		return nil
	}
	h := &labels.HealthCheck{URL: url, Timeout: 1}
	if n, err := strconv.Atoi(c.Values["HEALTHCHECK_INITIAL_DELAY"]); err == nil {
		h.InitialDelay = n
	}
	if n, err := strconv.Atoi(c.Values["HEALTHCHECK_TIMEOUT"]); err == nil && n > 0 {
		h.Timeout = n
	}
	return h
}
