#!/usr/bin/env bash
# engine.sh finds or installs what the platform runs on (Docker, Compose, debootstrap and a few small tools) on Debian and Ubuntu,
# and starts the engine where nothing does. It says what was missing. "engine.sh test" also finds or installs what the tests use.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

OLDEST_ENGINE=20.10
ENGINE_LOG=${ENGINE_LOG:-/var/log/dockerd.log}
START_SECONDS=60

# first_available prints the first package that apt knows a version of.
first_available() {
  local package
  for package in "$@"; do
    if [[ $(apt-cache policy "$package" 2>/dev/null) == *"Candidate: "[!\(]* ]]; then
      echo "$package"
      return
    fi
  done
  echo "$1"
}

# has_compose tells whether one of the two Composes is there.
has_compose() { have docker-compose || docker compose version >/dev/null 2>&1; }

# missing prints what is not there, one name a line: commands, files, "compose".
missing() {
  local command
  for command in dockerd docker debootstrap ip ss iptables curl git ssh tar; do have "$command" || echo "$command"; done
  has_compose || echo compose
  [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || echo debian-archive-keyring
  [[ -e /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
  [[ $1 != test ]] || missing_for_tests
}

# missing_for_tests adds what only the tests use: a PostgreSQL and an LDAP server for the unit tests, the linter of these scripts, the
# shells that complete commands of deis, what shows its manual pages.
missing_for_tests() {
  local command
  for command in shellcheck zsh fish man mandoc; do have "$command" || echo "$command"; done
  [[ -e /usr/share/bash-completion/bash_completion ]] || echo bash-completion
  compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || echo postgresql
  have slapd || [[ -x /usr/sbin/slapd ]] || echo slapd
}

# packages prints the packages that bring what is missing, which it reads one name a line.
packages() {
  local name
  while read -r name; do
    case $name in
    dockerd) echo docker.io ;;
    docker) first_available docker-cli docker.io ;;
    compose) first_available docker-compose-v2 docker-compose-plugin docker-compose ;;
    ip | ss) echo iproute2 ;;
    man) echo man-db ;;
    ssh) echo openssh-client ;;
    *) echo "$name" ;;
    esac
  done | sort -u
}

is_debian_like() {
  local ID="" ID_LIKE=""
  # shellcheck source=/dev/null
  [[ ! -r /etc/os-release ]] || . /etc/os-release
  [[ " $ID $ID_LIKE " == *" debian "* || $ID == ubuntu ]] && have apt-get
}

install_missing() {
  local names list log
  names=$(missing "$1")
  [[ -n $names ]] || return 0
  is_debian_like || die "please install $(echo "$names" | paste -sd ' ') (Docker Engine $OLDEST_ENGINE or later, Compose, debootstrap): this script installs them on Debian and Ubuntu only"
  need_root
  need_disk /var/lib 1536 "installing Docker"
  log=$(mktemp)
  say "engine: missing: $(echo "$names" | paste -sd ' ')"
  export DEBIAN_FRONTEND=noninteractive
  if ! apt-get update -q >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    die "apt-get update failed (its last lines are above)"
  fi
  list=$(packages <<<"$names")
  say "engine: installing: $(echo "$list" | paste -sd ' ')"
  # A PostgreSQL for tests brings no cluster and no daemon of its own.
  if [[ $list == *postgresql* ]]; then
    mkdir -p /etc/postgresql-common
    [[ -e /etc/postgresql-common/createcluster.conf ]] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  # An LDAP server for tests does not run by itself.
  [[ $list != *slapd* || ! -d /run/systemd/system ]] || systemctl mask --quiet slapd.service
  # shellcheck disable=SC2086 # a list
  if ! apt-get install -qy --no-install-recommends -o Dpkg::Options::=--force-confold $list >"$log" 2>&1; then
    tail -n 10 "$log" >&2
    die "installing $(echo "$list" | paste -sd ' ') failed (apt-get's last lines are above)"
  fi
  rm -f "$log"
  say "engine: installed"
}

answers() { timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# mount_cgroups gives an engine on a machine without systemd the control groups it needs, where nothing mounted them.
mount_cgroups() {
  [[ -z $(ls /sys/fs/cgroup) ]] || return 0
  if have cgroupfs-mount; then cgroupfs-mount; else mount -t cgroup2 none /sys/fs/cgroup; fi
  say "engine: mounted /sys/fs/cgroup"
}

# is_starting tells whether a dockerd that does not answer yet is there. A pid file whose process is gone or is another program goes:
# dockerd refuses to start beside it.
is_starting() {
  local file=/var/run/docker.pid
  [[ -e $file ]] || return 1
  [[ $(cat "/proc/$(cat "$file")/comm" 2>/dev/null) == dockerd ]] && return 0
  rm -f "$file"
  return 1
}

start_engine() {
  answers && return
  [[ -z ${DOCKER_HOST:-} || $DOCKER_HOST == unix:///var/run/docker.sock ]] ||
    die "no engine answers at DOCKER_HOST=$DOCKER_HOST: unset it to use one on this machine"
  need_root
  if [[ -d /run/systemd/system ]]; then
    say "engine: starting docker.service"
    systemctl enable --now --quiet docker.service || true
  elif ! is_starting; then
    say "engine: starting dockerd (log: $ENGINE_LOG)"
    mount_cgroups
    (
      ulimit -n 1048576 2>/dev/null || ulimit -n "$(ulimit -Hn)"
      setsid dockerd >>"$ENGINE_LOG" 2>&1 </dev/null &
    )
  fi
  if ! eventually "$START_SECONDS" answers; then
    if [[ -r $ENGINE_LOG ]]; then tail -n 15 "$ENGINE_LOG" >&2; fi
    die "the engine does not answer after $START_SECONDS s (its log: $ENGINE_LOG, or journalctl -u docker)"
  fi
}

check_version() {
  local version
  version=$(docker version --format '{{.Server.Version}}')
  [[ $(printf '%s\n%s\n' "$OLDEST_ENGINE" "$version" | sort -V | head -1) == "$OLDEST_ENGINE" ]] ||
    die "Docker Engine $version is too old: $OLDEST_ENGINE or later is needed"
}

main() {
  install_missing "${1:-}"
  start_engine
  check_version
}

main "$@"
