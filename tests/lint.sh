#!/usr/bin/env bash
# lint.sh checks the form of everything: Go by gofmt, vet and staticcheck, as released and as tested, and shell scripts by shellcheck.
set -euo pipefail
cd "$(dirname "$0")/.."

STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.8.2
TAGS=("" integration,failpoint)

# unformatted prints Go files that gofmt would change; those that are deleted but not committed are no matter.
unformatted() { git ls-files -z --cached --others --exclude-standard -- '*.go' | xargs -0r ls 2>/dev/null | xargs -r gofmt -l; }

scripts() { git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run | xargs -r ls 2>/dev/null; }

main() {
  local files tag
  files=$(unformatted)
  [[ -z $files ]] || { printf 'lint: gofmt would change:\n%s\n' "$files" >&2 && exit 1; }
  for tag in "${TAGS[@]}"; do
    echo "lint: vet, staticcheck ${tag:+($tag)}"
    go vet -tags "$tag" ./...
    go run "$STATICCHECK" -tags "$tag" ./...
  done
  command -v shellcheck >/dev/null || { echo "lint: shellcheck is not installed: apt-get install shellcheck" >&2 && exit 1; }
  echo "lint: shellcheck"
  scripts | xargs -r shellcheck -x -P SCRIPTDIR
}

main
