#!/usr/bin/env bash
# clang-tidy finds nothing (.clang-tidy lists the checks).
set -u
cd "$SOURCE" || exit 1
command -v clang-tidy >/dev/null || { echo "SKIP tidy: clang-tidy is not installed"; exit 77; }
find core storage indexer query tests -name '*.c' ! -path 'tests/fuzz/*' -print0 |
    xargs -0 -n 4 -P "$(nproc)" clang-tidy -p "$BUILD" --quiet 2>&1 |
    grep -vE '^[0-9]+ warnings? generated\.$|^Suppressed |^Use -header-filter' | tee "$BUILD/tidy.log"
exit "$((${PIPESTATUS[1]} != 0))"
