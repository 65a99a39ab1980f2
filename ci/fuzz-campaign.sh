#!/usr/bin/env bash
# Fuzzes on where the last campaign ended, one target after the other (or those named), at idle priority,
# until each has had MINUTES (15) of processor time, or FULL_MINUTES (60) where all peers' bytes go through.
# What each has had so far stands in fuzz/figures.tsv; an input that fails is left in fuzz/artifacts and its
# target passed over. A second process may run beside the first. Builds the targets if BINARIES is not set.
set -euo pipefail
cd "$(dirname "$0")/.."
figures=$PWD/fuzz/figures.tsv slice=${SLICE:-120}
binaries=${BINARIES:-}
if [ -z "$binaries" ]; then
    cargo fuzz build --sanitizer none
    binaries=$(dirname "$(find "$PWD/fuzz/target" -path '*release/block_decode' -type f | head -n 1)")
fi
[ -f "$figures" ] || printf 'target\tcpu_seconds\truns\tfindings\n' >"$figures"

minutes_of() {
    case $1 in
        tx_decode | block_decode | frame_codec | peer_session) echo "${FULL_MINUTES:-60}" ;;
        *) echo "${MINUTES:-15}" ;;
    esac
}

had() { awk -F'\t' -v t="$1" '$1 == t { print $2 }' "$figures"; }

# Adds processor seconds, runs and findings to a target's line.
add() {
    (
        flock 9
        awk -F'\t' -v OFS='\t' -v t="$1" -v s="$2" -v r="$3" -v f="$4" '
            NR == 1 { print; next }
            $1 == t { $2 += s; $3 += r; $4 += f; seen = 1 }
            { print }
            END { if (!seen) print t, s, r, f }' "$figures" >"$figures.new"
        { head -n 1 "$figures.new"; tail -n +2 "$figures.new" | sort; } >"$figures"
        rm "$figures.new"
    ) 9>fuzz/target/figures.lock
}

# One slice of a target, unless another process is at it.
fuzz() {
    local target=$1 log words=() code=0 cpu runs
    log=$(mktemp)
    [ ! -f "fuzz/dictionaries/$target.dict" ] || words=(-dict="fuzz/dictionaries/$target.dict")
    mkdir -p "fuzz/artifacts/$target"
    TIMEFORMAT='cpu %U %S'
    { time chrt --idle 0 "$binaries/$target" "fuzz/corpus/$target" -max_total_time="$slice" -max_len=65536 \
        -seed="$RANDOM" -rss_limit_mb=2048 -timeout=60 -print_final_stats=1 \
        -artifact_prefix="fuzz/artifacts/$target/" "${words[@]}" >"$log" 2>&1 || code=$?; } 2>>"$log.time" || true
    cpu=$(awk '$1 == "cpu" { printf "%d", $2 + $3 }' "$log.time")
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    [ "$code" -eq 0 ] || { tail -n 30 "$log" >&2; echo "fuzz target $target failed" >&2; }
    add "$target" "$cpu" "${runs:-0}" "$((code != 0))"
    printf '%-20s %6s cpu s %12s runs\n' "$target" "$(had "$target")" "$runs"
    rm -f "$log" "$log.time"
    return "$code"
}

targets=${*:-$(cargo fuzz list | grep -v plan_player)} failed=0 worked=1
while [ "$worked" -eq 1 ]; do
    worked=0
    for target in $targets; do
        had=$(had "$target")
        if [ "${had:-0}" -ge $(($(minutes_of "$target") * 60)) ] || [ -n "$(ls -A "fuzz/artifacts/$target" 2>/dev/null)" ]; then
            continue
        fi
        exec 8>"fuzz/target/$target.lock"
        flock -n 8 || continue
        worked=1
        fuzz "$target" || failed=1
        exec 8>&-
    done
done
column -t "$figures"
exit "$failed"
