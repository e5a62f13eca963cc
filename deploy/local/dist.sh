#!/usr/bin/env bash
# dist.sh compiles the command-line tools for the machines users have, into dist/, with their checksums.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PLATFORMS="linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64"

main() {
  local platform os arch tool suffix tools=(deis)
  [[ ! -d $ROOT/cmd/deisctl ]] || tools+=(deisctl)
  cd "$ROOT"
  rm -rf dist
  for platform in $PLATFORMS; do
    os=${platform%/*} arch=${platform#*/} suffix=""
    [[ $os != windows ]] || suffix=.exe
    for tool in "${tools[@]}"; do
      say "dist: $tool-$VERSION-$os-$arch$suffix"
      CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=false -ldflags "-s -w" -o "dist/$tool-$VERSION-$os-$arch$suffix" "./cmd/$tool"
    done
  done
  (cd dist && sha256sum -- * >SHA256SUMS)
}

main
