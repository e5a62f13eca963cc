#!/usr/bin/env bash
# dist.sh packs the command-line tools for the machines users have, into dist/: an archive for each tool and platform with the binary,
# what makes a shell complete its commands, its manual pages and the license, and SHA256SUMS over all of them. Of one commit and one Go
# they are the same bytes whenever and wherever they are made.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PLATFORMS="linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64"

# compile builds a tool for a platform.
#   compile TOOL OS ARCH FILE
compile() {
  CGO_ENABLED=0 GOOS=$2 GOARCH=$3 go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$4" "./cmd/$1"
}

# extras writes what goes beside the binary, the same on every platform: each tool prints its own scripts and pages.
#   extras TOOL BINARY FOLDER
extras() {
  mkdir -p "$3/completions" "$3/man/man1"
  "$2" completion bash >"$3/completions/$1.bash"
  "$2" completion zsh >"$3/completions/_$1"
  "$2" completion fish >"$3/completions/$1.fish"
  "$2" completion powershell >"$3/completions/$1.ps1"
  "$2" __man "$3/man/man1"
  cp LICENSE "$3/"
}

# pack makes an archive of a folder, which does not tell when, where and by whom it was made.
#   pack FOLDER OS
pack() {
  local name=${1##*/}
  find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  find "$1" -type d -exec chmod 755 {} +
  find "$1" -type f ! -perm -100 -exec chmod 644 {} +
  if [[ $2 == windows ]]; then
    (cd "$1/.." && find "$name" | LC_ALL=C sort | TZ=UTC zip -qX9 "$ROOT/dist/$name.zip" -@)
  else
    tar -C "$1/.." --sort=name --format=ustar --owner=0 --group=0 --numeric-owner -cf - "$name" | gzip -9n >"dist/$name.tar.gz"
  fi
}

main() {
  local platform os arch tool suffix name work tools=(deis)
  have zip || die "please install zip: the archives for Windows need it"
  [[ ! -d $ROOT/cmd/deisctl ]] || tools+=(deisctl)
  cd "$ROOT"
  umask 022
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} # of the pages and of what the archives hold
  export SOURCE_DATE_EPOCH
  work=$(mktemp -d)
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$work'" EXIT
  rm -rf dist
  mkdir dist
  for tool in "${tools[@]}"; do
    compile "$tool" "$(go env GOHOSTOS)" "$(go env GOHOSTARCH)" "$work/$tool"
    extras "$tool" "$work/$tool" "$work/extras-$tool"
    for platform in $PLATFORMS; do
      os=${platform%/*} arch=${platform#*/} suffix=""
      [[ $os != windows ]] || suffix=.exe
      name=$tool-$VERSION-$os-$arch
      cp -r "$work/extras-$tool" "$work/$name"
      compile "$tool" "$os" "$arch" "$work/$name/$tool$suffix"
      pack "$work/$name" "$os"
    done
  done
  (cd dist && sha256sum -- * >SHA256SUMS)
  (cd dist && du -b -- * | awk '{ printf "dist: %8.1f kB  %s\n", $1 / 1000, $2 }')
}

main
