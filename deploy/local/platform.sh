# shellcheck shell=bash
# One platform of this machine: its name, its settings and where they are kept. Sourced after lib.sh.

DEIS_NAME=${DEIS_NAME:-deis}
[[ $DEIS_NAME =~ ^[a-z][a-z0-9-]{0,30}$ ]] || die "DEIS_NAME=$DEIS_NAME: a name is at most 31 small letters, digits and hyphens, a letter first"

# STATE holds what must outlive a command: the settings in env, the demo's home.
STATE=${XDG_STATE_HOME:-/var/lib}/deis/$DEIS_NAME

# The bridges' names have at most 15 characters, so a hash stands for the platform's.
ID=$(hash8 "$DEIS_NAME")
PLATFORM_BRIDGE=deis-p-$ID
APPS_BRIDGE=deis-a-$ID
BUILDS_BRIDGE=deis-b-$ID
BUILDS2_BRIDGE=deis-c-$ID
FILTER_CHAIN=DEIS-$ID

# COMPONENTS of a platform. The order is that of "make up".
export COMPONENTS="etcd filter database registry logger logspout publisher controller builder router"

# SETTINGS are the variables of the state file, which compose.yaml reads.
SETTINGS=(LISTEN DOMAIN CONTROLLER_TAG HTTP_PORT HTTPS_PORT SSH_PORT HEALTH_PORT REGISTRY_PORT ROUTER_HEALTH_PORT PUBLISHER_HEALTH_PORT
  PLATFORM_SUBNET APPS_SUBNET BUILDS_SUBNET BUILDS2_SUBNET ETCD_ADDRESS APPS_GATEWAY BUILDS_GATEWAY BUILDS2_GATEWAY)

export DEIS_NAME PLATFORM_BRIDGE APPS_BRIDGE BUILDS_BRIDGE BUILDS2_BRIDGE FILTER_CHAIN

# load_state sets the settings as the last start left them: "all", or only those that are "unset". It fails when there was no start.
load_state() {
  local name value
  [[ -r $STATE/env ]] || return 1
  while IFS='=' read -r name value; do
    [[ " ${SETTINGS[*]} " == *" $name "* ]] || continue
    [[ $1 == all || -z ${!name:-} ]] || continue
    printf -v "$name" '%s' "$value"
  done <"$STATE/env"
  export_settings
}

# save_state keeps the settings.
save_state() {
  local name
  mkdir -p "$STATE"
  chmod 700 "$STATE"
  for name in "${SETTINGS[@]}"; do printf '%s=%s\n' "$name" "${!name:-}"; done >"$STATE/env.new"
  mv "$STATE/env.new" "$STATE/env"
}

# export_settings gives Compose what compose.yaml names, also what follows from the settings.
export_settings() {
  # shellcheck disable=SC2163 # the names are in the list
  export "${SETTINGS[@]}"
  local address
  export ROUTER_LISTEN=$LISTEN FILTER_ADDRESSES="${APPS_GATEWAY:-} ${BUILDS_GATEWAY:-} ${BUILDS2_GATEWAY:-}"
  export CONTROLLER_IMAGE=deis/controller:${CONTROLLER_TAG:-$VERSION} LOG_LEVEL=${LOG_LEVEL:-info}
  DOCKER_GID=$(stat -c %g /var/run/docker.sock)
  export DOCKER_GID
  if is_wildcard; then
    FILTER_ADDRESSES=any
    return
  fi
  ROUTER_LISTEN=$LISTEN,${APPS_GATEWAY:-},${BUILDS_GATEWAY:-},${BUILDS2_GATEWAY:-}
  for address in ${LISTEN//,/ }; do
    [[ $address == 127.* ]] || FILTER_ADDRESSES+=" $address"
  done
}

# is_wildcard tells whether the router listens on every address; is_exposed whether others than this machine's users reach it.
is_wildcard() { [[ ,$LISTEN, == *,0.0.0.0,* ]]; }
is_exposed() {
  local address
  for address in ${LISTEN//,/ }; do
    [[ $address == 127.* ]] || return 0
  done
  return 1
}

# compose runs either Compose on the platform's file. What the environment calls itself in Compose's own variables is not ours.
compose() {
  local tool=(docker-compose)
  if docker compose version >/dev/null 2>&1; then tool=(docker compose); fi
  env -u COMPOSE_FILE -u COMPOSE_PROJECT_NAME -u COMPOSE_PROFILES "${tool[@]}" --project-name "$DEIS_NAME" --file "$HERE/compose.yaml" \
    --project-directory "$HERE" "$@"
}

# exists tells whether the platform has a container, running or not; is_running whether it runs.
exists() { docker container inspect "$DEIS_NAME-$1" >/dev/null 2>&1; }
is_running() { [[ $(docker container inspect --format '{{.State.Running}}' "$DEIS_NAME-$1" 2>/dev/null) == true ]]; }

# address_of prints a component's address on the platform's network.
address_of() {
  docker container inspect --format "{{with index .NetworkSettings.Networks \"$DEIS_NAME-platform\"}}{{.IPAddress}}{{end}}" "$DEIS_NAME-$1" 2>/dev/null
}

# health_url prints where a component says how it is.
health_url() {
  case $1 in
  etcd) echo "http://$ETCD_ADDRESS:2379/health" ;;
  router) echo "http://127.0.0.1:$ROUTER_HEALTH_PORT/readyz" ;;
  publisher) echo "http://127.0.0.1:$PUBLISHER_HEALTH_PORT/readyz" ;;
  *) echo "http://$(address_of "$1"):9000/readyz" ;;
  esac
}

# is_ready asks a component once whether it serves. The filter speaks by its file.
is_ready() {
  is_running "$1" || return 1
  if [[ $1 == filter ]]; then
    docker exec "$DEIS_NAME-filter" test -s /run/deis-filter/ready 2>/dev/null
  else
    curl --silent --fail --noproxy '*' --max-time 2 --output /dev/null "$(health_url "$1")"
  fi
}

# controller_url prints where this machine's users reach the controller.
controller_url() {
  local port=""
  [[ $HTTP_PORT == 80 ]] || port=:$HTTP_PORT
  echo "http://deis.$DOMAIN$port"
}

# remove_containers removes what carries the platform's label and more filters; a name that is not ours is not touched.
remove_containers() {
  local ids
  ids=$(docker container ls --all --quiet --filter "label=deis.platform=$DEIS_NAME" "$@")
  # shellcheck disable=SC2086 # a list of ids
  [[ -z $ids ]] || docker container rm --force --volumes $ids >/dev/null
}

# remove_filter takes the platform's chains away, by the image that put them there, if it is still here.
remove_filter() {
  docker image inspect "deis/filter:$VERSION" >/dev/null 2>&1 || return 0
  docker run --rm --network host --cap-drop ALL --cap-add NET_ADMIN --read-only --tmpfs /run --label "deis.platform=$DEIS_NAME" \
    --env "CHAIN=$FILTER_CHAIN" "deis/filter:$VERSION" remove
}
