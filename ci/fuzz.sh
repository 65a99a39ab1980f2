#!/usr/bin/env bash
# Every fuzz target for SECONDS_EACH seconds (10), its corpus first. Installs cargo-fuzz if needed.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-10}
if ! cargo fuzz --version >/dev/null 2>&1; then
    cargo install cargo-fuzz --quiet --locked
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
targets=$(cargo fuzz list)
[ -n "$targets" ] || { echo "there is no fuzz target" >&2; exit 1; }
for target in $targets; do
    if ! cargo fuzz run --sanitizer none "$target" -- \
        -max_total_time="$seconds" -max_len=65536 -print_final_stats=1 >"$log" 2>&1; then
        tail -n 40 "$log"
        echo "fuzz target $target failed: the input is in fuzz/artifacts/$target" >&2
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [ "${runs:-0}" -eq 0 ]; then
        echo "fuzz target $target never ran" >&2
        exit 1
    fi
    echo "$target: $runs runs in $seconds s, no failure"
done
