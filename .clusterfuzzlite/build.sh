#!/usr/bin/env bash
# Builds every fuzz target with its seeds and its dictionary into $OUT, as OSS-Fuzz and ClusterFuzzLite
# expect it. The image brings the nightly that the sanitizers need; here, without one:
#
#     SRC=.. OUT=/tmp/out SANITIZER=none .clusterfuzzlite/build.sh
set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"
[ ! -d "${SRC:-}/archivas" ] || cd "$SRC/archivas"
cd "$(git rev-parse --show-toplevel 2>/dev/null || pwd)/fuzz"

cargo fuzz build --sanitizer "${SANITIZER:-address}"
built=target/$(rustc -vV | sed -n 's/^host: //p')/release
for target in $(cargo fuzz list); do
    [ -x "$built/$target" ] || continue
    cp "$built/$target" "$OUT/"
    if [ -d "corpus/$target" ]; then
        (cd "corpus/$target" && zip -q "$OUT/${target}_seed_corpus.zip" seed-* $(ls | grep "^kept-" || true))
    fi
    [ ! -f "dictionaries/$target.dict" ] || cp "dictionaries/$target.dict" "$OUT/"
done
