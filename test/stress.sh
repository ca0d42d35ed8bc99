#!/bin/sh
# Runs the tests on a machine that is made slow, as shared ones are: `sh test/stress.sh busy` beside two busy
# loops for each processor, `sh test/stress.sh third` with a third of the processors' time for all that the tests
# start. Further arguments are Vitest's: `sh test/stress.sh third test/nodes`.
set -eu
cd "$(dirname "$0")/.."

usage() {
  echo "Usage: sh test/stress.sh busy|third [arguments of vitest]" >&2
  exit 2
}

[ $# -gt 0 ] || usage
kind=$1
shift
processors=$(getconf _NPROCESSORS_ONLN)
PATH=$PWD/node_modules/.bin:$PATH
export PATH

case $kind in
busy)
  loops=
  trap 'kill $loops 2>/dev/null' EXIT
  trap 'exit 130' INT TERM
  for _ in $(seq $((2 * processors))); do
    sh -c 'while :; do :; done' &
    loops="$loops $!"
  done
  vitest run "$@"
  ;;
third)
  # In thousandths of a second of each tenth: a third of all processors.
  quota=$((processors * 100000 / 3))
  unified=/sys/fs/cgroup
  if grep -qw cpu "$unified/cgroup.subtree_control" 2>/dev/null && mkdir "$unified/curfew-$$" 2>/dev/null; then
    group=$unified/curfew-$$
    echo "$quota 100000" >"$group/cpu.max"
  elif mkdir "$unified/cpu/curfew-$$" 2>/dev/null; then
    group=$unified/cpu/curfew-$$
    echo 100000 >"$group/cpu.cfs_period_us"
    echo "$quota" >"$group/cpu.cfs_quota_us"
  elif command -v systemd-run >/dev/null 2>&1; then
    exec systemd-run --user --scope --quiet -p "CPUQuota=$((processors * 100 / 3))%" vitest run "$@"
  else
    echo "There is no cgroup that can be written to, and no systemd-run. Use busy." >&2
    exit 1
  fi
  # What outlives the tests, if anything, leaves with their group.
  trap 'rmdir "$group" 2>/dev/null || true' EXIT
  trap 'exit 130' INT TERM
  sh -c 'echo $$ >"$0/cgroup.procs" && exec vitest run "$@"' "$group" "$@"
  ;;
*) usage ;;
esac
