#!/usr/bin/env bash
# The model held against the engines that it models, on generated worlds; what came of it is written to docs/fidelity.md.
#
#   ci/oracles.sh [--worlds N] [--seed N]       [default: 300 worlds for each engine, always the same]
#
# Exits 1 if model and engine differ, and 3, aloud, if an engine could not be asked: nothing was compared then. The
# engines are Go modules (oracles/), which Go downloads by name; ORACLES says where the programs go.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
worlds=300
seed=20250704
while [ $# -gt 0 ]; do
  case $1 in
  --worlds) worlds=${2:?--worlds needs a number}; shift 2 ;;
  --seed) seed=${2:?--seed needs a number}; shift 2 ;;
  *) printf 'unknown option: %s\n' "$1" >&2; exit 2 ;;
  esac
done
built=${ORACLES:-target/oracles}
built=$(mkdir -p "$built" && cd "$built" && pwd) || exit 2
records=$built/records
rm -rf "$records" && mkdir -p "$records" || exit 2

skipped() {
  printf 'SKIPPED: %s; the model is not held against any engine\n' "$*"
  exit 3
}

command -v go >/dev/null || skipped "Go is not installed"
command -v cargo >/dev/null || { echo "cargo is missing"; exit 2; }

# An oracle's folder, and the version of the engine that its go.mod names.
build() {
  (cd "$1" && go build -ldflags "-s -w" -o "$2" .)
}

worst=0
note() {
  if [ "$1" -gt "$worst" ] && [ "$worst" -ne 1 ] || [ "$1" -eq 1 ]; then worst=$1; fi
}

cargo build --locked --quiet -p airtight-referee || exit 2
referee=${CARGO_TARGET_DIR:-target}/debug/airtight-referee

cilium() {
  local stack=$1 folder=oracles/cilium/$2 version
  version=$(sed -n 's|^\tgithub.com/cilium/cilium v||p' "$folder/go.mod")
  printf '\n== Cilium %s, stack %s: build\n' "$version" "$stack"
  if ! build "$folder" "$built/cilium-$2"; then
    printf 'SKIPPED: the oracle for Cilium %s cannot be built here; nothing was compared with it\n' "$version"
    note 3
    return
  fi
  printf '== Cilium %s, stack %s: %s worlds\n' "$version" "$stack" "$worlds"
  "$referee" cilium --oracle "$built/cilium-$2" --stack "$stack" --engine "$version" --worlds "$worlds" \
    --seed "$seed" --exceptions oracles/exceptions.yaml --record "$records/cilium-$2.json"
  note $?
}

cilium reference 1.17
cilium latest 1.20

"$referee" page --records "$records" --page docs/fidelity.md || note 3
printf '\n== oracles: exit %s\n' "$worst"
exit "$worst"
