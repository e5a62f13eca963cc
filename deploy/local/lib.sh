# shellcheck shell=bash
# What the scripts of deploy/local share. Sourced, never run.
set -euo pipefail

# Where things are. ROOT is the repository, HERE this folder.
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
export ROOT HERE

# VERSION is the platform's, the tag of every image.
VERSION=$(sed -n 's/^const Platform = "\(.*\)"/\1/p' "$ROOT/internal/version/version.go")
export VERSION

# The Engine's classic builder is the one every supported version has.
export DOCKER_BUILDKIT=0

# say prints one line of progress.
say() { printf '%s\n' "$*"; }

# note prints one line of progress on stderr, for functions whose output is a value.
note() { printf '%s\n' "$*" >&2; }

# die ends the script with one sentence.
die() {
  printf 'deis: %s\n' "$*" >&2
  exit 1
}

# have tells whether all commands named are there.
have() {
  local command
  for command in "$@"; do command -v "$command" >/dev/null 2>&1 || return 1; done
}

# need_root refuses to go on for anyone but root.
need_root() {
  [[ $(id -u) -eq 0 ]] || die "this needs root (it starts an engine, networks and packet filters): run it with sudo"
}

# eventually repeats a command until it succeeds or the seconds are over.
#   eventually SECONDS COMMAND...
eventually() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}

# free_mb prints the free megabytes of the file system that holds a path, or of its nearest parent.
free_mb() {
  local path=$1
  while [[ ! -e $path ]]; do path=$(dirname "$path"); done
  df -Pm "$path" | awk 'NR == 2 { print $4 }'
}

# need_disk refuses to go on when a path has less than some megabytes free. DISK_FLOOR_MB overrides the floor.
#   need_disk PATH MEGABYTES WHAT
need_disk() {
  local floor=${DISK_FLOOR_MB:-$2} free
  free=$(free_mb "$1")
  ((free >= floor)) || die "$3 needs ${floor} MB free under $1, there are ${free} MB: free some space and try again"
}

# hash8 prints eight hexadecimal digits that stand for a text.
hash8() { printf '%s' "$1" | sha256sum | cut -c1-8; }

# image_label prints a label of an image, nothing when there is no such image or label.
image_label() {
  docker image inspect --format "{{index .Config.Labels \"$2\"}}" "$1" 2>/dev/null | sed 's/^<no value>$//' || true
}
