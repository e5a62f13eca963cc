#!/usr/bin/env bash
# up.sh starts a platform, or what of it is not running, and waits until each component serves. Settings come from the environment,
# else from the last start, else they are the defaults:
#   DEIS_NAME=deis  HTTP_PORT=80 HTTPS_PORT=443 SSH_PORT=2222 HEALTH_PORT=9090 (0: a free one)  LISTEN=127.0.0.1  DOMAIN=localhost
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/platform.sh"
. "$HERE/ports.sh"
. "$HERE/network.sh"

READY_SECONDS=${READY_SECONDS:-90}
FLOOR_MB=1024

# GIVEN names the settings that the user gave now: those are never replaced.
declare -A GIVEN

read_settings() {
  local variable address
  for variable in HTTP_PORT HTTPS_PORT SSH_PORT HEALTH_PORT REGISTRY_PORT ROUTER_HEALTH_PORT PUBLISHER_HEALTH_PORT; do
    [[ -z ${!variable:-} ]] || GIVEN[$variable]=yes
  done
  # The subnets are the networks', whatever the environment or the state says.
  unset PLATFORM_SUBNET APPS_SUBNET BUILDS_SUBNET BUILDS2_SUBNET ETCD_ADDRESS APPS_GATEWAY BUILDS_GATEWAY BUILDS2_GATEWAY
  load_state unset || true
  LISTEN=${LISTEN:-127.0.0.1}
  DOMAIN=${DOMAIN:-localhost}
  [[ $DOMAIN =~ ^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$ ]] || die "DOMAIN=$DOMAIN: a domain is small letters, digits, hyphens and dots"
  for address in ${LISTEN//,/ }; do
    [[ $address == 0.0.0.0 || $address == 127.* || $(ip -4 -o addr show) == *" $address/"* ]] ||
      die "LISTEN=$address: this machine has no such address (it is IPv4 addresses, separated by commas, or 0.0.0.0)"
  done
}

# clean_leftovers removes what a crashed run of this name left: containers that do not run, builds without their builder. It refuses
# names that someone else's containers have, and touches nothing else.
clean_leftovers() {
  local component owner
  for component in $COMPONENTS; do
    exists "$component" || continue
    owner=$(docker container inspect --format '{{index .Config.Labels "deis.platform"}}' "$DEIS_NAME-$component")
    [[ $owner == "$DEIS_NAME" ]] || die "a container $DEIS_NAME-$component is there and is not this platform's: remove it or choose another DEIS_NAME"
    is_running "$component" || docker container rm --force "$DEIS_NAME-$component" >/dev/null
  done
  is_running builder || remove_containers --filter label=deis.build
}

check_images() {
  local component image
  for component in $COMPONENTS slugbuilder slugrunner; do
    image=deis/$component:$VERSION
    if [[ $component == controller && -n ${CONTROLLER_TAG:-} ]]; then image=deis/controller:$CONTROLLER_TAG; fi
    docker image inspect "$image" >/dev/null 2>&1 || die "the image $image is not made yet: run 'make images'"
  done
}

# start has Compose start some components, and shows its words only when it fails.
start() {
  local log
  log=$(mktemp)
  if ! compose up --detach --no-deps "$@" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "Compose did not start $* (its last lines are above)"
  fi
  rm -f "$log"
}

# await waits for components, one after the other, and shows each. One that is not ready in time is named, with its last lines.
await() {
  local component began
  for component in "$@"; do
    printf '  %-10s ' "$component"
    began=$SECONDS
    if ! eventually "$READY_SECONDS" is_ready "$component"; then
      say "not ready after $READY_SECONDS s"
      why_not "$component"
    fi
    say "ready ($((SECONDS - began)) s)"
  done
}

# why_not ends the start with what is known about a component.
why_not() {
  local url
  {
    echo
    echo "state: $(docker container inspect --format '{{.State.Status}}, exit code {{.State.ExitCode}}, restarted {{.RestartCount}} times' "$DEIS_NAME-$1" 2>&1)"
    url=$(health_url "$1")
    [[ $1 == filter ]] || echo "$url: $(curl --silent --show-error --noproxy '*' --max-time 2 "$url" 2>&1 | head -c 600)"
    echo "its last lines:"
    docker logs --tail 20 "$DEIS_NAME-$1" 2>&1 | sed 's/^/  /'
  } >&2
  die "$1 is not ready (more: make logs C=$1; make down stops the rest)"
}

# etcdctl speaks to the platform's etcd.
etcdctl() { docker exec "$DEIS_NAME-etcd" etcdctl --endpoints "http://$ETCD_ADDRESS:2379" "$@"; }

# close_registration makes the platform's administrator before the router lets anyone in: whoever registers first owns the machine.
close_registration() {
  local password answer code
  is_exposed || return 0
  if [[ ! -e $STATE/administrator ]]; then
    password=$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
    answer=$(curl --silent --show-error --noproxy '*' --max-time 30 --write-out '\n%{http_code}' --header 'Content-Type: application/json' \
      --data "{\"username\":\"admin\",\"password\":\"$password\",\"email\":\"admin@deis.$DOMAIN\"}" \
      "http://$(address_of controller):8000/v1/auth/register/") || die "the controller did not answer when the administrator was to be made"
    code=${answer##*$'\n'}
    case $code in
    201) note_administrator "$password" "$answer" ;;
    400 | 403) say "users are registered here already: the first of them is the administrator" ;;
    *) die "the administrator was not made: the controller answered $code ${answer%$'\n'*}" ;;
    esac
    : >"$STATE/administrator"
  fi
  etcdctl put /deis/controller/registrationMode admin_only >/dev/null
}

# note_administrator shows the password, once. A demo that asked for it by ADMIN_FILE logs in with it.
note_administrator() {
  if [[ $2 != *'"is_superuser":true'* && $2 != *'"is_superuser": true'* ]]; then
    say "a user was registered here before: that first user is the administrator, 'admin' is a user with password $1"
    return
  fi
  say ""
  say "  administrator:  admin"
  say "  password:       $1      (shown once)"
  say ""
  [[ -z ${ADMIN_FILE:-} ]] || printf '%s\n' "$1" >"$ADMIN_FILE"
}

main() {
  need_root
  docker version >/dev/null 2>&1 || die "no Docker Engine answers: run 'make engine' first"
  read_settings
  need_disk "$(docker info --format '{{.DockerRootDir}}')" "$FLOOR_MB" "the platform"
  clean_leftovers
  choose_ports
  check_images
  ensure_networks
  export_settings
  save_state
  say "platform $DEIS_NAME: networks $PLATFORM_SUBNET $APPS_SUBNET $BUILDS_SUBNET $BUILDS2_SUBNET"
  start etcd filter
  await etcd filter
  etcdctl put /deis/platform/domain "$DOMAIN" >/dev/null
  start database registry logger logspout publisher controller builder
  await database registry logger logspout publisher controller builder
  close_registration
  start router
  await router
  say "platform $DEIS_NAME serves: $(controller_url), git on port $SSH_PORT, apps at http://<app>.$DOMAIN$([[ $HTTP_PORT == 80 ]] || echo ":$HTTP_PORT")"
}

main "$@"
