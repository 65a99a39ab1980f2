#!/usr/bin/env bash
# Planted bugs: applies patches of ci/mutants/ one by one to a scratch copy, builds it, and runs what
# each patch's header says must notice it (ci/mutants/README.md). Prints what became of each.
#   ci/mutants.sh                 those whose files the last commit touches, and four more by turn;
#                                 begins no more after BUDGET seconds (480)
#   ci/mutants.sh --all           every patch
#   ci/mutants.sh NAME…           these
# SEEDS (20) is how many seeds a scenario gets, BASE (HEAD~1) what the last commit is compared with.
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${SEEDS:-20}
scratch=${CARGO_TARGET_DIR:-$PWD/target}/planted
tree=$scratch/tree
sim=$scratch/mutants/archivas-sim
clean=$scratch/clean-sim
# A bug may make a run endless or let it eat all memory: neither may take the machine with it.
run_s_max=120
run_kib_max=$((6 << 20))

field() { sed -n "/^diff /q; s/^$2: *//p" "$1" | head -n 1; }
files_of() { sed -n 's/^+++ b\///p; s/^--- a\///p' "$1" | sort -u; }

# The scratch copy becomes what lies here. Only what differs is written: cargo goes by times.
sync_tree() {
    mkdir -p "$tree"
    local file wanted=$scratch/files.wanted present=$scratch/files.present
    git ls-files --cached --others --exclude-standard | while read -r file; do
        if [ -f "$file" ]; then printf '%s\n' "$file"; fi
    done | sort >"$wanted"
    (cd "$tree" && find . -type f -printf '%P\n') | sort >"$present"
    comm -13 "$wanted" "$present" | while read -r file; do rm -- "$tree/$file"; done
    while read -r file; do
        cmp -s "$file" "$tree/$file" && continue
        mkdir -p "$tree/$(dirname "$file")"
        cp "$file" "$tree/$file"
    done <"$wanted"
}

patch_tree() { (cd "$tree" && GIT_CEILING_DIRECTORIES=$scratch git apply "$@"); }
cargo_in_tree() { (cd "$tree" && CARGO_TARGET_DIR=$scratch cargo "$@"); }
build_sim() { cargo_in_tree build --quiet --profile mutants --package archivas-sim; }

# Runs a command within the limits, adds its CPU time to `core_s`, and gives its exit code.
core_s=0
limited() {
    local out=$1 code=0 spent
    shift
    local TIMEFORMAT='%U %S'
    spent=$({ time (ulimit -v "$run_kib_max"; cd "$scratch"; exec timeout -k 5 "$run_s_max" "$@" >"$out" 2>&1) || echo "exit $?"; } 2>&1)
    case $spent in *exit*) code=$(sed -n 's/.*exit \([0-9]*\).*/\1/p' <<<"$spent" | tail -n 1) ;; esac
    core_s=$(grep -v '^exit' <<<"$spent" | tail -n 1 | awk -v s="$core_s" '{ printf "%.1f", s + $1 + $2 }')
    return "$code"
}

# The check that a log's verdict is about. A name alone proves nothing: a failing run lists them all.
verdict_of() { sed -n 's/.*FAILED: [^:]*: \([a-z_]*\): .*/\1/p' "$1" | head -n 1; }

# Plays seeds of a scenario until one fails as the patch says it must.
try_scenario() {
    local scenario=$1 checks=$2 log=$3 seed code again replay check
    for ((seed = 1; seed <= seeds; seed++)); do
        code=0
        limited "$log" "$sim" run "$scenario" --seed "$seed" || code=$?
        [ "$code" -eq 0 ] && continue
        check=$(verdict_of "$log")
        if [[ " $checks " != *" ${check:-nothing} "* ]]; then
            say "WRONGLY" "${check:-exit $code}" "$seed" "failed otherwise than by: $checks"
            tail -n 12 "$log" >&2
            return 1
        fi
        replay=$(sed -n 's/.*REPRO *cargo sim *//p' "$log" | head -n 1)
        again=0
        (cd "$scratch" && eval "timeout $run_s_max '$sim' $replay") >"$log.replay" 2>&1 || again=$?
        if [ "$again" -ne "$code" ] || [ "$(verdict_of "$log.replay")" != "$check" ]; then
            say "NO REPRO" "$check" "$seed" "exit $again, not $code: $replay"
            return 1
        fi
        if ! (cd "$scratch" && "$clean" run "$scenario" --seed "$seed") >"$log.clean" 2>&1; then
            say "WRONGLY" "$check" "$seed" "$scenario fails without the bug as well"
            return 1
        fi
        say "killed" "$check" "$seed" "$scenario"
        return 0
    done
    return 2
}

# Sweeps a plan (with the arguments that the patch gives) until a state fails as the patch says it must.
try_sweep() {
    local sweep=$1 checks=$2 log=$3 code=0 check again=0 replay
    # shellcheck disable=SC2086 # words of a header
    limited "$log" "$sim" sweep $sweep --budget 90s || code=$?
    [ "$code" -eq 0 ] && return 2
    check=$(verdict_of "$log")
    if [[ " $checks " != *" ${check:-nothing} "* ]]; then
        say "WRONGLY" "${check:-exit $code}" "-" "failed otherwise than by: $checks"
        tail -n 12 "$log" >&2
        return 1
    fi
    replay=$(sed -n 's/.*REPRO *cargo sim *//p' "$log" | head -n 1)
    (cd "$scratch" && eval "timeout $run_s_max '$sim' $replay") >"$log.replay" 2>&1 || again=$?
    if [ "$again" -eq 0 ] || ! grep -q "FAILED: [^:]*: $check: " "$log.replay"; then
        say "NO REPRO" "$check" "-" "exit $again: $replay"
        return 1
    fi
    if ! (cd "$scratch" && eval "timeout $run_s_max '$clean' $replay") >"$log.clean" 2>&1; then
        say "WRONGLY" "$check" "-" "the state fails without the bug as well"
        return 1
    fi
    say "killed" "$check" "-" "sweep $sweep"
}

