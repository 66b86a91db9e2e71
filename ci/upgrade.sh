#!/usr/bin/env bash
# Before an upgrade: what the matrix comes to on the versions that run today, and on those that are about to.
#
#   ci/upgrade.sh FROM TO           two stacks, such as: reference latest
#
# First by the model, in a second; then, unless TESTBED=model, on a cluster of each. Both comparisons are told; it
# exits as the one on the testbed does. STRICT=1 fails as well on cases that pass in another way than before.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
from=${1:?the stack that runs today is needed}
to=${2:?the stack to upgrade to is needed}
airtight=${AIRTIGHT:-airtight}
testbed=${TESTBED:-kind}
root=${REPORT_DIR:-reports/upgrade}
strict=()
if [ -n "${STRICT:-}" ]; then strict=(--strict); fi

# A stack that does not pass by itself is no ground to compare from, and neither is one that could not be tried.
attempt() {
  TESTBED=$1 REPORT_DIR=$root/$1/$2 "$here/matrix.sh" "$3"
  status=$?
  if [ ! -f "$root/$1/$2/run.json" ]; then
    printf '\n== %s on %s left no record: nothing can be compared\n' "$3" "$1"
    if [ "$status" -eq 0 ]; then status=5; fi
    exit "$status"
  fi
  return "$status"
}

compare() {
  attempt "$1" from "$from"
  before=$?
  attempt "$1" to "$to"
  after=$?
  printf '\n== from %s to %s on %s\n' "$from" "$to" "$1"
  "$airtight" diff "$root/$1/from/run.json" "$root/$1/to/run.json" "${strict[@]}"
  result=$?
  "$airtight" diff "$root/$1/from/run.json" "$root/$1/to/run.json" --output markdown >"$root/$1/diff.md"
  for status in "$before" "$after"; do
    if [ "$result" -eq 0 ]; then result=$status; fi
  done
  return "$result"
}

compare model
status=$?
if [ "$testbed" != model ]; then
  compare "$testbed"
  status=$?
fi
exit "$status"
