#!/usr/bin/env bash
# The matrix of one stack, on one testbed: cluster up, run, compare with a baseline, cluster down.
#
#   ci/matrix.sh STACK [BASELINE]
#
# STACK     reference, latest, or a stack file
# BASELINE  the run.json to compare with; one that does not exist is no error, and is said
#
# In the environment:
#   TESTBED      kind (default), or model: nothing is brought up
#   REPORT_DIR   folder for the reports [default: reports/STACK]
#   AIRTIGHT     the program [default: airtight]
#   UP_OPTIONS   more options for `airtight up`, such as --registry-mirror URL
#   RUN_OPTIONS  more options for `airtight run`
#
# Exits as the worst of its steps does; the cluster is removed however it ends.
set -uo pipefail

stack=${1:?the name of a stack is needed: reference, latest, or a stack file}
baseline=${2:-}
testbed=${TESTBED:-kind}
airtight=${AIRTIGHT:-airtight}
label=$(basename "$stack" .yaml)
reports=${REPORT_DIR:-reports/$label}
cluster=airtight-$label
worst=0

say() { printf '\n== %s: %s\n' "$label" "$*"; }

# Keeps what went wrong first: a failed `up` matters more than the run that was not made after it.
remember() { if [ "$worst" -eq 0 ]; then worst=$1; fi; }

# For the page of the CI run; without one, the files in the reports folder say the same.
summarise() { if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then cat >>"$GITHUB_STEP_SUMMARY"; fi; }

# With the cluster goes what its nodes could have said. A failed `up` has exported it already.
keep_logs() {
  exported=${AIRTIGHT_STATE_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/airtight}/$cluster/logs
  say "the nodes' logs are kept in $reports/logs"
  if [ -d "$exported" ]; then
    cp -R "$exported" "$reports/logs"
  else
    kind export logs "$reports/logs" --name "$cluster" >/dev/null || echo "they could not be read"
  fi
}

remove() {
  status=$?
  trap - EXIT
  if [ "$worst" -eq 0 ]; then worst=$status; fi
  if [ "$testbed" = kind ]; then
    if [ "$worst" -ne 0 ]; then keep_logs; fi
    say "the cluster goes away"
    "$airtight" down --name "$cluster" || remember $?
  fi
  exit "$worst"
}

compare() {
  summarise <"$reports/summary.md"
  if [ ! -f "$baseline" ]; then
    say "no green run to compare with (${baseline:-none was named})"
    echo "_No green run to compare with._" | summarise
    return 0
  fi
  say "compared with the last green run"
  "$airtight" diff "$baseline" "$reports/run.json"
  compared=$?
  "$airtight" diff "$baseline" "$reports/run.json" --output markdown >"$reports/diff.md"
  summarise <"$reports/diff.md"
  return $compared
}

mkdir -p "$reports" || exit 2
# A report of another day must not be taken for today's.
rm -rf "$reports"/{run.json,junit.xml,report.html,summary.md,diff.md,evidence,logs}
trap remove EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ "$testbed" = kind ]; then
  say "what the machine lacks"
  "$airtight" preflight --stack "$stack" || { remember $?; exit; }
  say "a cluster"
  # A second attempt goes on where the first stopped, which is what a slow registry needs.
  # shellcheck disable=SC2086 # options are words
  "$airtight" up --stack "$stack" --name "$cluster" ${UP_OPTIONS:-} ||
    "$airtight" up --stack "$stack" --name "$cluster" ${UP_OPTIONS:-} || { remember $?; exit; }
  on=(--name "$cluster")
else
  on=()
fi

say "the matrix on $testbed"
# shellcheck disable=SC2086 # options are words
"$airtight" run --testbed "$testbed" --stack "$stack" "${on[@]}" --report-dir "$reports" ${RUN_OPTIONS:-}
remember $?

if [ -f "$reports/run.json" ]; then
  compare || remember $?
else
  say "the run left no record"
  printf '## ❌ %s: the run left no record\n\nThe log of this step says why.\n' "$label" | summarise
  remember 5
fi
