package docker

import (
	"fmt"
	"strings"
)

// ParseTags reads what a host offers, k=v[,k=v...]; spaces around the pairs do
// not count, and an empty text means nothing.
func ParseTags(text string) (map[string]string, error) {
	tags := map[string]string{}
	if strings.TrimSpace(text) == "" {
		return tags, nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		k, v, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || k == "" || v == "" {
			return nil, fmt.Errorf("%q is not a tag such as disk=ssd", strings.TrimSpace(pair))
		}
		if _, twice := tags[k]; twice {
			return nil, fmt.Errorf("tag %s is set twice", k)
		}
		tags[k] = v
	}
	return tags, nil
}
