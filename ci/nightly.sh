#!/usr/bin/env bash
# Every night: the matrix of each stack on a cluster of its own, compared with the last green run.
#
#   ci/nightly.sh [STACK...]        [default: reference latest]
#
# A green run becomes the next baseline, baselines/STACK/run.json (BASELINE_DIR), so that a CI system has nothing to
# keep but this folder. What else is read from the environment is in ci/matrix.sh.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
baselines=${BASELINE_DIR:-baselines}
root=${REPORT_DIR:-reports}
if [ $# -eq 0 ]; then set -- reference latest; fi
worst=0

for stack in "$@"; do
  label=$(basename "$stack" .yaml)
  REPORT_DIR=$root/$label "$here/matrix.sh" "$stack" "$baselines/$label/run.json"
  status=$?
  # Whoever interrupts means all of it.
  if [ "$status" -eq 130 ] || [ "$status" -eq 143 ]; then exit "$status"; fi
  if [ "$status" -ne 0 ]; then
    if [ "$worst" -eq 0 ]; then worst=$status; fi
    continue
  fi
  mkdir -p "$baselines/$label" || exit 2
  cp "$root/$label/run.json" "$baselines/$label/run.json.new" || exit 2
  mv "$baselines/$label/run.json.new" "$baselines/$label/run.json" || exit 2
done

printf '\n== all stacks: exit %s\n' "$worst"
exit "$worst"