# Runs the test that the patch names; it must be there, and fail.
try_test() {
    local log=$1 code=0 wanted
    shift
    wanted=${!#}
    if ! cargo_in_tree test --quiet --profile mutants "${@:1:$#-1}" --no-run >"$log" 2>&1; then
        say "NO BUILD" "-" "-" "its tests do not build"
        tail -n 20 "$log" >&2
        return 1
    fi
    limited "$log" env -C "$tree" "CARGO_TARGET_DIR=$scratch" cargo test --profile mutants "$@" || code=$?
    if [ "$code" -ne 0 ] && grep -qE "^test (.*::)?$wanted( - should panic)? \.\.\. FAILED" "$log"; then
        say "killed" "$wanted" "-" "test"
        return 0
    fi
    if ! grep -qE "^test (.*::)?$wanted" "$log"; then
        say "NO TEST" "$wanted" "-" "there is no such test: cargo test $*"
        return 1
    fi
    return 2
}

say() {
    printf '%-34s %-9s %-26s %5s %7s %6s  %s\n' "$name" "$1" "$2" "$3" "$core_s" "$((SECONDS - begun))" "$4"
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$1" "$2" "$3" "$core_s" "$4" >>"$scratch/results.tsv"
}

# What becomes of one planted bug; true if it was killed as it should be.
try_one() {
    local patch=$1 name scenario sweep test log outcome=2 begun=$SECONDS
    name=$(basename "$patch" .patch) core_s=0 log=$scratch/$name.log
    scenario=$(field "$patch" scenario) sweep=$(field "$patch" sweep) test=$(field "$patch" test)
    # A path is one of the repository's; runs stand elsewhere.
    case $scenario in */*) scenario=$tree/$scenario ;; esac
    if ! patch_tree "$patch" 2>"$log"; then
        say "NO APPLY" "-" "-" "does not apply: $(head -n 1 "$log")"
        return 1
    fi
    if [ -n "$scenario" ]; then
        if build_sim >"$log" 2>&1; then
            outcome=0
            try_scenario "$scenario" "$(field "$patch" check)" "$log" || outcome=$?
            if [ "$outcome" -eq 2 ] && [ "$scenario" != swarm ] && [ -n "$swarm" ]; then
                outcome=0
                try_scenario swarm "$(field "$patch" check)" "$log" || outcome=$?
            fi
        else
            outcome=1
            say "NO BUILD" "-" "-" "does not build: $(grep -m 1 '^error' "$log")"
            tail -n 20 "$log" >&2
        fi
    fi
    if [ "$outcome" -eq 2 ] && [ -n "$sweep" ]; then
        if build_sim >"$log" 2>&1; then
            outcome=0
            try_sweep "$sweep" "$(field "$patch" check)" "$log" || outcome=$?
        else
            outcome=1
            say "NO BUILD" "-" "-" "does not build: $(grep -m 1 '^error' "$log")"
        fi
    fi
    if [ "$outcome" -eq 2 ] && [ -n "$test" ]; then
        outcome=0
        # shellcheck disable=SC2086 # words of a header
        try_test "$log" $test || outcome=$?
    fi
    if [ "$outcome" -eq 2 ]; then
        say "SURVIVED" "-" "$seeds" "$scenario $sweep $test"
        outcome=1
    fi
    patch_tree -R "$patch" 2>/dev/null || sync_tree
    return "$outcome"
}

# Those that the last commit touches, and four more by turn.
of_this_commit() {
    local changed patch turn
    changed=$(git diff --name-only "${BASE:-HEAD~1}" 2>/dev/null || true)
    for patch in "${all[@]}"; do
        if { files_of "$patch"; echo "${patch#"$PWD"/}"; } | grep -qxF "$changed"; then echo "$patch"; fi
    done
    turn=$(($(git rev-list --count HEAD) * 4))
    for ((i = 0; i < 4; i++)); do echo "${all[(turn + i) % ${#all[@]}]}"; done
}

all=("$PWD"/ci/mutants/*.patch)
budget=
case ${1:-} in
--all) patches=("${all[@]}") ;;
'') budget=${BUDGET:-480}; mapfile -t patches < <(of_this_commit | awk '!seen[$0]++') ;;
*) patches=("${@/#/$PWD/ci/mutants/}"); patches=("${patches[@]/%/.patch}") ;;
esac
for patch in "${patches[@]}"; do
    [ -f "$patch" ] || { echo "there is no ${patch#"$PWD"/}; \`ls ci/mutants\` shows what there is" >&2; exit 2; }
done
mkdir -p "$scratch"
: >"$scratch/results.tsv"
sync_tree
build_sim
cp "$sim" "$clean"
swarm=$("$clean" list scenarios 2>/dev/null | grep -o '\bswarm\b' | head -n 1 || true)
echo "the unpatched program was built in $SECONDS s"
printf '%-34s %-9s %-26s %5s %7s %6s  %s\n' "planted bug" "outcome" "by" "seed" "core-s" "all s" "where"
killed=0 left=0
for patch in "${patches[@]}"; do
    if [ -n "$budget" ] && [ "$SECONDS" -ge "$budget" ]; then left=$((left + 1)); continue; fi
    if try_one "$patch"; then killed=$((killed + 1)); fi
done
tried=$((${#patches[@]} - left))
echo "$tried of ${#all[@]} planted bugs tried, $killed killed, $left left for want of time"
[ "$killed" -eq "$tried" ] && [ "$tried" -gt 0 ]
