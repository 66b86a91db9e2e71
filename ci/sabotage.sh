#!/usr/bin/env bash
# What a green run on a cluster is worth: one policy of each kind is deleted from the cluster that `airtight up` made,
# and the cases that would notice it by the model are tried. Each must turn red; `airtight up` then brings the policy
# back, and the same cases must be green again.
#
#   ci/sabotage.sh [STACK] [KIND...]     [default: reference, and every kind that some case notices]
#
# In the environment:
#   REPORT_DIR  folder for the reports [default: reports/sabotage]
#   AIRTIGHT    the program [default: airtight]
#   CASES       how many cases are tried for each kind [default: 12]
#   UP_OPTIONS  options of the `airtight up` that made the cluster, so that it finds the same images again
#
# Needs kubectl and jq. Exits with 1 if a loss went unnoticed, with 3 if nothing could be said of one.
set -uo pipefail

stack=${1:-reference}
[ $# -eq 0 ] || shift
airtight=${AIRTIGHT:-airtight}
reports=${REPORT_DIR:-reports/sabotage}
cases=${CASES:-12}
worst=0

say() { printf '\n== %s\n' "$*"; }

for program in kubectl jq; do
  command -v "$program" >/dev/null || { echo "$program is missing: it deletes the policies, or reads the model's record"; exit 2; }
done
KUBECONFIG=${AIRTIGHT_STATE_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/airtight}/airtight/kubeconfig
export KUBECONFIG
[ -f "$KUBECONFIG" ] || { echo "there is no cluster: \`airtight up --stack $stack\` makes one"; exit 5; }

mkdir -p "$reports" || exit 2
"$airtight" run --stack "$stack" --report-dir "$reports/model" >"$reports/model.log" 2>&1 ||
  { cat "$reports/model.log"; echo "the set does not pass on the model: there is nothing to take away from"; exit 2; }

# The policy of a kind that most cases notice: kind, namespace, name, and a filter for these cases.
chosen() {
  jq -r --argjson most "$cases" '
    [.policies[] | select(.noticedBy | length > 0)] | group_by(.object.kind)[] | max_by(.noticedBy | length)
    | [.object.kind, .object.namespace // "-", .object.name, ([.noticedBy[:$most][] | "id=\(.)"] | join(" or "))]
    | @tsv' "$reports/model/run.json"
}

# Kinds of which another API has one too are named with their group.
resource() {
  case $1 in
    Gateway) echo gateways.gateway.networking.k8s.io ;;
    GatewayParameters) echo gatewayparameters.gateway.kgateway.dev ;;
    NetworkPolicy) echo networkpolicies.networking.k8s.io ;;
    *) echo "$1" ;;
  esac
}

# Name of the reports, filter, and more options of `airtight run`.
attempt() {
  label=$1 filter=$2
  shift 2
  "$airtight" run --testbed kind --stack "$stack" --report json --report-dir "$reports/$label" --filter "$filter" "$@" \
    >"$reports/$label.log" 2>&1
}

count() { jq -r ".summary.$2" "$reports/$1/run.json"; }

remember() { if [ "$worst" -ne 1 ]; then worst=$1; fi; }

while IFS=$'\t' read -r kind namespace name filter <&3; do
  if [ $# -gt 0 ] && [[ " $* " != *" $kind "* ]]; then continue; fi
  say "$kind $namespace/$name"
  scope=()
  if [ "$namespace" != - ]; then scope=(--namespace "$namespace"); fi
  if ! kubectl delete "$(resource "$kind")" "$name" "${scope[@]}" --timeout=60s; then
    echo "UNDECIDED: it cannot be deleted"
    remember 3
    continue
  fi
  # What is missing is an error by itself; the cases are to show it too.
  attempt "$kind-without" "$filter" --accept-drift
  status=$?
  case $status in
    1) echo "noticed: $(count "$kind-without" failed) cases failed, $(count "$kind-without" inconclusive) inconclusive" ;;
    5) if grep -q '^error\[not-in-force\]' "$reports/$kind-without.log"; then
         echo "noticed: no case is tried, since controllers refuse what hung on it"
       else
         echo "UNDECIDED: the run ended with 5 ($reports/$kind-without.log)"
         remember 3
       fi ;;
    0) if attempt "$kind-drift" "$filter"; then
         echo "UNNOTICED: every case passed without it ($reports/$kind-without.log)"
         remember 1
       else
         echo "noticed by no case, since what it made goes on; named as missing: $(grep -m1 '^error\[drift\]' "$reports/$kind-drift.log")"
       fi ;;
    *) echo "UNDECIDED: the run ended with $status ($reports/$kind-without.log)"; remember 3 ;;
  esac
  # shellcheck disable=SC2086 # several options
  if ! "$airtight" up --stack "$stack" ${UP_OPTIONS:-} >"$reports/$kind-up.log" 2>&1; then
    tail -20 "$reports/$kind-up.log"
    echo "the policy could not be brought back; what follows would prove nothing"
    exit 5
  fi
  attempt "$kind-back" "$filter"
  status=$?
  if [ "$status" -ne 0 ]; then
    echo "UNDECIDED: with the policy back, the run ends with $status ($reports/$kind-back.log)"
    remember 3
  fi
done 3< <(chosen)

say "exit $worst"
exit "$worst"
