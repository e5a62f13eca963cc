#!/usr/bin/env bash
# demo.sh starts a platform and pushes an app to it, as a user would. Login, key and git settings are in a home of their own under the
# platform's state, so that ~/.deis, ~/.ssh and ~/.gitconfig stay as they are. It can be run again.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/platform.sh"

APP=${APP:-demo}
DEMO_HOME=$STATE/demo
ANSWER_SECONDS=60

# as_user runs a command in the demo's home.
as_user() {
  env -u SSH_AUTH_SOCK -u DEIS_PROFILE HOME="$DEMO_HOME" GIT_CONFIG_NOSYSTEM=1 DEIS_APP= \
    GIT_SSH_COMMAND="ssh -F none -i $DEMO_HOME/.ssh/id_ed25519 -o IdentitiesOnly=yes -o UserKnownHostsFile=$DEMO_HOME/.ssh/known_hosts -o StrictHostKeyChecking=accept-new -o ConnectTimeout=10" \
    "$@"
}

deis() { as_user "$ROOT/bin/deis" "$@"; }

# quietly runs a command and shows its words only when it fails.
quietly() {
  local words
  words=$("$@" 2>&1) && return
  printf '%s\n' "$words" >&2
  return 1
}

make_home() {
  mkdir -p "$DEMO_HOME/.ssh"
  chmod 700 "$DEMO_HOME" "$DEMO_HOME/.ssh"
  [[ -e $DEMO_HOME/.ssh/id_ed25519 ]] || ssh-keygen -q -t ed25519 -N "" -C demo -f "$DEMO_HOME/.ssh/id_ed25519"
}

# log_in brings a session: the one that is there, else the demo's user, registered when there is none. Where only the administrator
# registers users and this run has just made him, he is the demo's user.
log_in() {
  local admin_file=$1 url
  url=$(controller_url)
  deis whoami >/dev/null 2>&1 && return
  if [[ -s $admin_file ]]; then
    quietly deis login "$url" --username=admin "--password=$(cat "$admin_file")" || die "the administrator could not log in at $url"
    return
  fi
  [[ -e $DEMO_HOME/password ]] || (umask 077 && head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$DEMO_HOME/password")
  [[ -e $DEMO_HOME/user ]] || echo demo >"$DEMO_HOME/user"
  if ! deis login "$url" "--username=$(cat "$DEMO_HOME/user")" "--password=$(cat "$DEMO_HOME/password")" >/dev/null 2>&1; then
    register "$url" "$(cat "$DEMO_HOME/user")" || register "$url" "demo-$(head -c 3 /dev/urandom | od -An -tx1 | tr -d ' \n')" ||
      die "no user could be registered at $url (its answer is above)"
  fi
}

register() {
  quietly deis register "$1" "--username=$2" "--password=$(cat "$DEMO_HOME/password")" --email=demo@example.com || return 1
  echo "$2" >"$DEMO_HOME/user"
}

add_key() {
  local key
  key=$(<"$DEMO_HOME/.ssh/id_ed25519.pub")
  [[ $(deis keys:list 2>/dev/null) != *"${key: -10}"* ]] || return 0 # the list shows a key's end
  quietly deis keys:add "$DEMO_HOME/.ssh/id_ed25519.pub" || die "the key could not be added (the answer is above)"
}

# make_app has the app's source in a repository, with its remote, and the app on the controller.
make_app() {
  local source=$DEMO_HOME/$APP
  mkdir -p "$source"
  cp -R "$ROOT/examples/go/." "$source/"
  cd "$source"
  [[ -d .git ]] || as_user git init --quiet --initial-branch=master
  as_user git add --all
  as_user git -c user.name=demo -c user.email=demo@example.com commit --quiet --message "Powered by Deis" >/dev/null || true # nothing new
  deis apps:info "--app=$APP" >/dev/null 2>&1 || quietly deis apps:create "$APP" --no-remote || die "the app could not be created (the answer is above)"
  as_user git remote remove deis 2>/dev/null || true
  quietly deis git:remote "--app=$APP" || die "git remote deis could not be added (the answer is above)"
  # Deis clients know one port of git, 2222.
  as_user git remote set-url deis "$(as_user git remote get-url deis | sed "s|:2222/|:$SSH_PORT/|")"
}

# ask asks the app through the router.
ask() {
  local address=${LISTEN%%,*} port=""
  [[ $address != 0.0.0.0 ]] || address=127.0.0.1
  [[ $HTTP_PORT == 80 ]] || port=:$HTTP_PORT
  curl --silent --show-error --fail --noproxy '*' --max-time 10 --header "Host: $APP.$DOMAIN$port" "http://$address:$HTTP_PORT/"
}

main() {
  local began=$SECONDS admin_file
  admin_file=$(mktemp)
  # shellcheck disable=SC2064 # the file of now
  trap "rm -f '$admin_file'" EXIT
  ADMIN_FILE=$admin_file "$HERE/up.sh"
  load_state all
  make_home
  log_in "$admin_file"
  add_key
  make_app
  say ""
  say "\$ git push deis master"
  as_user git push deis master
  eventually "$ANSWER_SECONDS" ask >/dev/null 2>&1 || ask || die "the app does not answer (make status, make logs C=router)"
  say ""
  say "\$ curl $(controller_url | sed "s|//deis\.|//$APP.|")"
  ask
  say ""
  next_steps "$((SECONDS - began))"
}

next_steps() {
  local url
  url=$(controller_url)
  cat <<EOT

The demo took $1 s. What to do next:

  deis() { HOME=$DEMO_HOME $ROOT/bin/deis "\$@"; }   # the demo's user, in this shell
  deis scale web=3 --app=$APP && deis logs --app=$APP

  $ROOT/bin/deis register $url           # a user of your own: then keys:add, create, git push deis master
  make status | make logs C=router | make down | make clean
EOT
}

main "$@"
