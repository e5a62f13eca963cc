#!/usr/bin/env bash
# fuzz.sh runs every fuzz target of the module FUZZ_COUNT times, one after the other, and writes down in tests/fuzz.tsv how often each ran:
# the figure that go itself reports, with the day and the commit. Settings:
#   FUZZ_COUNT=1000000     executions of each target
#   FUZZ_TARGETS=regex     only targets whose "package name" it matches; the lines of the others stay
#   FUZZ_RUN=command       starts go, such as flock on a machine that others use
set -euo pipefail
cd "$(dirname "$0")/.."

COUNT=${FUZZ_COUNT:-1000000}
ONLY=${FUZZ_TARGETS:-.}
RECORD=tests/fuzz.tsv

# targets prints "package target" for each fuzz target. Those of one package come together.
targets() {
  git grep --untracked -o '^func Fuzz[A-Za-z0-9_]*(' -- '*_test.go' |
    sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*)\($|./\1 \2|' | sort -u
}

# record puts one target's line in the place of its last one.
record() {
  local package=$1 target=$2 executions=$3 corpus=$4 kept
  kept=$(grep -vP "^\Q$package\E\t\Q$target\E\t" "$RECORD" 2>/dev/null | grep -v '^package' || true)
  {
    printf 'package\ttarget\texecutions\tcorpus\tday\tcommit\n'
    {
      [[ -z $kept ]] || echo "$kept"
      printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$package" "$target" "$executions" "$corpus" "$(date -u +%F)" "$(git rev-parse --short HEAD)"
    } | sort
  } >"$RECORD.new"
  mv "$RECORD.new" "$RECORD"
}

main() {
  local package target list last
  list=$(targets)
  [[ -n $list ]] || { echo "fuzz: there is no target" >&2 && exit 1; }
  list=$(grep -E -- "$ONLY" <<<"$list") || { echo "fuzz: no target matches $ONLY" >&2 && exit 1; }
  out=$(mktemp) # of go
  trap 'rm -f "$out"' EXIT
  while read -r package target; do
    echo "fuzz: $package $target ($COUNT executions)"
    ${FUZZ_RUN:-} go test -run '^$' -fuzz "^$target\$" -fuzztime "${COUNT}x" -fuzzminimizetime 100x "$package" </dev/null | tee "$out"
    last=$(grep -oP 'execs: \d+.*total: \d+' "$out" | tail -1)
    [[ -n $last ]] || { echo "fuzz: go does not say how often $target ran" >&2 && exit 1; }
    record "$package" "$target" "$(grep -oP 'execs: \K\d+' <<<"$last")" "$(grep -oP 'total: \K\d+' <<<"$last")"
  done <<<"$list"
}

main
