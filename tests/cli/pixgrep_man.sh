#!/usr/bin/env bash
# The manual of pixgrep: clean mdoc, and every option of --help has its place in it.
. "$(dirname "$0")/pixgrep.bash" || exit 1
page=$SOURCE/man/pixgrep.1

run pixgrep --help
options=$(grep -oE '^ +(-., )?--[a-z-]+' "$WORK/out" | grep -oE -- '--[a-z-]+')
check "the help lists options" test "$(wc -w <<<"$options")" -ge 15
for option in $options; do
    check "$option is in pixgrep.1" grep -qE "Fl -${option#--}( |$)" "$page"
done

if command -v mandoc >/dev/null; then
    run mandoc -T lint -W warning "$page"
    said 0 ""
    printed ""
else
    echo "SKIP lint: mandoc is not installed"
fi
finish
