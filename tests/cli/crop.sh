#!/usr/bin/env bash
# pixgrep --crop: a PPM of the size asked for, of the model's or of 224, and never onto a terminal.
. "$(dirname "$0")/pixgrep.bash" || exit 1
images=$golden/preprocess/images

# header SIZE: the PPM in $WORK/out has that side, and as many pixels as it says.
header() {
    [ "$(head -c 15 "$WORK/out" | tr '\n' ' ' | cut -d ' ' -f 1-4)" = "P6 $1 $1 255" ] ||
        wrong "should begin with P6 $1 $1 255"
    local head="P6 $1 $1 255 "
    [ "$(stat -c %s "$WORK/out")" -eq $((${#head} + 3 * $1 * $1)) ] || wrong "has the wrong size"
}

run pixgrep --crop "$images/checker-300.png"
said 0 ""
header 224

run pixgrep --crop --size 37 "$images/checker-300.png"
said 0 ""
header 37

# A picture of the crop's size is its own crop.
cd "$images" || exit 1
run pixgrep --crop exact-224.png --exact --no-autorotate
said 0 ""
header 224
cp "$WORK/out" "$WORK/exact.ppm"
run pixgrep --crop "$WORK/exact.ppm"
said 0 ""
check "a crop is a picture and its own crop" cmp "$WORK/out" "$WORK/exact.ppm"

run pixgrep --crop "$WORK/none.jpg"
said 2 "pixgrep: $WORK/none.jpg: cannot open: No such file or directory"
printed ""

run pixgrep --crop "$WORK"
said 2 "pixgrep: $WORK: *"
printed ""

head -c 100 exact-224.png >"$WORK/short.png"
run pixgrep --crop "$WORK/short.png"
said 2 "pixgrep: $WORK/short.png: *"
check "the error is one line" test "$(wc -l <"$WORK/err")" -eq 1
printed ""

run env -u HOME -u XDG_DATA_HOME pixgrep --crop exact-224.png
said 0 ""
header 224

run pixgrep --crop --model no-such exact-224.png
said 2 "pixgrep: *no-such*"

run bash -c 'pixgrep --crop exact-224.png >/dev/full'
said 2 "pixgrep: cannot write the output: No space left on device"

must pixgrepd model import "$golden/models/vit-p32/vit-p32.pt"
run pixgrep --crop exact-224.png
said 0 ""
header 96

if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    run script -qec "pixgrep --crop exact-224.png" /dev/null
    check "a terminal gets no picture" grep -q "does not write a picture to a terminal" "$WORK/out"
    check "a terminal gets the exit code" test "$code" -eq 2
else
    echo "SKIP a terminal: script is not installed or cannot open one"
fi
finish
