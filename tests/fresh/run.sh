#!/usr/bin/env bash
# run.sh shows that the platform needs nothing but a bare Debian 12 with make, git and Go. It makes such a root, runs it as a container
# that is a host of its own (its own engine, network and filter; no --privileged), clones the project's last commit into it and runs
# "make demo" there. It prints what was missing and installed, and the time. Then it kills that host's dockerd, starts it again, and
# waits until every component and the app serve by themselves.
#   KEEP=1   leave the host running afterwards (docker exec -it <its name> bash)
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/local/lib.sh"

NAME=deis-fresh-$(head -c 3 /dev/urandom | od -An -tx1 | tr -d ' \n')
IMAGE=deis/fresh:$NAME
CLONE=/root/deis
DEMO_SECONDS=${DEMO_SECONDS:-1500}
BACK_SECONDS=${BACK_SECONDS:-180}

# in_host runs a command in the fresh host, as someone who has just logged in there.
in_host() { docker exec "$NAME" bash -lc "cd $CLONE 2>/dev/null; $*"; }

# make_root makes the bare root: Debian 12, make, git, the package sources and certificates of this machine.
make_root() {
  local tree mirror=""
  mirror=$("$HERE/base.sh" mirror)
  tree=$(mktemp -d "${TMPDIR:-/var/tmp}/deis-fresh.XXXXXX")
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf --one-file-system '$tree'; clean_up" EXIT
  say "fresh: debootstrap makes a bare Debian 12"
  if ! debootstrap --variant=minbase --include=make,git,ca-certificates bookworm "$tree/root" ${mirror:+"$mirror"} >"$tree/log" 2>&1; then
    tail -n 20 "$tree/log" >&2
    die "debootstrap failed (its last lines are above)"
  fi
  cp "${CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}" "$tree/root/etc/ssl/certs/ca-certificates.crt"
  "$HERE/base.sh" apt-settings >"$tree/root/etc/apt/apt.conf.d/80machine"
  mkdir -p "$tree/root/usr/local/go"
  cp -a "$(go env GOROOT)/." "$tree/root/usr/local/go/"
  # shellcheck disable=SC2016 # for the shell there
  echo 'export PATH=/usr/local/go/bin:$PATH' >"$tree/root/etc/profile.d/go.sh"
  tar -C "$tree/root" --numeric-owner --one-file-system -c . | docker import --change "LABEL deis.platform=$NAME" - "$IMAGE" >/dev/null
  rm -rf --one-file-system "$tree"
  trap clean_up EXIT
}

# start_host starts the root as a host: what a virtual machine may do but raising limits past this machine's, and a volume for its engine.
start_host() {
  local settings=()
  while read -r line; do settings+=(--env "$line"); done < <(go env GOPROXY GOSUMDB GONOSUMDB GOPRIVATE | paste -d= <(printf '%s\n' GOPROXY GOSUMDB GONOSUMDB GOPRIVATE) -)
  docker network create --label "deis.platform=$NAME" "$NAME" >/dev/null
  docker volume create --label "deis.platform=$NAME" "$NAME" >/dev/null
  docker run --detach --init --name "$NAME" --hostname fresh --label "deis.platform=$NAME" --network "$NAME" \
    --cap-add ALL --cap-drop SYS_RESOURCE \
    --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined \
    --cgroupns host --volume /sys/fs/cgroup:/sys/fs/cgroup --tmpfs /run:exec --tmpfs /tmp:exec \
    --volume "$NAME:/var/lib/docker" --volume "$ROOT:/src:ro" "${settings[@]}" "$IMAGE" sleep infinity >/dev/null
}

# clean_up removes the host and all that is its own; what runs in it is stopped first, so that no control group is left behind.
clean_up() {
  trap - EXIT
  if [[ -n ${KEEP:-} ]]; then
    say "fresh: the host $NAME is left running"
    return
  fi
  # shellcheck disable=SC2016 # for the shell there
  docker exec "$NAME" bash -c "cd $CLONE && deploy/local/down.sh clean; kill \$(cat /run/docker.pid); while [ -e /run/docker.pid ]; do sleep 0.2; done" >/dev/null 2>&1 &
  wait_for $! 90
  docker container rm --force --volumes "$NAME" >/dev/null 2>&1 || true
  docker volume rm "$NAME" >/dev/null 2>&1 || true
  docker network rm "$NAME" >/dev/null 2>&1 || true
  docker image rm "$IMAGE" >/dev/null 2>&1 || true
}

# wait_for waits for a process of ours, at most some seconds.
wait_for() {
  local end=$((SECONDS + $2))
  while kill -0 "$1" 2>/dev/null && ((SECONDS < end)); do sleep 0.2; done
  kill "$1" 2>/dev/null || true
}

packages_of() { docker exec "$NAME" dpkg-query -W -f '${Package}\n' | LC_ALL=C sort; }

# answer asks the demo's app through the router there.
answer() { in_host 'curl --silent --show-error --fail --noproxy "*" --max-time 5 --header "Host: demo.localhost" http://127.0.0.1/'; }

is_answering() { [[ $(answer 2>/dev/null) == *"Powered by Deis"* ]]; }
all_ready() { in_host deploy/local/status.sh >/dev/null 2>&1; }

restart_engine() {
  local pid
  pid=$(docker exec "$NAME" cat /run/docker.pid)
  say "fresh: killing dockerd (pid $pid) and starting it again"
  docker exec "$NAME" bash -c "kill -9 $pid; while kill -0 $pid 2>/dev/null; do sleep 0.1; done"
  in_host deploy/local/engine.sh
}

main() {
  local before after began took
  need_root
  have debootstrap go || die "debootstrap and Go are needed to make the fresh host: run 'make engine' first"
  need_disk "$(docker info --format '{{.DockerRootDir}}')" 12288 "a fresh host"
  trap clean_up EXIT
  make_root
  start_host
  in_host "git config --global safe.directory '*' && git clone --quiet --branch $(git -C "$ROOT" symbolic-ref --short HEAD) file:///src $CLONE"
  before=$(packages_of)
  say "fresh: a host with $(wc -l <<<"$before") packages and $(in_host go version); make demo runs there"
  began=$SECONDS
  timeout "$DEMO_SECONDS" docker exec "$NAME" bash -lc "cd $CLONE && make demo" || die "make demo failed on the fresh host, or took longer than $DEMO_SECONDS s"
  took=$((SECONDS - began))
  say "fresh: make demo took $took s"
  printf '{"seconds": %d, "commit": "%s"}\n' "$took" "$(in_host git rev-parse --short HEAD)" >"$ROOT/bench/results/fresh.json"
  after=$(packages_of)
  say "fresh: installed there: $(comm -13 <(echo "$before") <(echo "$after") | paste -sd ' ')"
  is_answering || die "the app does not answer on the fresh host"
  began=$SECONDS
  restart_engine
  eventually "$BACK_SECONDS" all_ready || { in_host deploy/local/status.sh || true; die "not every component is back $BACK_SECONDS s after the engine's restart"; }
  eventually 60 is_answering || die "the app does not answer after the engine's restart"
  say "fresh: everything is back by itself $((SECONDS - began)) s after dockerd was killed; the app says:"
  answer
}

main
