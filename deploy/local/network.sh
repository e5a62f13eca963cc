# shellcheck shell=bash
# The networks of a platform: found or made, on subnets that nothing here uses. Sourced after platform.sh.
#   <name>-platform   the components; etcd has a fixed address in the half that the Engine does not hand out
#   <name>-apps       app containers and one-off runs; no traffic between them
#   <name>-builds, <name>-builds2   slugbuilders and RUN steps. The Engine gives RUN steps raw sockets, with which they could take the
#                     address of who shares their bridge: so there is a network for each build that may run at once

# to_int prints an IPv4 address as a number.
to_int() {
  local a b c d
  IFS=. read -r a b c d <<<"$1"
  echo $(((a << 24) + (b << 16) + (c << 8) + d))
}

# taken_ranges prints "first last" for each IPv4 range that this machine already uses: routes, addresses, resolvers, Docker's networks.
taken_ranges() {
  local range address bits first
  {
    ip -4 -o route show table all | awk '$1 ~ /^(unicast|local|broadcast|blackhole|unreachable|prohibit)$/ { print $2; next } { print $1 }'
    ip -4 -o addr show | awk '{ print $4 }'
    awk '$1 == "nameserver" { print $2 }' /etc/resolv.conf
    docker network ls --quiet | xargs -r docker network inspect --format '{{range .IPAM.Config}}{{println .Subnet}}{{end}}'
  } | grep -E '^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+(/[0-9]+)?$' | sort -u | while read -r range; do
    address=${range%/*} bits=32
    [[ $range != */* ]] || bits=${range#*/}
    ((bits > 0)) || continue
    first=$(($(to_int "$address") & (0xffffffff << (32 - bits)) & 0xffffffff))
    echo "$first $((first + (1 << (32 - bits)) - 1))"
  done
}

# is_free tells whether a /16 meets none of the ranges given on standard input.
is_free() {
  local first last from to
  first=$(to_int "$1")
  last=$((first + 65535))
  while read -r from to; do
    ((to < first || from > last)) || return 1
  done
}

# candidates prints the /16 blocks to try, in an order that depends on the name, so that two platforms seldom want the same.
candidates() {
  local start i
  start=$((16#$(hash8 "$DEIS_NAME") % 128))
  for ((i = 0; i < 128; i++)); do echo "10.$((96 + (start + i) % 128)).0.0"; done
  for i in 31 30 29 28 27; do echo "172.$i.0.0"; done
}

# subnet_of prints the subnet of a network of ours; it refuses one of that name that is not.
subnet_of() {
  local owner
  owner=$(docker network inspect --format '{{index .Labels "deis.platform"}}' "$1" 2>/dev/null) || return 0
  [[ $owner == "$DEIS_NAME" ]] || die "a network $1 is there and is not this platform's: remove it or choose another DEIS_NAME"
  docker network inspect --format '{{(index .IPAM.Config 0).Subnet}}' "$1"
}

# make_network creates one network.
#   make_network NAME BRIDGE SUBNET ICC [OPTION...]
make_network() {
  local name=$1 bridge=$2 subnet=$3 icc=$4
  shift 4
  docker network create --driver bridge --label "deis.platform=$DEIS_NAME" --subnet "$subnet" --gateway "$(nth "$subnet" 1)" \
    --opt "com.docker.network.bridge.name=$bridge" --opt "com.docker.network.bridge.enable_icc=$icc" "$@" "$name" >/dev/null
}

# nth prints the n-th address of a subnet that ends in zero and is not larger than 254 for n.
nth() { echo "${1%.*}.$2"; }

# make_networks creates all of them in one block, or none.
make_networks() {
  local block=$1 prefix=${1%.0.0}
  PLATFORM_SUBNET=$prefix.0.0/24 BUILDS_SUBNET=$prefix.16.0/24 BUILDS2_SUBNET=$prefix.17.0/24 APPS_SUBNET=$prefix.32.0/19
  make_network "$DEIS_NAME-platform" "$PLATFORM_BRIDGE" "$PLATFORM_SUBNET" true --ip-range "$prefix.0.128/25" &&
    make_network "$DEIS_NAME-builds" "$BUILDS_BRIDGE" "$BUILDS_SUBNET" false &&
    make_network "$DEIS_NAME-builds2" "$BUILDS2_BRIDGE" "$BUILDS2_SUBNET" false &&
    make_network "$DEIS_NAME-apps" "$APPS_BRIDGE" "$APPS_SUBNET" false && return
  remove_networks
  return 1
}

# remove_networks removes those that are there; what a crashed container of ours holds is let go first.
remove_networks() {
  local name
  for name in platform builds builds2 apps; do
    if [[ -n $(subnet_of "$DEIS_NAME-$name") ]]; then docker network rm "$DEIS_NAME-$name" >/dev/null; fi
  done
}

# ensure_networks finds or makes the networks and sets PLATFORM_SUBNET APPS_SUBNET BUILDS_SUBNET BUILDS2_SUBNET and the addresses within.
ensure_networks() {
  local block ranges tries=0
  PLATFORM_SUBNET=$(subnet_of "$DEIS_NAME-platform")
  APPS_SUBNET=$(subnet_of "$DEIS_NAME-apps")
  BUILDS_SUBNET=$(subnet_of "$DEIS_NAME-builds")
  BUILDS2_SUBNET=$(subnet_of "$DEIS_NAME-builds2")
  if [[ -z $PLATFORM_SUBNET || -z $APPS_SUBNET || -z $BUILDS_SUBNET || -z $BUILDS2_SUBNET ]]; then
    remove_containers
    remove_networks
    ranges=$(taken_ranges)
    for block in $(candidates); do
      is_free "$block" <<<"$ranges" || continue
      if make_networks "$block"; then break; fi
      tries=$((tries + 1)) PLATFORM_SUBNET=""
      ((tries < 5)) || die "the Engine made no network on five free subnets (its words are above)"
    done
    [[ -n $PLATFORM_SUBNET ]] || die "no free /16 subnet was found in 10.96.0.0-10.223.255.255 and 172.27.0.0-172.31.255.255"
  fi
  export ETCD_ADDRESS APPS_GATEWAY BUILDS_GATEWAY BUILDS2_GATEWAY
  ETCD_ADDRESS=$(nth "$PLATFORM_SUBNET" 2)
  APPS_GATEWAY=$(nth "$APPS_SUBNET" 1)
  BUILDS_GATEWAY=$(nth "$BUILDS_SUBNET" 1)
  BUILDS2_GATEWAY=$(nth "$BUILDS2_SUBNET" 1)
}
