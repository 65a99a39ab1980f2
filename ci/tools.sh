# Sourced by .ci/run: installs what some tests need where apt-get can, and demands of the tests what is
# there afterwards (ARCHIVAS_REQUIRE), so that none is skipped in silence.
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    missing=()
    command -v chromium >/dev/null || missing+=(chromium)
    command -v promtool >/dev/null || missing+=(prometheus)
    command -v node >/dev/null || missing+=(nodejs npm)
    if [ "${#missing[@]}" -gt 0 ]; then
        apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
fi
required=()
command -v chromium >/dev/null && required+=(browser)
command -v promtool >/dev/null && required+=(promtool)
command -v npm >/dev/null && required+=(node)
export ARCHIVAS_REQUIRE="${ARCHIVAS_REQUIRE:+$ARCHIVAS_REQUIRE,}$(IFS=,; echo "${required[*]}")"
echo "tests must not skip: ${ARCHIVAS_REQUIRE:-nothing}"
