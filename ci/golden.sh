#!/usr/bin/env bash
# One seed is one run on every build: the digests of sim/golden.txt, in debug and in release, alone and
# beside other runs. A change of behaviour changes digests: `ci/golden.sh --accept` writes the new ones,
# in a commit of its own that says which behaviour changed and why.
set -euo pipefail
cd "$(dirname "$0")/.."
golden=sim/golden.txt
target=${CARGO_TARGET_DIR:-target}

cargo build --quiet --package archivas-sim
cargo build --quiet --release --package archivas-sim

# Prints the digest of a scenario and seed by the build of a profile.
digest() {
    "$target/$1/archivas-sim" run "$2" --seed "$3" --json | sed -n 's/.*"digest":"\([0-9a-f]*\)".*/\1/p'
}

fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
grep '^#' "$golden" >"$fresh"
differs=0
while read -r scenario seed known; do
    release=$(digest release "$scenario" "$seed")
    debug=$(digest debug "$scenario" "$seed")
    echo "$scenario $seed $release" >>"$fresh"
    if [ "$debug" != "$release" ]; then
        echo "$scenario $seed: debug gives $debug, release $release" >&2
        exit 13
    fi
    if [ "$release" != "$known" ]; then
        echo "$scenario $seed: $release, was $known"
        differs=$((differs + 1))
    fi
done < <(grep -v '^#' "$golden")

if [ "$differs" -eq 0 ]; then
    echo "$(grep -vc '^#' "$golden") golden digests hold in debug and release"
elif [ "${1:-}" = --accept ]; then
    cp "$fresh" "$golden"
    echo "$differs digests accepted"
else
    echo "$differs digests differ: another behaviour; ci/golden.sh --accept takes it" >&2
    exit 1
fi
