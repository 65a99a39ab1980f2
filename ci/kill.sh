#!/usr/bin/env bash
# SIGKILL under load, KILLS times (100), two nodes at a time: at most four minutes of real time. Prints
# how many fell inside a commit.
set -euo pipefail
cd "$(dirname "$0")/.."
ARCHIVAS_KILLS=${KILLS:-100} timeout 600 cargo test --quiet --package archivas-tests --test kills \
    sigkill_at_any_moment_loses_nothing_acknowledged -- --exact --nocapture
