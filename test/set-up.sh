#!/bin/sh
# Installs the programs that the tests start, if they are missing: Redis, PostgreSQL, nginx, Chromium and promtool.
set -eu

missing_packages() {
  # The tests start REDIS_SERVER instead, for example Valkey.
  [ -n "${REDIS_SERVER:-}" ] || command -v redis-server >/dev/null 2>&1 || printf ' redis-server'
  command -v chromium >/dev/null 2>&1 || printf ' chromium'
  # /usr/sbin is not on the PATH of users other than root.
  [ -x /usr/sbin/nginx ] || printf ' nginx-light'
  # Debian installs each version's programs in a folder that is not on the PATH.
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 ||
    printf ' postgresql'
}

has_promtool() {
  command -v promtool >/dev/null 2>&1
}

missing() {
  missing_packages
  has_promtool || printf ' promtool'
}

[ -n "$(missing)" ] || exit 0

install="apt-get update"
packages=$(missing_packages)
[ -z "$packages" ] || install="$install; apt-get install -y --no-install-recommends$packages"
# One program of a package that is large and starts a server.
has_promtool ||
  install="$install; cd \"\$(mktemp -d)\" && apt-get download prometheus &&
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar x -C /usr/local --strip-components=2 ./usr/bin/promtool &&
    rm -r \"\$PWD\""
if ! command -v apt-get >/dev/null 2>&1; then
  echo "The tests need$(missing). On Debian: sudo sh -c '$install'" >&2
  exit 1
fi

if [ "$(id -u)" = 0 ]; then
  root=
elif sudo -n true 2>/dev/null; then
  root='sudo -n'
else
  echo "The tests need$(missing). Install with: sudo sh -c '$install'" >&2
  exit 1
fi

echo "Installing programs for the tests:$(missing)"
log=$(mktemp)
# Ignores the exit code: the servers' packages also start services, which fails without a service manager. The
# tests start their own servers and need only the programs.
$root env DEBIAN_FRONTEND=noninteractive sh -c "$install" >"$log" 2>&1 || true
if [ -n "$(missing)" ]; then
  cat "$log" >&2
  echo "Could not install$(missing)" >&2
  exit 1
fi
rm -f "$log"
