#!/usr/bin/env bash
# Scenarios on real processes, as they stand: about three minutes of real time, most of it waiting.
# What is built for it is the release build that `cargo sim` uses.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet --package archivas --package archivas-sim
# Those that were tried there, or the ones that are named.
stories=${*:-three-nodes-agree partition-heals restart-keeps-tip mempool-broadcast}
for story in $stories; do
    log=$(mktemp)
    if ! cargo sim run "$story" --world processes --quiet >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        echo "$story failed on real processes" >&2
        exit 1
    fi
    rm -f "$log"
    echo "$story passed on real processes"
done
