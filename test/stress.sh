#!/bin/sh
# Runs the tests under load, as on a shared machine: `sh test/stress.sh busy` starts two busy loops per
# processor; `sh test/stress.sh third` limits the tests and their child processes to a third of the CPU time.
# Further arguments are passed to Vitest: `sh test/stress.sh third test/nodes`.
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
  # Microseconds per period of 100 ms: a third of all processors.
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
    echo "There is neither a writable cgroup nor systemd-run. Use busy." >&2
    exit 1
  fi
  # rmdir fails while a process of the group is still running.
  trap 'rmdir "$group" 2>/dev/null || true' EXIT
  trap 'exit 130' INT TERM
  sh -c 'echo $$ >"$0/cgroup.procs" && exec vitest run "$@"' "$group" "$@"
  ;;
*) usage ;;
esac
