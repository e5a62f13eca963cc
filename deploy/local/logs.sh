#!/usr/bin/env bash
# logs.sh COMPONENT follows a component's own log from its last 100 lines. Apps' logs are seen with "deis logs".
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/platform.sh"

[[ " $COMPONENTS " == *" ${1:-} "* && -n ${1:-} ]] || die "name a component: make logs C=router (there are: $COMPONENTS)"
exists "$1" || die "$1 of the platform $DEIS_NAME is not started: run 'make up' first"
follow=()
[[ -n ${NO_FOLLOW:-} ]] || follow=(--follow)
exec docker logs --tail "${TAIL:-100}" "${follow[@]}" "$DEIS_NAME-$1"
