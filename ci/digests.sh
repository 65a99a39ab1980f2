#!/usr/bin/env bash
# One seed is one run: every scenario gives the same digest in debug and in release, with two seeds
# each. Uses what `cargo test` has built.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
[ -x "$target/debug/archivas-sim" ] || cargo build --workspace --quiet
cargo build --release --quiet --package archivas-sim

digest_of() {
    "$target/$1/archivas-sim" run "$2" --seed "$3" --json | grep -o '"digest":"[0-9a-f]*"' | tail -n 1
}

compared=0
for plan in scenarios/*.toml; do
    [ "$plan" = scenarios/Cargo.toml ] && continue
    scenario=$(basename "$plan" .toml)
    for seed in 7 8; do
        debug=$(digest_of debug "$scenario" "$seed")
        release=$(digest_of release "$scenario" "$seed")
        if [ -z "$debug" ] || [ "$debug" != "$release" ]; then
            echo "$scenario, seed $seed: debug $debug, release $release" >&2
            exit 1
        fi
        compared=$((compared + 1))
    done
done
echo "$compared runs have the same digest in debug and in release"
