#!/usr/bin/env bash
# From an empty home to results: what is missing is said, a photo finds itself, every form of output, and what
# happens when photos or models change.
. "$(dirname "$0")/pixgrep.bash" || exit 1
photos=$WORK/photos
mkdir "$photos" "$photos/sub"
cp "$golden"/preprocess/images/*.png "$photos"
total=$(ls "$photos"/*.png | wc -l)
cd "$photos" || exit 1

PATH=$(bare_programs):$PATH run pixgrep ./exact-224.png
said 2 "pixgrep: *pixgrepd model import*"

must pixgrepd model import "$golden/models/vit-p32/vit-p32.pt"
run pixgrep ./exact-224.png
said 2 "pixgrep: no index at $XDG_DATA_HOME/pixgrep/index.db; run: pixgrepd index DIR"
check "asking makes no index" test ! -e "$XDG_DATA_HOME/pixgrep/index.db"

must pixgrepd index "$photos/sub"
run pixgrep ./exact-224.png
said 1 "pixgrep: no photos in the index; run: pixgrepd index DIR"
printed ""

must pixgrepd index "$photos"

# Kernels that this processor does not have.
for query in ./exact-224.png "a dog" "--embed ./exact-224.png" "--classify cat,dog ./exact-224.png"; do
    # shellcheck disable=SC2086
    run env PIXGREP_ISA=mmx pixgrep $query
    said 2 'pixgrep: PIXGREP_ISA: *"mmx"*portable*'
    printed ""
done

# By picture: every photo finds itself first.
for photo in *.png; do
    run pixgrep -k 1 "./$photo"
    said 0 ""
    printed "1.000000	$photos/*.png"
done
run pixgrep -k 10 ./exact-224.png
said 0 ""
printed "1.000000	$photos/exact-224.png*"
lines 10
check "scores go down" sort -c -r -n "$WORK/out"
run pixgrep -k 1000 "file://$photos/exact%2d224.png"
said 0 ""
lines "$total"
cp exact-224.png "$HOME"
run pixgrep -k 1 '~/exact-224.png'
said 0 ""
printed "1.000000	$photos/exact-224.png"

# The forms of output.
run pixgrep -k 2 -l ./exact-224.png
said 0 ""
printed "$photos/exact-224.png
$photos/*.png"
run pixgrep -k 1 -0 ./exact-224.png
said 0 ""
check "-0 ends paths with NUL" cmp "$WORK/out" <(printf '%s\0' "$photos/exact-224.png")
run pixgrep -k 1 --json ./exact-224.png
said 0 ""
printed '{"path":"'"$photos"'/exact-224.png","score":*,"width":224,"height":224,"format":"png","taken":null,"camera":null,"latitude":null,"longitude":null}'
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    run script -qec "pixgrep -k 2 ./exact-224.png" /dev/null
    tr -d '\r' <"$WORK/out" >"$WORK/table" && mv "$WORK/table" "$WORK/out"
    said 0 ""
    printed "   score  taken             pixels       path
  1.0000                    224x224      $photos/exact-224.png
*"
    check "there is no colour" test -z "$(tr -d -c '\033' <"$WORK/out")"
else
    echo "SKIP a terminal: script is not installed or cannot open one"
fi

# Names with any bytes.
odd=$photos/$'new\nline\\tab\t\xff.png'
cp exact-224.png "$odd"
rm exact-224.png
must pixgrepd index
run pixgrep -k 1 "$odd"
said 0 ""
printed "1.000000	$photos/new\\\\nline\\\\\\\\tab\\\\t"$'\xff.png'
run pixgrep -k 1 -0 "$odd"
check "-0 gives the name itself" cmp "$WORK/out" <(printf '%s\0' "$odd")
run pixgrep -k 1 --json "$odd"
printed '{"path_base64":"'"$(printf %s "$odd" | base64 -w0)"'","score":*'

# What is not a photo, or not there.
run pixgrep ./none.png
said 2 "pixgrep: ./none.png: cannot open: No such file or directory"
run pixgrep /
said 2 "pixgrep: /: *"
run bash -c 'pixgrep "$1" >/dev/full' - "$odd"
said 2 "pixgrep: cannot write the output: No space left on device"
run pixgrep --db "$WORK/other.db" "$odd"
said 2 "pixgrep: no index at $WORK/other.db; run: pixgrepd index DIR"
echo "no database" >"$WORK/broken.db"
run pixgrep --db "$WORK/broken.db" "$odd"
said 2 "pixgrep: *$WORK/broken.db*"

# A model of 512 tokens cannot read words: why, in one line.
run pixgrep a dog
said 2 "pixgrep: *"
check "the error is one line" test "$(wc -l <"$WORK/err")" -eq 1
printed ""

# Another model: both are named, and the old one stays searchable.
must pixgrepd model import "$golden/models/vit-p14/hf-bf16" --name other
run pixgrep "$odd"
said 2 "pixgrep: 0 of $total photos encoded with other, $total with vit-p32; run: pixgrepd index, or ask with --model vit-p32"
run pixgrep --model vit-p32 -k 1 "$odd"
said 0 ""
lines 1

# Photos that went are not found.
rm ./tiny-7x5.png ./rgb16.png
must pixgrepd index --model vit-p32
run pixgrep --model vit-p32 -k 100 "$odd"
said 0 ""
lines $((total - 2))
check "removed photos are not printed" bash -c '! grep -q "tiny-7x5\|rgb16" "$1"' - "$WORK/out"

# Words, with the reference model and OpenAI's vocabulary.
weights=$REFERENCE/models/vit-tiny/vit-tiny.pt
vocabulary=$REFERENCE/bpe_simple_vocab_16e6.txt.gz
if [ ! -e "$weights" ] || [ ! -e "$vocabulary" ]; then
    echo "SKIP words: the reference model and OpenAI's vocabulary are not there"
    finish
fi
must pixgrepd model import "$weights" --vocab "$vocabulary"
must pixgrepd index
cd "$WORK" || exit 1
run pixgrep -k 3 "a dog on a beach"
said 0 ""
lines 3
cp "$WORK/out" "$WORK/one"
run pixgrep a dog -k 3 on "a beach"
said 0 ""
check "words are joined by spaces" cmp "$WORK/out" "$WORK/one"
run pixgrep -k 1 -- "-5 degrees"
said 0 ""
lines 1
: >"$WORK/exact-224.png"
run pixgrep -k 1 exact-224.png
said 0 "pixgrep: searching for the words 'exact-224.png'; for the picture write ./exact-224.png"
lines 1
run pixgrep -k 1 "$(yes dog | head -75 | tr '\n' ' ')on the beach"
said 0 'pixgrep: the text is too long for the model by 3 tokens and was cut before "on the beach"'
lines 1

# Words need no decoder: a copy of the program alone answers, and only a picture misses the helper.
mkdir -p "$WORK/alone/bin"
cp "$BUILD/bin/pixgrep" "$WORK/alone/bin"
run "$WORK/alone/bin/pixgrep" -k 3 "a dog on a beach"
said 0 ""
check "the answer is the same" cmp "$WORK/out" "$WORK/one"
run "$WORK/alone/bin/pixgrep" "$odd"
said 2 "pixgrep: *pixgrep-decode*"
finish
