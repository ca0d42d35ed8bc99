#!/bin/sh
# Installs the programs that the tests start, if they are missing: Redis, PostgreSQL, nginx and Chromium.
set -eu

missing() {
  # The tests start REDIS_SERVER instead, for example Valkey.
  [ -n "${REDIS_SERVER:-}" ] || command -v redis-server >/dev/null 2>&1 || printf ' redis-server'
  command -v chromium >/dev/null 2>&1 || printf ' chromium'
  # /usr/sbin is not on the PATH of users other than root.
  [ -x /usr/sbin/nginx ] || printf ' nginx-light'
  # Debian installs each version's programs in a folder that is not on the PATH.
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 ||
    printf ' postgresql'
}

packages=$(missing)
[ -n "$packages" ] || exit 0

install="apt-get update && apt-get install -y --no-install-recommends$packages"
if ! command -v apt-get >/dev/null 2>&1; then
  echo "The tests need$packages. On Debian: sudo sh -c '$install'" >&2
  exit 1
fi

if [ "$(id -u)" = 0 ]; then
  root=
elif sudo -n true 2>/dev/null; then
  root='sudo -n'
else
  echo "The tests need$packages. Install with: sudo sh -c '$install'" >&2
  exit 1
fi

echo "Installing packages for the tests:$packages"
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
