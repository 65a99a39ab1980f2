#!/usr/bin/env bash
# Formatting, lints with every warning denied, and the dependency rules where cargo-deny is
# installed.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all --check
cargo clippy --workspace --all-targets --quiet -- --deny warnings
if cargo deny --version >/dev/null 2>&1; then
    cargo deny --log-level error check bans licenses sources
else
    echo "skipped: cargo deny is not installed (cargo install cargo-deny)"
fi
