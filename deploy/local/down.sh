#!/usr/bin/env bash
# down.sh stops a platform: its containers and its apps' go, its packet filter too; what is in volumes and the images stay, and
# "make up" brings it all back. "down.sh clean" removes the volumes, networks, apps' images and settings of that name as well.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/platform.sh"
. "$HERE/network.sh"

# stop_components stops them in an order in which none makes work for one that is gone: who starts containers first, etcd last.
stop_components() {
  stop controller builder
  remove_containers --filter label=deis.app
  stop router publisher logspout
  stop registry database logger
  stop etcd filter
}

# stop stops components at once with the others named; one that is not there, or is not ours, is passed over.
stop() {
  local component ids
  ids=$(for component in "$@"; do
    docker container ls --quiet --filter "label=deis.platform=$DEIS_NAME" --filter "name=^/$DEIS_NAME-$component\$"
  done)
  # shellcheck disable=SC2086 # a list of ids
  [[ -z $ids ]] || docker container stop $ids >/dev/null
}

# remove_volumes removes the platform's volumes, and those of its containers.
remove_volumes() {
  local names
  names=$(docker volume ls --quiet --filter "label=deis.platform=$DEIS_NAME")
  # shellcheck disable=SC2086 # a list of names
  [[ -z $names ]] || docker volume rm $names >/dev/null
}

# remove_app_images removes what was built for the apps of this platform: images with its label, and names under its registry.
remove_app_images() {
  local registry ids
  registry=127.0.0.1:${REGISTRY_PORT:-5000}/
  ids=$(
    docker image ls --quiet --filter "label=deis.platform=$DEIS_NAME"
    docker image ls --format '{{.Repository}}:{{.Tag}} {{.ID}}' | awk -v prefix="$registry" 'index($1, prefix) == 1 { print $2 }'
  )
  # shellcheck disable=SC2086 # a list of ids; one that another platform's container uses stays
  [[ -z $ids ]] || docker image rm --force $ids >/dev/null 2>&1 || true
}

main() {
  docker version >/dev/null 2>&1 || die "no Docker Engine answers, so nothing runs"
  load_state all || true
  stop_components
  remove_containers
  remove_filter
  say "platform $DEIS_NAME: stopped"
  [[ ${1:-} == clean ]] || return 0
  remove_app_images
  remove_volumes
  remove_networks
  rm -rf --one-file-system "$STATE"
  say "platform $DEIS_NAME: its volumes, networks and settings are removed"
}

main "$@"
