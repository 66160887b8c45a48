#!/usr/bin/env bash
# --batch: every line has its answer, in its place, and it is the one a search of its own gives; what fails does not shift the others.
. "$(dirname "$0")/pixgrep.bash" || exit 1
photos=$WORK/photos
mkdir "$photos"
cp "$golden"/preprocess/images/*.png "$photos"
cd "$WORK" || exit 1
must pixgrepd index --model tiny "$photos"
nothing="my grandmother's wedding in the rain"
batch() { run pixgrep --model tiny --batch "$@"; }

queries=("chess board" "snow + a red square" "2:snow - chess board" "$photos/exact-224.png" "$nothing")
printf '%s\n' "${queries[@]}" >"$WORK/queries"
stdin=$WORK/queries

# As single searches answer.
batch
said 0 ""
for query in "${queries[@]}"; do
    pixgrep --model tiny "$query" 2>/dev/null >"$WORK/one" || printf '\t\n' >"$WORK/one"
    awk -v query="$query" '{ print query "\t" $0 }' "$WORK/one"
done >"$WORK/singly"
check "answers are those of single searches, in order" cmp "$WORK/out" "$WORK/singly"
batch --json -k 3
said 0 ""
lines 5
for query in "${queries[@]}"; do
    printf '{"query":"%s","results":[%s]}\n' "$query" "$(pixgrep --model tiny -k 3 --json "$query" 2>/dev/null | paste -sd ,)"
done >"$WORK/singly"
check "with --json, too" cmp "$WORK/out" "$WORK/singly"
batch --ensemble -k 2
said 0 ""
lines 10
batch --format '{query}|{rank}|{name}' -k 2
said 0 ""
lines 10
check "a format knows its query" grep -q '^snow + a red square|2|' "$WORK/out"
batch --in "$photos" --sort path --collapse
said 0 ""

# What fails has its place.
long=$(yes dog | head -40 | tr '\n' ' ')
printf '%s\n' "chess board" "" "./none.png" "+ dog" "$long" "0:dog" "snow" >"$WORK/queries"
batch --json -k 1
said 2 "pixgrep: line 5: the text is too long for the model by * tokens and was cut before \"dog *
pixgrep: 4 lines failed"
lines 7
printed '{"query":"chess board","results":\[{"path":*
{"query":"","error":"the query is empty"}
{"query":"./none.png","error":"./none.png: cannot open: No such file or directory"}
{"query":"+ dog","error":"the query begins with *
{"query":"dog dog *","results":\[{"path":*
{"query":"0:dog","error":"*
{"query":"snow","results":\[{"path":*'
batch -k 1
said 2 "pixgrep: line 2: the query is empty
pixgrep: line 3: ./none.png: cannot open: No such file or directory
pixgrep: line 4: the query begins with '+'*
pixgrep: line 5: the text is too long *
pixgrep: line 6: '0:': *
pixgrep: 4 lines failed"
lines 7
check "a failed line is an empty answer" grep -qxP '\./none\.png\t\t' "$WORK/out"
batch --literal -k 1
check "signs may be words" grep -qP '^\+ dog\t0\.\d+\t/' "$WORK/out"
printf '%s\n' "$nothing" >"$WORK/queries"
batch
said 1 ""
printed "$nothing		"
batch --json
said 1 ""
printed "{\"query\":\"$nothing\",\"results\":\[\]}"

# NUL ends queries; the last line needs no end; no lines are no answers.
printf 'chess\nboard\0snow\0' >"$WORK/queries"
batch -0 --json -k 1
said 0 ""
lines 2
printed '{"query":"chess\\nboard",*'
printf 'chess board' >"$WORK/queries"
batch -k 1
said 0 ""
lines 1
printf 'a\0b\nsnow\n' >"$WORK/queries"
batch --json -k 1
said 2 "pixgrep: 1 line failed"
lines 2
printf '\xff\n' >"$WORK/queries"
batch --json -k 1
printed '{"query_base64":"/w==","results":*'
stdin=/dev/null
batch
said 1 ""
printed ""

# Many lines, more than share a pass.
seq 1 300 | sed 's/^/chess board /' >"$WORK/queries"
stdin=$WORK/queries
batch --json -k 1
said 0 ""
lines 300
check "in order" cmp <(sed 's/.*"query":"\([^"]*\)".*/\1/' "$WORK/out") "$WORK/queries"

# A program that asks, reads the answer, and asks again.
coproc pixgrep --model tiny --batch --json -k 1 2>/dev/null
answered=0
for query in "chess board" snow "chess board"; do
    echo "$query" >&"${COPROC[1]}"
    IFS= read -r -t 20 answer <&"${COPROC[0]}" && [[ $answer == "{\"query\":\"$query\",\"results\":[{"* ]] && answered=$((answered + 1))
done
exec {COPROC[1]}>&-
check "each question is answered before the next is asked" test "$answered" -eq 3

stdin=/dev/null
batch snow
said 2 "pixgrep: 'snow': --batch reads its queries from standard input*"
batch -l
said 2 "pixgrep: --batch prints the query beside each path: -l does not go with it*"
batch --explain
said 2 "pixgrep: --explain does not go with --batch*"
run pixgrep --batch --tokenize
said 2 "pixgrep: --batch does not go with --tokenize*"
seq 1 100000 >"$WORK/queries"
stdin=$WORK/queries
run bash -c 'pixgrep --model tiny --batch -k 1 >/dev/full'
said 2 "pixgrep: cannot write the output: No space left on device"
finish
