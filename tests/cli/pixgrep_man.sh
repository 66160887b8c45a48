#!/usr/bin/env bash
# The manual of pixgrep: every option of --help has its place in it, and its examples work.
. "$(dirname "$0")/pixgrep.bash" || exit 1
page=$SOURCE/man/pixgrep.1

run pixgrep --help
options=$(grep -oE '^ +(-., )?--[a-z-]+' "$WORK/out" | grep -oE -- '--[a-z-]+')
check "the help lists options" test "$(wc -w <<<"$options")" -ge 15
for option in $options; do
    check "$option is in pixgrep.1" grep -qE "Fl -${option#--}( |$)" "$page"
done

# The examples, in a folder with a picture cat.jpg and a folder sunsets.
photos=$WORK/photos
mkdir -p "$photos/sunsets"
cp "$golden"/preprocess/images/*.png "$photos"
cp "$golden/preprocess/images/checker-300.png" "$photos/cat.jpg"
cd "$photos" || exit 1
weights=$REFERENCE/models/vit-tiny/vit-tiny.pt
vocabulary=$REFERENCE/bpe_simple_vocab_16e6.txt.gz
words=yes
if [ ! -e "$weights" ] || [ ! -e "$vocabulary" ]; then
    echo "SKIP the examples with words: the reference model and OpenAI's vocabulary are not there"
    words=no
    weights=$golden/models/vit-p32/vit-p32.pt
fi
export PIXGREP_VOCAB=$vocabulary
must pixgrepd model import "$weights"
must pixgrepd index "$photos"
examples=0
while IFS= read -r example; do
    examples=$((examples + 1))
    case $words$example in
    yes* | *./cat.jpg | *--crop*)
        run bash -o pipefail -c "$example"
        said 0 ""
        ;;
    esac
done < <(sed -n 's/^\.Dl \$ //p' "$page" | sed 's/\\(dq/"/g; s/\\e/\\/g; s/\\&//g')
check "the manual has examples" test "$examples" -ge 7
check "the crop of the example is a PPM" grep -aq '^P6$' crop.ppm
[ "$words" = no ] || check "the photos of the example are copied" test "$(ls sunsets | wc -l)" -eq 5
finish
