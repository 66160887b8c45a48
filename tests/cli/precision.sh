#!/usr/bin/env bash
# --precision: what a model was imported to run in, unless told otherwise; photos know what they were encoded in.
. "$(dirname "$0")/pixgrep.bash" || exit 1
tiny=$SOURCE/models/tiny/tiny.pt
photos=$WORK/photos
mkdir "$photos"
cp "$golden"/preprocess/images/{exact-224,tiny-7x5,off-224x229}.png "$photos"
total=$(ls "$photos" | wc -l)

must pixgrepd model import "$tiny" --vocab "$SOURCE/models/tiny/vocabulary.txt.gz" --name eight --precision int8
printed "*  precision   int8*"
must pixgrepd model import "$tiny" --vocab "$SOURCE/models/tiny/vocabulary.txt.gz" --name plain --no-use --json --precision fp32
printed '*"precision":"fp32",*,"fidelity":{"enough":true,"picture_least":0.99*,"picture_mean":0.99*,"text_least":0.99*,"text_mean":0.99*,"score_error":0.0*},*'
run pixgrepd model list
said 0 ""
near="int8: pictures 0.99?? (least 0.99??), texts 0.99?? (least 0.99??), score error ?.? %"
printed "\* eight	*	int8	$near	*
  plain	*	fp32	$near	*"

# Unless it is told, a model runs in int8 where that is near float32.
must pixgrepd model import "$tiny" --vocab "$SOURCE/models/tiny/vocabulary.txt.gz" --name measured --no-use
printed "*
  precision   int8
  int8        near fp32: pictures 0.99?? (least 0.99??), texts 0.99?? (least 0.99??), score error ?.? %
*"

# Photos encoded in int8 are encoded again for float32 but not the other way, and either is searched in either.
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
run pixgrepd index "$photos"
check "float32 serves for int8" grep -q " 0 encoded" "$WORK/out"

# The same weights, wherever they are told to run in a precision.
vector() { # vector OPTION...: of a text and a picture
    must pixgrep --embed --json --text "a red circle" "$photos/off-224x229.png" "$@"
    sed 's/.*"vector"//' "$WORK/out"
}
as_imported=$(vector)
check "int8 is what the model was imported to" test "$as_imported" = "$(vector --precision int8)"
check "fp32 is something else" test "$as_imported" != "$(vector --precision fp32)"
check "fp32 of either model is the same" test "$(vector --precision fp32)" = "$(vector --model plain)"
check "int8 of either model is the same" test "$as_imported" = "$(vector --model plain --precision int8)"
check "threads make no difference" test "$as_imported" = "$(vector --threads 1)"

finish
