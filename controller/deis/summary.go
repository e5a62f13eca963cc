package deis

import (
	"maps"
	"slices"
	"strings"
)

// summarize words what a release changes, as Deis v1 did (spec section 3.2).
// owner is who made the release.
func summarize(owner string, prev, next snapshot) string {
	var parts []string
	if next.build.UUID != "" && next.build.UUID != prev.build.UUID {
		what := next.build.Image
		if next.build.SHA != "" {
			what = next.build.SHA[:min(7, len(next.build.SHA))]
		}
		parts = append(parts, next.build.Owner+" deployed "+what)
	}
	if next.config.UUID != prev.config.UUID {
		who := next.config.Owner
		if d := diff(prev.config.Values, next.config.Values, ""); d != "" {
			parts = append(parts, who+" "+d)
		}
		var limits []string
		if !maps.Equal(prev.config.Memory, next.config.Memory) {
			limits = append(limits, "memory")
		}
		if !maps.Equal(prev.config.CPU, next.config.CPU) {
			limits = append(limits, "cpu")
		}
		if len(limits) > 0 {
			parts = append(parts, who+" changed limits for "+strings.Join(limits, ", "))
		}
		if d := diff(prev.config.Tags, next.config.Tags, "tag "); d != "" {
			parts = append(parts, who+" "+d)
		}
	}
	if len(parts) == 0 {
		return owner + " changed nothing"
	}
	return strings.Join(parts, " and ")
}

// diff names the keys that were added, changed and deleted, in this order and
// sorted, only the parts that are not empty.
func diff(prev, next map[string]string, noun string) string {
	var added, changed, deleted []string
	for _, k := range slices.Sorted(maps.Keys(next)) {
		old, was := prev[k]
		switch {
		case !was:
			added = append(added, k)
		case old != next[k]:
			changed = append(changed, k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(prev)) {
		if _, is := next[k]; !is {
			deleted = append(deleted, k)
		}
	}
	var parts []string
	for _, p := range []struct {
		verb string
		keys []string
	}{{"added ", added}, {"changed ", changed}, {"deleted ", deleted}} {
		if len(p.keys) > 0 {
			parts = append(parts, p.verb+noun+strings.Join(p.keys, ", "))
		}
	}
	return strings.Join(parts, ", ")
}
