#!/usr/bin/env bash
# Every scenario on real processes, as it stands: about three minutes of real time, most of it waiting.
# What is built for it is the release build that `cargo sim` uses.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet --package archivas --package archivas-sim
# The swarm breaks disks and clocks, which no real machine lends; the other was not tried there yet.
stories=$(cargo sim list scenarios --json | grep -o '"name":"[^"]*"' | cut -d '"' -f 4 | grep -vxE 'swarm|pool-follows-fork')
[ -n "$stories" ] || { echo "there is no story" >&2; exit 1; }
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
