#!/usr/bin/env bash
# Every test of the workspace. Tests that need a tool that is absent say so and pass; a tool named in
# ARCHIVAS_REQUIRE (a list with commas) must be there.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --workspace "$@"
