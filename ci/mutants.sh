#!/usr/bin/env bash
# Planted bugs: applies each patch of ci/mutants/ (or those NAMED) to a scratch copy, builds the
# simulator, and runs the patch's scenario until the check that it names fails. A bug that survives
# SEEDS seeds (20), does not build or does not apply is a failure, and each says which. The REPRO line of
# the first failing seed must show the same failure again.
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${SEEDS:-20}
target=${CARGO_TARGET_DIR:-$PWD/target}
scratch=$target/mutants
tree=$scratch/tree

# Whether a log's verdict is about this check. Its name alone proves nothing: a failing run lists all.
failed_by() { grep -q "^FAILED: [^:]*: $1: " "$2"; }

field() { sed -n "s/^$2: *//p" "$1" | head -n 1; }

# The dependencies that `cargo sim` has built serve here as well: only our own crates are built anew.
seed_cache() {
    [ -d "$scratch/release" ] && return
    mkdir -p "$scratch/release"
    for part in .fingerprint build deps; do
        if [ -d "$target/release/$part" ]; then
            cp -al "$target/release/$part" "$scratch/release/$part"
        fi
    done
}

copy_tree() {
    rm -rf "$tree"
    mkdir -p "$tree"
    git ls-files -z | xargs -0 cp --parents --preserve=mode,timestamps -t "$tree"
}

build() { (cd "$tree" && CARGO_TARGET_DIR="$scratch" cargo build --release --quiet --package archivas-sim); }

# Prints what became of one planted bug; true if it was killed as it should be.
try_one() {
    local patch=$1 scenario check seed log code replay
    scenario=$(field "$patch" scenario) check=$(field "$patch" check)
    log=$scratch/$(basename "$patch" .patch).log
    copy_tree
    if ! (cd "$tree" && GIT_CEILING_DIRECTORIES="$scratch" git apply "$patch") 2>"$log"; then
        echo "does not apply"; cat "$log" >&2; return 1
    fi
    find "$tree" -newer "$log" -name '*.rs' -exec touch {} +
    if ! build >"$log" 2>&1; then
        echo "does not build"; tail -n 20 "$log" >&2; return 1
    fi
    for ((seed = 1; seed <= seeds; seed++)); do
        code=0
        (cd "$scratch" && "$scratch/release/archivas-sim" run "$scenario" --seed "$seed") >"$log" 2>&1 || code=$?
        [ "$code" -eq 0 ] && continue
        if ! failed_by "$check" "$log"; then
            echo "failed otherwise than by $check (exit $code)"; tail -n 20 "$log" >&2; return 1
        fi
        replay=$(sed -n 's/.*REPRO *cargo sim *//p' "$log" | head -n 1)
        again=0
        (cd "$scratch" && eval "'$scratch/release/archivas-sim' $replay") >"$log.replay" 2>&1 || again=$?
        if [ "$again" -ne "$code" ] || ! failed_by "$check" "$log.replay"; then
            echo "REPRO shows something else (exit $again, not $code): $replay"; tail -n 20 "$log.replay" >&2; return 1
        fi
        echo "killed by $check at seed $seed of $scenario, exit $code, REPRO shows it again"
        return 0
    done
    echo "survived $seeds seeds of $scenario"
    return 1
}

if [ $# -gt 0 ]; then
    patches=("${@/#/$PWD/ci/mutants/}")
    patches=("${patches[@]/%/.patch}")
else
    patches=("$PWD"/ci/mutants/*.patch)
fi
seed_cache
survivors=0
for patch in "${patches[@]}"; do
    printf '%-32s ' "$(basename "$patch" .patch)"
    try_one "$patch" || survivors=$((survivors + 1))
done
echo "${#patches[@]} planted bugs, $((${#patches[@]} - survivors)) killed"
[ "$survivors" -eq 0 ]
