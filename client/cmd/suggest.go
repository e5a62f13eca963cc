package cmd

import (
	"slices"
	"strings"
)

// maxSuggestions is how many commands may be equally near to what was typed;
// of more, none is worth naming.
const maxSuggestions = 3

// maxMistyped is how long a word may be that is compared.
const maxMistyped = 64

// noMatch is what is said of a word that is no command, with those that may
// have been meant. cobra's own suggestions count a swap of two letters as two
// mistakes, do not tell which is nearest, and know no groups.
func noMatch(f *Factory, word string) string {
	text := "Found no matching command, try 'deis help'\n" + usageLine
	near := nearest(strings.ToLower(word), vocabulary(f))
	if len(near) == 0 {
		return text
	}
	last := "'" + near[len(near)-1] + "'"
	if len(near) > 1 {
		last = "'" + strings.Join(near[:len(near)-1], "', '") + "' or " + last
	}
	return text + "\nDid you mean " + last + "?"
}

// vocabulary is every word that deis knows.
func vocabulary(f *Factory) []string {
	var known []string
	for _, g := range groups {
		known = append(known, g.name)
		for _, v := range g.verbs(f) {
			if v.Name() != g.name {
				known = append(known, v.Name())
			}
		}
	}
	for _, s := range shortcuts {
		known = append(known, s.word)
	}
	return known
}

// nearest are the known words with the fewest mistakes in word, none if they
// are too many.
func nearest(word string, known []string) []string {
	best := -1
	var found []string
	if len(word) > maxMistyped {
		return nil
	}
	for _, k := range known {
		n, ok := mistakes(word, k)
		switch {
		case !ok || best >= 0 && n > best:
			continue
		case n != best:
			best, found = n, nil
		}
		if !slices.Contains(found, k) {
			found = append(found, k)
		}
	}
	if len(found) > maxSuggestions {
		return nil
	}
	return found
}

// mistakes counts those of a word that was to be known. Both sides of a colon
// must be near, each for its length; a verb that is right but for its group,
// or a colon that is something else, is one mistake.
func mistakes(word, known string) (n int, ok bool) {
	group, verb, colon := strings.Cut(word, ":")
	knownGroup, knownVerb, knownColon := strings.Cut(known, ":")
	switch {
	case !colon && knownColon:
		return 1, word == knownVerb || distance(word, known) == 1
	case colon && !knownColon:
		return 0, false
	}
	a, b := distance(group, knownGroup), distance(verb, knownVerb)
	return a + b, a <= tolerated(group) && b <= tolerated(verb)
}

// tolerated is how many mistakes a word may have.
func tolerated(word string) int { return max(1, len(word)/3) }

// distance is how many letters must be added, dropped, replaced or swapped
// with the next to make b of a.
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := 1
			if a[i-1] == b[j-1] {
				replace = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
