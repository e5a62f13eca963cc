#!/usr/bin/env bash
# fuzz.sh runs every fuzz target of the module FUZZ_COUNT times, one after the other, and says how often each ran.
set -euo pipefail
cd "$(dirname "$0")/.."

COUNT=${FUZZ_COUNT:-1000000}

# targets prints "package target" for each fuzz target.
targets() {
  local package line
  while read -r package; do
    while read -r line; do
      [[ $line != Fuzz* ]] || echo "$package $line"
    done < <(go test -list '^Fuzz' "$package")
  done < <(git grep -l '^func Fuzz' -- '*_test.go' | xargs -rn1 dirname | sort -u | sed 's|^|./|')
}

main() {
  local package target list
  list=$(targets)
  [[ -n $list ]] || { echo "fuzz: there is no target" >&2 && exit 1; }
  while read -r package target; do
    echo "fuzz: $package $target ($COUNT executions)"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${COUNT}x" "$package"
  done <<<"$list"
}

main
