package api

import (
	"encoding/json"
	"maps"
	"slices"
)

// errorLines turns the fields of an error body into lines.
func errorLines(fields map[string]json.RawMessage) []string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		var one string
		var many []string
		switch {
		case json.Unmarshal(fields[key], &one) == nil:
			lines = append(lines, key+": "+one)
		case json.Unmarshal(fields[key], &many) == nil:
			for _, text := range many {
				lines = append(lines, key+": "+text)
			}
		default:
			lines = append(lines, key+": "+string(fields[key]))
		}
	}
	return lines
}
