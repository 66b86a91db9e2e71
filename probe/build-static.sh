#!/usr/bin/env bash
# Builds airtight-probe as one static program for an image without anything else in it.
#
#   probe/build-static.sh [TARGET]
#
# TARGET is a Rust target, by default the host's own. Needs Rust and a C compiler for the target (for musl, musl-gcc);
# the network only for crates that cargo does not have yet. The path of the program is the last line of the standard
# output.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${1:-$(rustc -vV | sed -n 's/^host: //p')}"

# With --target, RUSTFLAGS do not reach build scripts and procedural macros, which cannot be static.
# The prefixes keep the paths of this machine out of the program, so that equal sources give equal programs.
cargo_home="${CARGO_HOME:-$HOME/.cargo}"
export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static --remap-path-prefix=$PWD=. --remap-path-prefix=$cargo_home=cargo"
cargo build --locked --profile static --package airtight-probe --bin airtight-probe --target "$target" >&2

target_dir="$(cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')"
program="$target_dir/$target/static/airtight-probe"

# A program that asks for an interpreter or a library does not start where there is none.
if command -v readelf >/dev/null; then
  if readelf --program-headers --dynamic "$program" | grep -E 'INTERP|NEEDED' >&2; then
    echo "build-static: $program is not static" >&2
    exit 1
  fi
fi
echo "$program"
