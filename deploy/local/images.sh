#!/usr/bin/env bash
# images.sh makes the platform's images, those that changed: binaries are compiled once on this machine, each image's context is
# its Dockerfile, its binary and its own files, and a hash of that context, kept as a label, tells whether it is already made.
#   IMAGES="router etcd"   only these
#   FAILPOINT=1            also deis/controller:failpoint, for the crash tests
# "images.sh compile" stops after the binaries.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ALL="etcd filter database registry logger logspout publisher controller builder router slugbuilder slugrunner"
IMAGES=${IMAGES:-$ALL}
BIN=$ROOT/bin
# Beside the base, an image may need 1 GB while it is built; all of them together about 2 GB.
FLOOR_MB=3072
made=""

# commands prints the packages of cmd/ that the images asked for need, and the users' client when it is all of them.
commands() {
  local image
  for image in $IMAGES; do
    case $image in
    etcd | filter) ;;
    slugbuilder | slugrunner) echo slug ;;
    *) echo "$image" ;;
    esac
  done | sort -u
  [[ $IMAGES != "$ALL" ]] || echo deis
}

# compile puts every binary into bin/. Go leaves one alone whose inputs did not change.
compile() {
  local name packages=()
  have go || die "Go $(sed -n 's/^go //p' "$ROOT/go.mod") or later is needed to compile the platform: install it from go.dev/dl"
  for name in $(commands); do packages+=("./cmd/$name"); done
  mkdir -p "$BIN/failpoint"
  [[ -n ${packages[*]} ]] || return 0
  say "compile: $(commands | paste -sd ' ')"
  build -o "$BIN/" "${packages[@]}"
  [[ -z ${FAILPOINT:-} ]] || build -tags failpoint -o "$BIN/failpoint/" ./cmd/controller
}

# build compiles; the names of what Go downloads are no news.
build() { (cd "$ROOT" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" "$@" 2>&1 | sed '/^go: downloading /d' >&2); }

# files prints what an image's context holds, as paths from the repository, its Dockerfile first.
files() {
  case $1 in
  etcd) echo deploy/local/etcd/Dockerfile ;;
  filter) echo deploy/local/filter/Dockerfile deploy/local/filter/filter.sh ;;
  slugbuilder) echo builder/slugbuilder/Dockerfile bin/slug builder/slugbuilder/rootfs builder/buildpacks ;;
  slugrunner) echo builder/slugrunner/Dockerfile bin/slug builder/slugrunner/rootfs ;;
  *) echo "$1/Dockerfile" "bin/$1" "$1/rootfs" ;;
  esac
}

# make_context fills a folder with an image's context; the failpoint controller's binary takes the place of the usual one.
make_context() {
  local image=$1 tag=$2 dir=$3 path
  for path in $(files "$image"); do
    [[ -e $ROOT/$path ]] || { [[ $path == */rootfs || $path == */buildpacks ]] && continue; }
    [[ -e $ROOT/$path ]] || die "image $image needs $path, which is not there"
    mkdir -p "$dir/$(dirname "$path")"
    cp -a "$ROOT/$path" "$dir/$path"
  done
  [[ $tag != failpoint ]] || cp -a "$BIN/failpoint/$image" "$dir/bin/$image"
}

# stamp_of stands for an image's context and base: names, modes and contents.
stamp_of() {
  local image=$1 tag=$2 path swap=""
  [[ $tag != failpoint ]] || swap="$BIN/failpoint/$image"
  {
    echo "$base_id"
    for path in $(files "$image"); do
      [[ -e $ROOT/$path ]] || continue
      (cd "$ROOT" && find "$path" -printf '%p %m %l\n' | LC_ALL=C sort)
      if [[ $path == "bin/$image" && -n $swap ]]; then
        sha256sum <"$swap"
      else
        (cd "$ROOT" && find "$path" -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum)
      fi
    done
  } | sha256sum | cut -c1-16
}

# read_stamps asks the Engine once for the base's id and for the stamp of every image that is there.
declare -A stamps
read_stamps() {
  local name stamp image names=(deis/controller:failpoint)
  base_id=$(docker image inspect --format '{{.Id}}' "deis/base:$VERSION")
  for image in $IMAGES; do names+=("deis/$image:$VERSION"); done
  while read -r stamp name; do
    for name in $name; do stamps[$name]=$stamp; done
  done < <(docker image inspect --format '{{index .Config.Labels "deis.stamp"}}{{range .RepoTags}} {{.}}{{end}}' "${names[@]}" 2>/dev/null)
}

# make_image builds one image when its stamp is not the one that is there.
make_image() {
  local image=$1 tag=$2 name stamp log context began=$SECONDS
  name=deis/$image:$tag
  stamp=$(stamp_of "$image" "$tag")
  [[ ${stamps[$name]:-} != "$stamp" ]] || return 0
  printf '%-12s building ... ' "$image"
  context=$(mktemp -d "${TMPDIR:-/var/tmp}/deis-image.XXXXXX")
  log=$context.log
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$context' '$log'" EXIT
  make_context "$image" "$tag" "$context"
  if ! tar -C "$context" --numeric-owner --owner=0 --group=0 -c . |
    docker build --force-rm --file "$(files "$image" | cut -d' ' -f1)" --label "deis.stamp=$stamp" --label "deis.component=$image" --tag "$name" - \
      >"$log" 2>&1; then
    say failed
    tail -n 25 "$log" >&2
    die "building $name failed (its last lines are above)"
  fi
  rm -rf "$context" "$log"
  trap - EXIT
  # The release image of an app may be FROM deis/slugrunner: that name is one of the two published bases.
  [[ $image != slugrunner ]] || docker tag "$name" deis/slugrunner:latest
  made=yes
  say "done in $((SECONDS - began)) s"
}

main() {
  local image base
  # One at a time: another run must not pack a binary that this one is writing.
  mkdir -p "$BIN"
  exec 9>"$BIN/.lock"
  flock --wait 1800 9 || die "another 'make images' has been running for half an hour"
  if [[ ${1:-} == compile ]]; then
    compile
    return
  fi
  docker version >/dev/null 2>&1 || die "no Docker Engine answers: run 'make engine' first"
  if [[ -z $(docker image ls --quiet "deis/router:$VERSION") ]]; then
    need_disk "$(docker info --format '{{.DockerRootDir}}')" "$FLOOR_MB" "building the images"
  fi
  # The base waits for downloads, the compiler for the processors.
  "$HERE/base.sh" 9>&- &
  base=$!
  trap 'wait' EXIT
  compile
  trap - EXIT
  wait "$base"
  read_stamps
  for image in $IMAGES; do make_image "$image" "$VERSION"; done
  [[ -z ${FAILPOINT:-} ]] || make_image controller failpoint
  # Those replaced go, now or when the containers that still run them are gone.
  [[ -z $made ]] || docker image prune --force --filter label=deis.component >/dev/null
}

main "$@"
