#!/usr/bin/env bash
# Ends a node at every operation of its disk, in every plan of scenarios/sweep/, and within each
# recovery: each commit takes one of SHARES (8) shares of the operations by turn, within BUDGET (3m).
# Then kills it wherever one of its tasks waits, in the smallest plan: one share of 8 as well.
#   ci/sweep.sh         this commit's share
#   ci/sweep.sh --all   everything, however long it takes
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --all ]; then
    cargo sim sweep --nested
    exec cargo sim sweep first-blocks --awaits
fi
shares=${SHARES:-8}
turn=$(($(git rev-list --count HEAD) % shares))
cargo sim sweep --nested --shard "$turn/$shares" --budget "${BUDGET:-3m}"
cargo sim sweep first-blocks --awaits --shard "$turn/$shares" --budget 30s
