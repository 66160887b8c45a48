#!/usr/bin/env bash
# --precision: what a model was imported to run in, unless told otherwise; photos know what they were encoded in.
. "$(dirname "$0")/pixgrep.bash" || exit 1
weights=$golden/models/vit-p32/vit-p32.pt
photos=$WORK/photos
mkdir "$photos"
cp "$golden"/preprocess/images/{exact-224,tiny-7x5,off-224x229}.png "$photos"
total=$(ls "$photos" | wc -l)

must pixgrepd model import "$weights" --name eight --precision int8
printed "*  precision   int8*"
must pixgrepd model import "$weights" --name plain --no-use --json
printed '*"precision":"fp32",*'
run pixgrepd model list
said 0 ""
printed "\* eight	*	int8	*
  plain	*	fp32	*"

# Photos encoded in the other precision are encoded again, and either is searched in either.
run pixgrepd index "$photos"
check "index in int8" grep -q " $total encoded" "$WORK/out"
run pixgrepd index "$photos"
check "index in int8 again" grep -q " 0 encoded" "$WORK/out"
for precision in fp32 int8; do
    run pixgrep --precision $precision -l "$photos/exact-224.png"
    said 0 ""
    check "$precision: the picture itself comes first" test "$(head -n 1 "$WORK/out")" = "$photos/exact-224.png"
done
run pixgrepd index --precision fp32 "$photos"
check "index in fp32" grep -q " $total encoded" "$WORK/out"

# The same weights, wherever they are told to run in a precision.
vector() { # vector OPTION...: of a picture
    must pixgrep --embed --json "$photos/off-224x229.png" "$@"
    sed 's/.*"vector"//' "$WORK/out"
}
as_imported=$(vector)
check "int8 is what the model was imported to" test "$as_imported" = "$(vector --precision int8)"
check "fp32 is something else" test "$as_imported" != "$(vector --precision fp32)"
check "fp32 of either model is the same" test "$(vector --precision fp32)" = "$(vector --model plain)"
check "int8 of either model is the same" test "$as_imported" = "$(vector --model plain --precision int8)"
check "threads make no difference" test "$as_imported" = "$(vector --threads 1)"

# What a ResNet sees is float32.
run pixgrepd model import "$golden/models/rn-tiny/rn-tiny.pt" --precision int8
said 2 "pixgrepd: model import: *rn-tiny.pt: a ResNet runs in fp32 only, not in int8"
must pixgrepd model import "$golden/models/rn-tiny/rn-tiny.pt" --no-use
run pixgrep --embed --model rn-tiny --precision int8 "$photos/exact-224.png"
said 2 "pixgrep: *rn-tiny: a ResNet runs in fp32 only, not in int8"
run pixgrepd index --model rn-tiny --precision int8 "$photos"
said 2 "pixgrepd: index: rn-tiny: a ResNet runs in fp32 only, not in int8"
finish
