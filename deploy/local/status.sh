#!/usr/bin/env bash
# status.sh shows a platform's components: whether they run and serve, where, and the memory they use. It fails when one does not serve.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/platform.sh"

# where prints the ports that reach a component from this machine.
where() {
  case $1 in
  etcd) echo "$ETCD_ADDRESS:2379" ;;
  router) echo "$LISTEN http $HTTP_PORT, https $HTTPS_PORT, git $SSH_PORT, health $HEALTH_PORT" ;;
  registry) echo "127.0.0.1:$REGISTRY_PORT" ;;
  publisher | filter) echo "host" ;;
  *) address_of "$1" ;;
  esac
}

main() {
  local component state ready memory failed=0
  local -A used
  docker version >/dev/null 2>&1 || die "no Docker Engine answers: run 'make up' first"
  load_state all || die "there is no platform $DEIS_NAME on this machine: run 'make up' first"
  while read -r component memory; do used[${component#"$DEIS_NAME-"}]=$memory; done < <(
    docker container ls --quiet --filter "label=deis.platform=$DEIS_NAME" | xargs -r docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' | sed 's| / .*||'
  )
  printf '%-11s %-11s %-6s %-10s %s\n' COMPONENT STATE READY MEMORY WHERE
  for component in $COMPONENTS; do
    state=$(docker container inspect --format '{{.State.Status}}' "$DEIS_NAME-$component" 2>/dev/null || echo absent)
    ready=no
    if [[ $state == running ]] && is_ready "$component"; then ready=yes; else failed=1; fi
    memory=${used[$component]:--}
    printf '%-11s %-11s %-6s %-10s %s\n' "$component" "$state" "$ready" "$memory" "$([[ $state != running ]] || where "$component")"
  done
  say "apps: $(docker container ls --quiet --filter "label=deis.platform=$DEIS_NAME" --filter label=deis.app | wc -l) containers; controller: $(controller_url)"
  return "$failed"
}

main "$@"
