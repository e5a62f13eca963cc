#!/usr/bin/env bash
# filter.sh keeps what separates the apps from the machine: chains of its own in the mangle table, which Docker never touches, for the
# bridges of one platform's apps and builds. It runs on the host's network and looks again every few seconds.
#   filter            keep the chains until stopped; they stay behind, so that a restart of this container opens nothing
#   filter remove     take them away
# Environment:
#   CHAIN      prefix of the chains' names, one for each platform
#   BRIDGES    the bridges of apps and builds, each with the addresses of its containers: name=subnet
#   ADDRESSES  where the router listens for them: addresses of this machine, or "any"
#   PORTS      the router's ports, separated by a comma
#   SUBNETS    the platform's networks, closed to apps and builds
#   STATE      file that says to the router that the rules stand: the boot's id, touched at every look
set -euo pipefail

CHAIN=${CHAIN:?}
LOOK_SECONDS=${LOOK_SECONDS:-5}

# Replies to what came from outside pass; what an app starts itself is judged, in whatever state the connection is.
REPLIES="-m conntrack --ctstate ESTABLISHED,RELATED --ctdir REPLY -j RETURN"

# local_bridges prints the bridges of this machine but those that lead out of it: no other engine's network is for apps. Like all that
# is done at every look it is read from the kernel's files: a program started is a hundred times as dear.
local_bridges() {
  local uplinks=" " name destination mask path
  while read -r name destination _ _ _ _ _ mask _; do
    [[ $destination$mask != 0000000000000000 ]] || uplinks+="$name "
  done </proc/net/route
  for path in /sys/class/net/*/bridge; do
    name=${path#/sys/class/net/} name=${name%/bridge}
    [[ $uplinks == *" $name "* || $name == "*" ]] || echo "$name"
  done
}

# plan4 prints the chains for IPv4: to this machine only the router, past it neither metadata, platform nor other bridges.
plan4() {
  local address subnet bridge
  printf '*mangle\n:%s-IN - [0:0]\n:%s-FW - [0:0]\n' "$CHAIN" "$CHAIN"
  for bridge in $BRIDGES; do # with a false address a packet could pass for a reply
    printf -- '-A %s-IN -i %s ! -s %s -j DROP\n' "$CHAIN" "${bridge%=*}" "${bridge#*=}"
    printf -- '-A %s-FW -i %s ! -s %s -j DROP\n' "$CHAIN" "${bridge%=*}" "${bridge#*=}"
  done
  printf -- '-A %s-IN %s\n' "$CHAIN" "$REPLIES"
  if [[ " $ADDRESSES " == *" any "* ]]; then
    printf -- '-A %s-IN -p tcp -m multiport --dports %s -j RETURN\n' "$CHAIN" "$PORTS"
  else
    for address in $ADDRESSES; do
      printf -- '-A %s-IN -d %s -p tcp -m multiport --dports %s -j RETURN\n' "$CHAIN" "$address" "$PORTS"
    done
  fi
  printf -- '-A %s-IN -j DROP\n' "$CHAIN"
  printf -- '-A %s-FW %s\n' "$CHAIN" "$REPLIES"
  for subnet in 169.254.0.0/16 $SUBNETS; do printf -- '-A %s-FW -d %s -j DROP\n' "$CHAIN" "$subnet"; done
  for bridge in $(local_bridges); do printf -- '-A %s-FW -o %s -j DROP\n' "$CHAIN" "$bridge"; done
  printf 'COMMIT\n'
}

# plan6 prints the chains for IPv6, which the platform's networks do not speak: nothing passes.
plan6() {
  printf '*mangle\n:%s-IN - [0:0]\n:%s-FW - [0:0]\n' "$CHAIN" "$CHAIN"
  printf -- '-A %s-IN -j DROP\n-A %s-FW -j DROP\nCOMMIT\n' "$CHAIN" "$CHAIN"
}

# standing prints what of ours is in a table now.
standing() {
  local rule
  while read -r rule; do
    [[ $rule != *"$CHAIN-"* ]] || echo "$rule"
  done < <("$1" -w -t mangle -S 2>/dev/null)
}

# apply puts a plan in place at once, then sends the bridges' packets through it.
apply() {
  local tool=$1 plan=$2 bridge
  "$tool-restore" -w --noflush <<<"$plan" || return 1
  for bridge in $BRIDGES; do
    jump "$tool" INPUT "${bridge%=*}" "$CHAIN-IN" && jump "$tool" FORWARD "${bridge%=*}" "$CHAIN-FW" || return 1
  done
}

# jump sends the packets of one bridge to a chain, before any other rule, once.
jump() {
  "$1" -w -t mangle -C "$2" -i "$3" -j "$4" 2>/dev/null || "$1" -w -t mangle -I "$2" 1 -i "$3" -j "$4"
}

# remove takes away the jumps, then the chains.
remove() {
  local tool rule chain
  for tool in iptables ip6tables; do
    "$tool" -w -t mangle -S >/dev/null 2>&1 || continue
    standing "$tool" | sed -n 's/^-A \(INPUT\|FORWARD\) /-D \1 /p' | while read -r rule; do
      # shellcheck disable=SC2086 # a rule's words
      "$tool" -w -t mangle $rule
    done
    for chain in "$CHAIN-IN" "$CHAIN-FW"; do
      if "$tool" -w -t mangle -S "$chain" >/dev/null 2>&1; then
        "$tool" -w -t mangle -F "$chain"
        "$tool" -w -t mangle -X "$chain"
      fi
    done
  done
}

# look compares plan and table with what was put in place last, and puts it there again when either differs.
declare -A planned stood
look() {
  local tool=$1 plan=$2
  [[ ${planned[$tool]:-} == "$plan" && ${stood[$tool]:-} == "$(standing "$tool")" ]] && return
  apply "$tool" "$plan" || return 1
  planned[$tool]=$plan
  stood[$tool]=$(standing "$tool")
  echo "filter: $tool rules are in place"
}

keep() {
  local boot said pause
  read -r boot </proc/sys/kernel/random/boot_id
  trap 'exit 0' TERM INT
  # A pipe that nobody writes to is what the pauses wait for.
  exec {pause}<> <(:)
  # Where the kernel has no IPv6, no packet of it comes.
  local six=""
  if [[ -e /proc/net/if_inet6 ]] && ip6tables -w -t mangle -S >/dev/null 2>&1; then six=yes; fi
  while true; do
    if look iptables "$(plan4)" && { [[ -z $six ]] || look ip6tables "$(plan6)"; }; then
      said=""
      [[ ! -e $STATE ]] || read -r said <"$STATE" || true
      # The same words written over themselves touch the file, and leave no moment without them.
      if [[ $said == "$boot" ]]; then echo "$boot" 1<>"$STATE"; else echo "$boot" >"$STATE"; fi
    else
      rm -f "$STATE"
    fi
    read -rt "$LOOK_SECONDS" -u "$pause" || true
  done
}

case ${1:-keep} in
keep)
  : "${BRIDGES:?}" "${ADDRESSES:?}" "${PORTS:?}" "${SUBNETS:?}" "${STATE:?}"
  keep
  ;;
remove) remove ;;
*)
  echo "filter: unknown command: $1" >&2
  exit 2
  ;;
esac
