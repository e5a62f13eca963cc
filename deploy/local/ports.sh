# shellcheck shell=bash
# The ports a platform takes on this machine. Sourced after platform.sh.

# holders prints "address user" for each listening TCP socket on a port.
holders() {
  ss -Hltnp "sport = :$1" | awk '{ print $4, $6 }' |
    sed -n 's/^\(.*\):[0-9]* *\(users:(("\([^"]*\)",pid=\([0-9]*\).*\)\?$/\1 \3 \4/p'
}

# check_port refuses a port that something else holds on an address the platform wants.
#   check_port VARIABLE PORT ADDRESSES   (separated by a comma)
check_port() {
  local variable=$1 port=$2 wanted=",$3," address program pid
  [[ $port =~ ^[1-9][0-9]{0,4}$ && $port -le 65535 ]] ||
    die "$variable=$port: a port is a number from 1 to 65535 (0 chooses a free one)"
  while read -r address program pid; do
    case $address in
    "*" | 0.0.0.0 | "[::]") ;;
    *) [[ $wanted == *",$address,"* || $wanted == *,0.0.0.0,* ]] || continue ;;
    esac
    die "port $port is taken by ${program:-another program}${pid:+ (pid $pid)}: stop it, or choose another with $variable="
  done < <(holders "$port")
}

# free_port prints a port that nothing holds, below those the kernel hands out, and none of those given.
free_port() {
  local port tries
  for ((tries = 0; tries < 200; tries++)); do
    port=$((20000 + RANDOM % 10000))
    [[ " $* " != *" $port "* && -z $(holders "$port") ]] || continue
    echo "$port"
    return
  done
  die "no free port was found between 20000 and 29999"
}

# choose_ports settles every port: what the environment says, else the last start's, else the default; 0 means a free one. What the
# running router, registry and publisher of this platform hold already is theirs.
choose_ports() {
  local variable fallback component addresses held chosen=()
  while read -r variable fallback component addresses; do
    # A second platform on a machine finds its own inner ports.
    [[ $DEIS_NAME == deis || $variable =~ ^(HTTP|HTTPS|SSH|HEALTH)_PORT$ ]] || fallback=0
    [[ -n ${!variable:-} ]] || printf -v "$variable" '%s' "$fallback"
    held=$(held_port "$variable")
    if [[ ${!variable} == 0 ]]; then
      printf -v "$variable" '%s' "$(free_port "${chosen[@]}")"
    elif [[ ${!variable} != "$held" ]] || ! is_running "$component"; then
      if [[ -z ${GIVEN[$variable]:-} && $variable =~ ^(REGISTRY|ROUTER_HEALTH|PUBLISHER_HEALTH)_PORT$ && -n $(holders "${!variable}") ]]; then
        printf -v "$variable" '%s' "$(free_port "${chosen[@]}")"
      fi
      check_port "$variable" "${!variable}" "$addresses"
    fi
    [[ " ${chosen[*]} " != *" ${!variable} "* ]] || die "$variable=${!variable}: another port of the platform has that number"
    chosen+=("${!variable}")
  done <<EOP
HTTP_PORT 80 router $LISTEN
HTTPS_PORT 443 router $LISTEN
SSH_PORT 2222 router $LISTEN
HEALTH_PORT 9090 router $LISTEN
REGISTRY_PORT 5000 registry 127.0.0.1
ROUTER_HEALTH_PORT 9001 router 127.0.0.1
PUBLISHER_HEALTH_PORT 9002 publisher 127.0.0.1
EOP
}

# held_port prints the port of the last start.
held_port() { [[ ! -r $STATE/env ]] || sed -n "s/^$1=//p" "$STATE/env"; }
