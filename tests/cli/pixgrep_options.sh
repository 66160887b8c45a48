#!/usr/bin/env bash
# The command line of pixgrep as a script sees it: help, version, usage errors, output that cannot be written.
. "$(dirname "$0")/pixgrep.bash" || exit 1

run pixgrep --help
said 0 ""
printed "usage: pixgrep*--tokenize*Exit status:*"

run pixgrep --version
said 0 ""
printed "pixgrep [0-9]*.[0-9]*"

run pixgrep
said 2 "pixgrep: what shall be searched for?*see pixgrep --help"
printed ""

run pixgrep --frobnicate a dog
said 2 "pixgrep: unknown option '--frobnicate'*"
printed ""

run pixgrep -5
said 2 "pixgrep: unknown option '-5'*"

run pixgrep -k ten dog
said 2 "pixgrep: -k: 'ten' is not a number from 1*"

run pixgrep --embed --tokenize
said 2 "pixgrep: --embed and --tokenize exclude each other*"

run pixgrep --classify cat,dog
said 2 "pixgrep: --classify needs pictures after its labels, or photos of the index: --in DIR; see pixgrep --help"

run pixgrep --classify - - --ensemble --templates long
said 2 "pixgrep: --ensemble and --templates exclude each other*"

run pixgrep $'--a\nb\e[1m'
said 2 "pixgrep: unknown option '--a\\\\nb\\\\x1b\[1m'*"

run pixgrep ""
said 2 "pixgrep: the query is empty"

run pixgrep a dog ./cat.jpg
said 2 "pixgrep: './cat.jpg': a picture*"

# Expressions that are none, before any model is asked for: one line, and what to do.
for query in "- fruit" "+" "apple -" "apple + - fruit" "C + +" "0:people" "apple - -2:fruit"; do
    run pixgrep "$query"
    said 2 "pixgrep: *--literal*"
    check "'$query' gives one line" test "$(wc -l <"$WORK/err")" -eq 1
    printed ""
done
run pixgrep apple -fruit
said 2 "pixgrep: unknown option '-fruit' (words that begin with '-' go after '--')*"
run pixgrep a dog --like
said 2 "pixgrep: option '--like' needs a value*"
run pixgrep --literal
said 2 "pixgrep: what shall be searched for?*"

# There is no model at all.
PATH=$(bare_programs):$PATH run pixgrep -- "-5 degrees"
said 2 "pixgrep: *pixgrepd model import*"
check "the error is one line" test "$(wc -l <"$WORK/err")" -eq 1

run pixgrep --model no-such-model t-shirt
said 2 "pixgrep: *no-such-model*"

run pixgrep --model "$WORK/none.pixm" t-shirt
said 2 "pixgrep: *$WORK/none.pixm*"

# A full disk and a closed output are not success.
run bash -c 'pixgrep --help >/dev/full'
said 2 "pixgrep: cannot write the output: No space left on device"
run bash -c 'pixgrep --version >&-'
said 2 "pixgrep: cannot write the output: Bad file descriptor"

# A reader that has gone ends the program without a word, by SIGPIPE or, where that is ignored, with 2.
mkfifo "$WORK/pipe"
for ignored in "" PIPE; do
    run bash -c 'exec 3<>"$1"; exec 4>"$1" 3<&-; [ -z "$2" ] || trap "" PIPE; pixgrep --help >&4' - \
        "$WORK/pipe" "$ignored"
    said $([ -n "$ignored" ] && echo 2 || echo 141) ""
done

finish
