#!/usr/bin/env bash
# The bundled model tiny: it stands in while nothing else is imported, is told of in one line only then, and is installed with the
# programs as a file that does not depend on where it was built.
. "$(dirname "$0")/pixgrep.bash" || exit 1
notice="using the bundled model tiny (*pixgrep-fetch-model ViT-B/32)"
photos=$WORK/photos
mkdir "$photos"
cp "$golden"/preprocess/images/off-*.png "$photos"
total=$(ls "$photos" | wc -l)
own=$golden/models/vit-p32/vit-p32.pt

# Installed, under a prefix that moves afterwards, with nothing of the person's.
must cmake --install "$BUILD" --prefix "$WORK/first prefix"
mv "$WORK/first prefix" "$WORK/second prefix"
prefix=$WORK/second\ prefix
tiny=$prefix/share/pixgrep/models/tiny.pixm
PATH=$prefix/bin:$PATH
check "anybody may read the model" test "$(stat -c %a "$tiny")" = 644
check "the build left nothing else to install with it" test "$(ls "${tiny%/*}")" = tiny.pixm
check "installing leaves the home alone" test -z "$(find "$HOME" "$XDG_DATA_HOME" -mindepth 1)"

# An empty home: the model is there and says what it is.
run pixgrepd model list
said 0 ""
printed "\* tiny	*	text and pictures	int8	int8: pictures 0.99*	????????????	bundled"
run pixgrepd model list --json
said 0 ""
printed '{"name":"tiny","current":true,"bundled":true,"text":true,*,"error":null}'
run pixgrepd model verify
said 0 ""
printed "tiny: as built from models/tiny/tiny.pt"
run pixgrepd status
said 0 ""
printed "*model     0 of 0 photos encoded with tiny (bundled: none has been imported)*"
run pixgrepd status --json
printed '*"current":true}\],"current_model":"tiny","current_model_error":null,*'
run pixgrep a dog
said 2 "pixgrep: no index at *; run: pixgrepd index DIR"
run pixgrepd index "$photos"
said 0 "pixgrepd: index: $notice"
printed "*; $total encoded in *"
run pixgrepd index --quiet
said 0 ""
printed ""
run pixgrepd index
said 0 "pixgrepd: index: $notice"
run pixgrep -k 2 a dog
said 0 "pixgrep: $notice"
check "the notice is one line" test "$(wc -l <"$WORK/err")" -eq 1
lines 2
cp "$WORK/out" "$WORK/answer"
run pixgrep -k 1 "$photos/off-224x229.png"
said 0 "pixgrep: $notice"
lines 1
run pixgrep --embed --text "a dog" "$photos/off-224x229.png"
said 0 "pixgrep: $notice"
lines 2

# Chosen by a person, it goes without saying.
run pixgrep --model tiny -k 2 a dog
said 0 ""
check "the answer is the same" cmp "$WORK/out" "$WORK/answer"
run pixgrepd index --model tiny
said 0 ""
run pixgrep --embed --model tiny --text "a dog"
said 0 ""
run env -u HOME -u XDG_DATA_HOME pixgrep --db "$XDG_DATA_HOME/pixgrep/index.db" -k 2 a dog
said 0 "pixgrep: $notice"
check "without HOME the answer is the same" cmp "$WORK/out" "$WORK/answer"
must pixgrepd model use tiny
run pixgrep -k 2 a dog
said 0 ""
run pixgrepd model list
printed "\* tiny	*	bundled"
run pixgrepd model remove tiny
said 2 "pixgrepd: model remove: tiny is bundled with pixgrep and cannot be removed"
check "removing it leaves it" test -s "$tiny"
rm "$XDG_DATA_HOME/pixgrep/models/current"

# A person's own model comes first; what tiny encoded stays, and can be asked.
must pixgrepd model import "$own"
run pixgrepd model list
said 0 ""
printed "  tiny	*	bundled
\* vit-p32	*"
run pixgrep "$photos/off-224x229.png"
said 2 "pixgrep: 0 of $total photos encoded with vit-p32, $total with tiny; run: pixgrepd index, or ask with --model tiny"
run pixgrep --model tiny -k 2 a dog
said 0 ""
check "tiny's answer is still the same" cmp "$WORK/out" "$WORK/answer"
run pixgrepd index
said 0 ""
printed "* $total unchanged; $total encoded in *"
run pixgrep -k 1 "$photos/off-224x229.png"
said 0 ""
run pixgrepd status
printed "*model     $total of $total photos encoded with tiny
model     $total of $total photos encoded with vit-p32 (current)*"
run pixgrepd model verify
said 0 ""
printed "tiny: as built from models/tiny/tiny.pt
vit-p32: as imported, and so is the file it came from"
must pixgrepd model remove vit-p32

# --no-use: what is in use stays so, though it only stood in.
must pixgrepd model import "$own" --no-use
printed "*not current: pixgrepd model use vit-p32"
run pixgrepd model list
printed "\* tiny	*	bundled
  vit-p32	*"
run pixgrep -k 2 a dog
said 0 ""
check "tiny still answers" cmp "$WORK/out" "$WORK/answer"
must pixgrepd model use vit-p32
must pixgrepd model import "$own" --name second --no-use
check "a choice stays" test "$(cat "$XDG_DATA_HOME/pixgrep/models/current")" = vit-p32
must pixgrepd model remove second
must pixgrepd model import "$own" --name tiny
run pixgrepd model list
printed "\* tiny	*
  vit-p32	*"
check "a model of one's own may be called tiny" test "$(grep -c bundled "$WORK/out")" -eq 0
must pixgrepd model remove tiny
run pixgrep a dog
said 2 "pixgrep: no model has been chosen; run: pixgrepd model use NAME (there is vit-p32)"
must pixgrepd model remove vit-p32
must pixgrepd model import "$own" --name tiny --no-use
run pixgrep a dog
said 2 "pixgrep: no model has been chosen; run: pixgrepd model use NAME (there is tiny)"
must pixgrepd model remove tiny
run pixgrep -k 2 a dog
said 0 "pixgrep: $notice"
check "back to tiny" cmp "$WORK/out" "$WORK/answer"

# The same weights give the same file anywhere, and nobody's file of that name counts as its source.
for place in "$WORK/a" "$WORK/some where/b"; do
    mkdir -p "$place/models/tiny"
    cp "$SOURCE"/models/tiny/* "$place/models/tiny/"
    cd "$place" || exit 1
    run env -u HOME -u XDG_DATA_HOME pixgrepd model import models/tiny/tiny.pt --vocab models/tiny/vocabulary.txt.gz --output out.pixm
    said 0 ""
    printed "tiny: imported from models/tiny/tiny.pt *  written to  out.pixm"
    check "the file is the installed one, byte for byte" cmp out.pixm "$tiny"
    cp "$own" models/tiny/tiny.pt
    run pixgrepd model verify tiny
    said 0 ""
    printed "tiny: as built from models/tiny/tiny.pt"
done
run pixgrepd model import models/tiny/tiny.pt --output out.pixm
said 2 "pixgrepd: model import: out.pixm holds something else; remove it first"
check "another model is left alone" cmp out.pixm "$tiny"
run pixgrepd model import models/tiny/tiny.pt --output models/tiny/tiny.pt
said 2 "pixgrepd: model import: models/tiny/tiny.pt holds something else; remove it first"
check "the weights are left alone" cmp models/tiny/tiny.pt "$own"
run pixgrepd model import models/tiny/tiny.pt --name a/b --output new.pixm
said 2 "pixgrepd: model import: 'a/b' is not a model's name: *"
check "nothing is left of what was refused" test "$(ls)" = "$(printf 'models\nout.pixm')"

# Damage is found, and the remedy is not an import.
printf 'spoilt' | dd of="$tiny" bs=1 seek=$(($(stat -c %s "$tiny") / 2)) conv=notrunc status=none
run pixgrepd model verify tiny
said 2 "pixgrepd: model verify: $tiny: its contents are not what import wrote; install pixgrep again"
rm "$tiny"
run pixgrep a dog
said 2 "pixgrep: no model has been imported; run: pixgrepd model import FILE*"
finish
