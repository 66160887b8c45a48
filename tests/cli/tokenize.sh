#!/usr/bin/env bash
# pixgrep --tokenize: where the vocabulary comes from, a line for each line, exit codes, flat memory.
. "$(dirname "$0")/pixgrep.bash" || exit 1

# A vocabulary of OpenAI's size, made of pairs of the characters that stand for bytes.
LC_ALL=C awk 'BEGIN {
    print "#version: made up"
    for (i = 33; i < 256; i++)
        if ((i < 127 || i > 160) && i != 173)
            c[n++] = i < 128 ? sprintf("%c", i) : sprintf("%c%c", i < 192 ? 194 : 195, i < 192 ? i : i - 64)
    for (e = 1; e >= 0; e--)
        for (a = 0; a < n; a++)
            for (b = 0; b < n && m < 48894; b++) { print c[a], c[b] (e ? "</w>" : ""); m++ }
}' >"$WORK/merges.txt"
vocabulary=$WORK/merges.txt
printf '"ab"\nbad\n""\n' >"$WORK/texts"
stdin=$WORK/texts

PATH=$(bare_programs):$PATH run pixgrep --tokenize --json
said 2 "pixgrep: *--vocab*"
printed ""

# With nothing else there is the bundled model's.
run pixgrep --tokenize --json
said 2 "pixgrep: 1 line failed"
lines 3
cp "$WORK/out" "$WORK/unnamed"
run pixgrep --tokenize --json --model tiny
check "the bundled model's" cmp "$WORK/out" "$WORK/unnamed"

run pixgrep --tokenize --json --vocab "$WORK/none"
said 2 "pixgrep: *$WORK/none*"

run pixgrep --tokenize --json --vocab "$vocabulary"
said 2 "pixgrep: 1 line failed"
printed '\[49406,*,49407\]
{"error":"*"}
\[49406,49407\]'

export PIXGREP_VOCAB=$vocabulary
run env -u HOME -u XDG_DATA_HOME pixgrep --tokenize --json
said 2 "pixgrep: 1 line failed"
lines 3
run pixgrep --tokenize --json
said 2 "pixgrep: 1 line failed"
lines 3
unset PIXGREP_VOCAB

printf 'ab\n\nab ab' >"$WORK/plain"
stdin=$WORK/plain
run pixgrep --tokenize --vocab "$vocabulary"
said 0 ""
printed '49406 +([0-9]) 49407
49406 49407
49406 +([0-9]) +([0-9]) 49407'

stdin=/dev/null
run pixgrep --tokenize --json --vocab "$vocabulary"
said 0 ""
printed ""

run bash -c 'printf "ab\n" | pixgrep --tokenize --vocab "$1" >/dev/full' - "$vocabulary"
said 2 "pixgrep: cannot write the output: No space left on device"

# A model of 512 tokens has no room for words: that is said, not worked around.
must pixgrepd model import "$golden/models/vit-p32/vit-p32.pt"
stdin=$WORK/texts
run pixgrep --tokenize --json
said 2 "pixgrep: *"
check "the error is one line" test "$(wc -l <"$WORK/err")" -eq 1
printed ""
run pixgrep --tokenize --json --vocab "$vocabulary"
said 2 "pixgrep: 1 line failed"
lines 3

if [ -x /usr/bin/time ] && ! nm -D "$BUILD/bin/pixgrep" | grep -q '__[at]san_init'; then
    for megabytes in 1 4; do
        yes '"a text of ordinary words, again and again"' | head -c "${megabytes}000000" |
            sed '$d' >"$WORK/texts.$megabytes"
        stdin=$WORK/texts.$megabytes
        must /usr/bin/time -f '%M %e' -o "$WORK/peak.$megabytes" \
            pixgrep --tokenize --json --vocab "$vocabulary"
        lines "$(wc -l <"$stdin")"
    done
    read -r small _ <"$WORK/peak.1"
    read -r large seconds <"$WORK/peak.4"
    echo "4 MB of texts in $seconds s; peak memory $small kB for 1 MB, $large kB for 4 MB"
    check "memory does not grow with the input" test "$large" -le $((small + 1024))
else
    echo "SKIP memory: no program time, or a sanitizer's own memory would be measured"
fi
finish
