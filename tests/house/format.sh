#!/usr/bin/env bash
# Every C file is as clang-format leaves it.
set -u
cd "$SOURCE" || exit 1
command -v clang-format >/dev/null || { echo "SKIP format: clang-format is not installed"; exit 77; }
find core storage indexer query tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run --Werror
