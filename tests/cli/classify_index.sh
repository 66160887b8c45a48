#!/usr/bin/env bash
# Labels for the photos of the index, from their stored vectors: the same answers as from the pictures, which
# need not even be there.
. "$(dirname "$0")/pixgrep.bash" || exit 1
export PATH=$BUILD/tests:$PATH
photos=$WORK/photos
mkdir -p "$photos/a" "$photos/b"
cd "$photos" || exit 1
must make_photo a/1.jpg 300 200 1 "time=2023:05:17 13:45:10"
must make_photo a/2.jpg 200 300 2
must make_photo b/3.jpg 300 200 3
cp a/1.jpg "b/"$'new\nline.jpg'
run pixgrep --model tiny --classify cat,dog --in a
said 2 "pixgrep: no index at *; run: pixgrepd index DIR"
must pixgrepd index "$photos"
labels="a red ball,stripes,blue sky"

# The last digits may depend on what was encoded beside a picture.
rounded() {
    sed -E 's/[0-9.]+e-[0-9]+/0.0000/g; s/(0\.[0-9]{4})[0-9]+/\1/g' "$WORK/out"
}
for format in --json -k3; do
    run pixgrep --model tiny --classify "$labels" "$format" "$photos"/a/1.jpg "$photos"/a/2.jpg "$photos"/b/3.jpg \
        "$photos"/b/$'new\nline.jpg'
    said 0 ""
    rounded >"$WORK/pictures"
    run pixgrep --model tiny --classify "$labels" "$format" --in .
    said 0 ""
    check "vectors answer as pictures do ($format)" cmp <(rounded) "$WORK/pictures"
done
lines 12
run pixgrep --model tiny --classify "$labels" --since 2023 -k 1
said 0 ""
lines 2
printed "$photos/a/1.jpg	0.*	*
$photos/b/new\\\\nline.jpg	0.*	*"
run pixgrep --model tiny --classify "$labels" --orientation portrait -k 1 --json
said 0 ""
printed '{"path":"'"$photos"'/a/2.jpg","labels":\[{"label":"*","probability":*,"score":*}\]}'
printf 'a cat\na dog\n' >"$WORK/labels"
stdin=$WORK/labels
run pixgrep --model tiny --classify - --in a -k 1
said 0 ""
lines 2
stdin=/dev/null

run pixgrep --model tiny --classify "$labels" --in c
said 1 "pixgrep: --in c: the index knows no photos there"
printed ""
run pixgrep --model tiny --classify "$labels" --camera x
said 1 "pixgrep: no photo passes the filters"
run pixgrep --model tiny --classify "$labels" --in a ./a/1.jpg
said 2 "pixgrep: --classify takes pictures or, with filters, photos of the index, not both; see pixgrep --help"
run pixgrep --model tiny --classify "$labels" --in a --sort date
said 2 "pixgrep: --sort does not go with --classify; see pixgrep --help"
run bash -c 'pixgrep --model tiny --classify "$1" --in a >/dev/full' - "$labels"
said 2 "pixgrep: cannot write the output: No space left on device"

# The pictures are not needed.
rm -r a
run pixgrep --model tiny --classify "$labels" --in a -k 1
said 0 ""
lines 2

# Photos that this model has not seen have no answer, and that is told.
must pixgrepd model import "$golden/models/vit-p32/vit-p32.pt" --no-use
must pixgrepd index --model vit-p32 b
must make_photo b/4.jpg 300 200 4
must pixgrepd index --model vit-p32 b
run pixgrep --model tiny --classify "$labels" --in b -k 1
said 0 "pixgrep: 4 of 5 photos encoded with tiny; run pixgrepd index"
lines 2
run pixgrep --model tiny --classify "$labels" --in b/4.jpg -k 1
said 1 "pixgrep: 4 of 5 photos encoded with tiny; run pixgrepd index
pixgrep: 1 photo passes the filters and is not encoded; run pixgrepd index"
finish
