#!/usr/bin/env bash
# pixgrep --classify as a script uses it: labels and pictures from everywhere, one picture after the other, and the
# exit code tells of failures.
. "$(dirname "$0")/pixgrep.bash" || exit 1
cd "$golden/preprocess/images" || exit 1
weights=$REFERENCE/models/vit-tiny/vit-tiny.pt
vocabulary=$REFERENCE/bpe_simple_vocab_16e6.txt.gz

PATH=$(bare_programs):$PATH run pixgrep --classify cat,dog exact-224.png
said 2 "pixgrep: *pixgrepd model import*"
printed ""

if [ -e "$BUILD/share/pixgrep/models/tiny.pixm" ]; then
    model=tiny
elif [ -e "$weights" ] && [ -e "$vocabulary" ]; then
    must pixgrepd model import "$weights" --vocab "$vocabulary"
    model=vit-tiny
else
    skip "no model that reads words: the bundled one is not built and the reference's is not there"
fi
classify() { run pixgrep --classify "$1" --model "$model" "${@:2}"; }

classify cat,dog exact-224.png tiny-7x5.png
said 0 ""
lines 4
printed 'exact-224.png	[01].[0-9]*	@(cat|dog)
exact-224.png	[01].[0-9]*	@(cat|dog)
tiny-7x5.png	[01].[0-9]*	@(cat|dog)
tiny-7x5.png	[01].[0-9]*	@(cat|dog)'
check "probabilities go down and add up to 1" awk -F '\t' '
    $1 == path && $2 > last { exit 1 }
    { path = $1; last = $2; sum[$1] += $2 }
    END { for (p in sum) if (sum[p] < 0.99999 || sum[p] > 1.00001) exit 1 }' "$WORK/out"
cp "$WORK/out" "$WORK/answer"

# The same labels from a file made elsewhere, and from a pipe.
printf '\xEF\xBB\xBFcat\r\n\r\n dog\r\n' >"$WORK/labels.txt"
classify "$WORK/labels.txt" exact-224.png tiny-7x5.png
said 0 ""
check "a file gives the same" cmp "$WORK/out" "$WORK/answer"
stdin=$WORK/labels.txt
classify - exact-224.png tiny-7x5.png
said 0 ""
check "standard input gives the same" cmp "$WORK/out" "$WORK/answer"
run bash -c 'pixgrep --model "$1" --classify <(cat) exact-224.png tiny-7x5.png' - "$model"
said 0 ""
check "a pipe gives the same" cmp "$WORK/out" "$WORK/answer"

# The same pictures from a list.
printf 'exact-224.png\ntiny-7x5.png\n' >"$WORK/list"
stdin=$WORK/list
classify cat,dog -
said 0 ""
check "a list of lines gives the same" cmp "$WORK/out" "$WORK/answer"
printf 'exact-224.png\0tiny-7x5.png\0' >"$WORK/list"
classify cat,dog -0 -
said 0 ""
check "a list ended by NUL gives the same" cmp "$WORK/out" "$WORK/answer"
stdin=/dev/null

# A picture that is not one costs its own line only.
echo "not a picture" >"$WORK/text.jpg"
classify cat,dog --json -k 1 "$WORK/text.jpg" exact-224.png none.png
said 2 "pixgrep: 2 pictures failed"
lines 3
printed '{"path":"'"$WORK"'/text.jpg","error":"*"}
{"path":"exact-224.png","labels":\[{"label":"@(cat|dog)","probability":0.*,"score":*}\]}
{"path":"none.png","error":"cannot open: No such file or directory"}'
classify cat,dog -k 1 none.png exact-224.png
said 2 "pixgrep: none.png: cannot open: No such file or directory
pixgrep: 1 picture failed"
printed "none.png		
exact-224.png	0.*	*"

# Templates: installed, in a file, on the command line; they change the scores.
score() { grep -o '"score":[^}]*' "$WORK/out"; }
classify "a cat," --json exact-224.png
said 0 ""
plain=$(score)
classify "a cat," --json --templates "{}" exact-224.png
said 0 ""
check "the bare label scores differently" test "$(score)" != "$plain"
echo "a photo of a {}." >"$WORK/templates.txt"
classify "a cat," --json --templates "$WORK/templates.txt" exact-224.png
said 0 ""
check "the default template is a photo of a {}." test "$(score)" = "$plain"
classify "a cat," --json --ensemble exact-224.png
said 0 ""
ensemble=$(score)
classify "a cat," --json --templates short exact-224.png
said 0 ""
check "--ensemble is the short set" test "$(score)" = "$ensemble"
classify "a cat," --json --templates long exact-224.png
said 0 ""
check "the long set is another" test "$(score)" != "$ensemble"

# What is wrong with labels and templates is said before any picture is read.
classify dog none.png
said 2 "pixgrep: dog: there is no such file of labels; *commas*"
classify "$WORK/text.jpg,"$'\xFF' none.png
said 2 "pixgrep: *: there is no such file of labels*"
classify $'dog,\xFF' none.png
said 2 "pixgrep: --classify: '*' is not UTF-8 text"
echo "a photo." >>"$WORK/templates.txt"
classify cat,dog --templates "$WORK/templates.txt" none.png
said 2 "pixgrep: $WORK/templates.txt, line 2: 'a photo.': a template has one {}*"
printed ""
long=$(printf 'long word %.0s' {1..100})
classify "cat,$long" exact-224.png
said 2 "pixgrep: label 'long word *': too long for the model by * tokens in 'a photo of a {}.'*--truncate"
printed ""
classify "cat,$long" --truncate exact-224.png
said 0 ""
lines 2
classify cat,Cat,dog exact-224.png
said 0 "pixgrep: repeated labels count once: Cat"
lines 2

# A person sees a table.
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    run script -qec "pixgrep --model $model --classify cat,dog exact-224.png 2>$WORK/notes" /dev/null
    tr -d '\r' <"$WORK/out" >"$WORK/table" && mv "$WORK/table" "$WORK/out"
    said 0 ""
    printed "exact-224.png
  +([ 0-9]).[0-9][0-9] %  @(cat|dog)
  +([ 0-9]).[0-9][0-9] %  @(cat|dog)"
else
    echo "SKIP the table: script(1) has no terminal to give"
fi

run bash -c 'pixgrep --model "$1" --classify cat,dog exact-224.png >/dev/full' - "$model"
said 2 "pixgrep: cannot write the output: No space left on device"
finish
