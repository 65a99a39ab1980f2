#!/usr/bin/env bash
# Every fuzz target for SECONDS_EACH seconds (10), its corpus first. Installs cargo-fuzz if needed.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-10}
if ! cargo fuzz --version >/dev/null 2>&1; then
    cargo install cargo-fuzz --quiet --locked
fi
for target in $(cargo fuzz list); do
    echo "-- $target: $seconds s"
    cargo fuzz run --sanitizer none "$target" -- -max_total_time="$seconds" -max_len=65536 -print_final_stats=1 2>&1 |
        grep -E '^stat::|ERROR|panicked|SUMMARY' || true
    test "${PIPESTATUS[0]}" -eq 0
done
