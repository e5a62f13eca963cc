#!/usr/bin/env bash
# base.sh makes deis/base, the Debian 13 under every image that is not a lone binary: pulled where an image registry
# answers, else made by debootstrap. It carries the CA bundle of this machine (CA_BUNDLE) and its package sources, so that
# apt-get and TLS work in containers wherever they work here. REFRESH=1 makes it anew, for security updates.
# "base.sh mirror" and "base.sh apt-settings" print what it found, for who makes another root.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SUITE=trixie
CA_BUNDLE=${CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}
ROOT_IMAGE=deis/base:root
PULL_SECONDS=${PULL_SECONDS:-45}

# apt_uris prints "suite uri" for each binary source of this machine, from both forms that apt reads.
apt_uris() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -r $file ]] || continue
    sed -n 's/^[[:space:]]*deb[[:space:]]\+\(\[[^]]*\][[:space:]]*\)\?\([^[:space:]]\+\)[[:space:]]\+\([^[:space:]]\+\).*/\3 \2/p' "$file"
  done
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -r $file ]] || continue
    awk '
      function flush(  i, j, u, s, nu, ns) {
        if (types ~ /(^| )deb( |$)/ && enabled != "no") {
          nu = split(uris, u, " "); ns = split(suites, s, " ")
          for (i = 1; i <= nu; i++) for (j = 1; j <= ns; j++) print s[j], u[i]
        }
        types = uris = suites = enabled = ""
      }
      /^[[:space:]]*$/ { flush(); next }
      /^#/ { next }
      { key = tolower($1); value = $0; sub(/^[^:]*:[[:space:]]*/, "", value) }
      key == "types:" { types = value }
      key == "uris:" { uris = value }
      key == "suites:" { suites = value }
      key == "enabled:" { enabled = tolower(value) }
      END { flush() }' "$file"
  done
}

# mirror prints where this machine fetches a suite of Debian from; nothing when it does not say.
#   mirror SUFFIX   ("" for the archive, "-security")
mirror() {
  local id="" codename=""
  # shellcheck source=/dev/null
  . /etc/os-release
  id=${ID:-} codename=${VERSION_CODENAME:-}
  [[ $id == debian ]] || return 0
  apt_uris | awk -v suite="$codename$1" -v alt="stable$1" '$1 == suite || $1 == alt || $1 == suite "/updates" { print $2; exit }'
}

# apt_settings prints the apt settings that decide whether a download works here: proxies and clock checks.
apt_settings() {
  apt-config dump 2>/dev/null |
    grep -E '^Acquire::((https?::Proxy|https?::Proxy::[^ ]*|Check-Valid-Until|Check-Date) )' |
    grep -vE '""|localhost|127\.0\.0\.' || true
}

# stamp_of_root stands for what the root depends on: the suite, where it comes from, and what the functions that make it say.
stamp_of_root() { hash8 "$SUITE $(mirror "") $(declare -f make_root slim)"; }

# make_root makes deis/base:root, a plain Debian. It runs in a shell of its own, whose end removes the tree.
make_root() {
  if timeout "$PULL_SECONDS" docker pull --quiet "debian:$SUITE-slim" >/dev/null 2>&1; then
    say "base: pulled Debian $SUITE"
    printf 'FROM debian:%s-slim\nLABEL deis.stamp=%s\n' "$SUITE" "$(stamp_of_root)" |
      docker build --quiet --tag "$ROOT_IMAGE" - >/dev/null
    return
  fi
  have debootstrap || die "no image registry answers and debootstrap is not installed: run 'make engine' first"
  say "base: no image registry answers; debootstrap makes Debian $SUITE (about a minute)"
  local tree from
  from=$(mirror "")
  tree=$(mktemp -d "${TMPDIR:-/var/tmp}/deis-base.XXXXXX")
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf --one-file-system '$tree'" EXIT
  if ! debootstrap --variant=minbase --include=ca-certificates "$SUITE" "$tree/root" ${from:+"$from"} >"$tree/log" 2>&1; then
    tail -n 20 "$tree/log" >&2
    die "debootstrap failed (its last lines are above)"
  fi
  slim "$tree/root"
  tar -C "$tree/root" --numeric-owner --one-file-system -c . |
    docker import --change "LABEL deis.stamp=$(stamp_of_root)" --change 'CMD ["bash"]' - "$ROOT_IMAGE" >/dev/null
}

