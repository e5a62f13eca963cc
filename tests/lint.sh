#!/usr/bin/env bash
# lint.sh checks the form of everything: Go by gofmt, vet and staticcheck, as released and as tested, and shell scripts by shellcheck.
set -euo pipefail
cd "$(dirname "$0")/.."

STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.8.2
TAGS=("" "integration,failpoint")

# sources prints the files of the tree that fit, also those not yet added, but none that is deleted and not yet committed.
sources() {
  local file
  while read -r file; do
    [[ ! -e $file ]] || echo "$file"
  done < <(git ls-files --cached --others --exclude-standard -- "$@")
}

main() {
  local files tag
  files=$(sources '*.go' | xargs -r gofmt -l)
  [[ -z $files ]] || { printf 'lint: gofmt would change:\n%s\n' "$files" >&2 && exit 1; }
  for tag in "${TAGS[@]}"; do
    echo "lint: vet, staticcheck ${tag:+($tag)}"
    go vet -tags "$tag" ./...
    go run "$STATICCHECK" -tags "$tag" ./...
  done
  command -v shellcheck >/dev/null || { echo "lint: shellcheck is not installed: apt-get install shellcheck" >&2 && exit 1; }
  echo "lint: shellcheck"
  sources '*.sh' .ci/run | xargs -r shellcheck -x -P SCRIPTDIR
}

main
