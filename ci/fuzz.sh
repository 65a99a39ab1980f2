#!/usr/bin/env bash
# Every fuzz target but plan_player, or those named, two at a time, for SECONDS_EACH seconds each (10), the
# corpus first; then a table of what ran. SEED (1) begins another search. An input that fails is left in
# fuzz/artifacts. Installs cargo-fuzz if needed.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-10}
if ! cargo fuzz --version >/dev/null 2>&1; then
    cargo install cargo-fuzz --quiet --locked
fi
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# Runs one target; its log ends with libFuzzer's figures.
fuzz() {
    local target=$1 code=0 words=()
    [ ! -f "fuzz/dictionaries/$target.dict" ] || words=(-dict="fuzz/dictionaries/$target.dict")
    cargo fuzz run "${with[@]}" --sanitizer none "$target" -- -max_total_time="$seconds" -max_len=65536 \
        -seed="${SEED:-1}" -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 "${words[@]}" \
        >"$logs/$target" 2>&1 || code=$?
    echo "$code" >"$logs/$target.code"
}

# The simulator, which plan_player runs in, is built with a flag of its own: everything anew.
targets=${*:-$(cargo fuzz list | grep -v plan_player)} with=()
case " $targets " in
    *" plan_player "*) with=(--features plans) && export RUSTFLAGS="--cfg madsim" ;;
esac
[ -n "$targets" ] || { echo "there is no fuzz target" >&2; exit 1; }
cargo fuzz build "${with[@]}" --sanitizer none >"$logs/build" 2>&1 || { tail -n 40 "$logs/build"; exit 1; }
for target in $targets; do
    [ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
    fuzz "$target" &
done
wait

failed=0
printf '%-20s %12s %10s %9s\n' target runs runs/s features
for target in $targets; do
    stat() { sed -n "s/^stat::$1: *//p" "$logs/$target" | tail -n 1; }
    runs=$(stat number_of_executed_units) rate=$(stat average_exec_per_sec)
    features=$(sed -n 's/.* ft: \([0-9]*\) .*/\1/p' "$logs/$target" | tail -n 1)
    printf '%-20s %12s %10s %9s\n' "$target" "${runs:-0}" "${rate:-0}" "${features:-0}"
    if [ "$(cat "$logs/$target.code")" -ne 0 ] || [ "${runs:-0}" -eq 0 ]; then
        tail -n 40 "$logs/$target" >&2
        echo "fuzz target $target failed: an input is in fuzz/artifacts/$target" >&2
        failed=1
    fi
done
exit "$failed"