# slim takes from a root what no container reads, now and with every later package.
slim() {
  local root=$1
  mkdir -p "$root/etc/dpkg/dpkg.cfg.d" "$root/etc/apt/apt.conf.d"
  printf '%s\n' 'path-exclude /usr/share/doc/*' 'path-include /usr/share/doc/*/copyright' 'path-exclude /usr/share/man/*' \
    'path-exclude /usr/share/locale/*' 'path-exclude /usr/share/info/*' force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/docker"
  printf '%s\n' 'APT::Install-Recommends "false";' 'Acquire::Languages "none";' 'Acquire::GzipIndexes "true";' >"$root/etc/apt/apt.conf.d/90slim"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  find "$root/usr/share/doc" -type f ! -name copyright -delete
  find "$root/usr/share/doc" -type l -delete
  rm -rf "$root"/usr/share/{man,locale,info}/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/{apt,*.log}
  rm -f "$root/etc/resolv.conf" "$root/etc/hostname"
}

# write_sources writes the package sources of the image: those of this machine for Debian 13. Without any, the root's own stay.
write_sources() {
  local dir=$1 archive security
  archive=$(mirror "") security=$(mirror -security)
  [[ -n $archive ]] || return 0
  mkdir -p "$dir/etc/apt/sources.list.d"
  : >"$dir/etc/apt/sources.list"
  {
    printf 'Types: deb\nURIs: %s\nSuites: %s %s-updates\nComponents: main\n' "$archive" "$SUITE" "$SUITE"
    printf 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n'
    if [[ -n $security ]]; then
      printf '\nTypes: deb\nURIs: %s\nSuites: %s-security\nComponents: main\n' "$security" "$SUITE"
      printf 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n'
    fi
  } >"$dir/etc/apt/sources.list.d/debian.sources"
}

# write_certificates splits the bundle of this machine into the folder whose files update-ca-certificates adds to Debian's own,
# so that installing ca-certificates again loses none; and puts the bundle itself where TLS looks until then.
write_certificates() {
  local dir=$1
  mkdir -p "$dir/usr/local/share/ca-certificates/machine" "$dir/etc/ssl/certs"
  awk -v dir="$dir/usr/local/share/ca-certificates/machine" '
    /-----BEGIN CERTIFICATE-----/ { file = sprintf("%s/%04d.crt", dir, ++n) }
    file { print > file }
    /-----END CERTIFICATE-----/ { close(file); file = "" }' "$CA_BUNDLE"
  cp "$CA_BUNDLE" "$dir/etc/ssl/certs/ca-certificates.crt"
}

# make_context fills a folder with what the finished image is made of.
make_context() {
  cp "$HERE/base/Dockerfile" "$1/"
  mkdir -p "$1/machine/etc/apt/apt.conf.d"
  apt_settings >"$1/machine/etc/apt/apt.conf.d/80machine"
  write_sources "$1/machine"
  write_certificates "$1/machine"
}

# stamp_of_base stands for a context and the root it goes on.
stamp_of_base() {
  { stamp_of_root && find "$1" -type f -printf '%P\n' | LC_ALL=C sort && find "$1" -type f -print0 | LC_ALL=C sort -z | xargs -0 cat; } |
    sha256sum | cut -c1-16
}

make_base() {
  local context=$1 old
  old=$(docker image inspect --format '{{.Id}}' "deis/base:$VERSION" 2>/dev/null || true)
  if ! docker build --build-arg "ROOT_IMAGE=$ROOT_IMAGE" --label "deis.stamp=$2" --tag "deis/base:$VERSION" --tag deis/base:latest \
    "$context" >"$context/log" 2>&1; then
    tail -n 20 "$context/log" >&2
    die "building deis/base failed (its last lines are above)"
  fi
  [[ -z $old ]] || docker image rm "$old" >/dev/null 2>&1 || true # the images made from it still have it
}

main() {
  [[ -r $CA_BUNDLE ]] || die "no CA bundle at $CA_BUNDLE: install ca-certificates or set CA_BUNDLE"
  local stamp context
  context=$(mktemp -d "${TMPDIR:-/var/tmp}/deis-base.XXXXXX")
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$context'" EXIT
  make_context "$context"
  stamp=$(stamp_of_base "$context")
  if [[ -z ${REFRESH:-} && $(image_label "deis/base:$VERSION" deis.stamp) == "$stamp" ]]; then return; fi
  if [[ -n ${REFRESH:-} || $(image_label "$ROOT_IMAGE" deis.stamp) != "$(stamp_of_root)" ]]; then (make_root); fi
  make_base "$context" "$stamp"
  say "base: deis/base:$VERSION is made"
}

case ${1:-} in
"") main ;;
mirror) mirror "" ;;
apt-settings) apt_settings ;;
*) die "base.sh: unknown word $1" ;;
esac
