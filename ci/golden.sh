#!/usr/bin/env bash
# One seed is one run on every build: the digests of sim/golden.txt, in debug and in release, one run
# after the other and eight at once, in one process each. A change of behaviour changes digests:
# `ci/golden.sh --accept` writes the new ones, in a commit of its own that says which behaviour changed
# and why.
set -euo pipefail
cd "$(dirname "$0")/.."
golden=sim/golden.txt
target=${CARGO_TARGET_DIR:-target}

cargo build --quiet --package archivas-sim
cargo build --quiet --release --package archivas-sim

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$target/release/archivas-sim" golden "$golden" --jobs 1 >"$fresh/alone"
"$target/release/archivas-sim" golden "$golden" --jobs 8 >"$fresh/together"
"$target/debug/archivas-sim" golden "$golden" --jobs 8 >"$fresh/debug"
for other in together debug; do
    if ! diff "$fresh/alone" "$fresh/$other"; then
        echo "release, one run after the other (<), and $other (>) give different digests" >&2
        exit 13
    fi
done

if cmp --silent "$golden" "$fresh/alone"; then
    echo "$(grep -vc '^#' "$golden") golden digests hold in debug and release, alone and together"
elif [ "${1:-}" = --accept ]; then
    cp "$fresh/alone" "$golden"
    echo "accepted; now commit $golden alone, and say which behaviour changed and why"
else
    diff "$golden" "$fresh/alone" || true
    echo "digests differ: another behaviour; ci/golden.sh --accept takes it" >&2
    exit 1
fi
