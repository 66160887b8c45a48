#!/usr/bin/env bash
# The same bytes under several names, and apart from them pictures that are merely alike; what to keep comes first.
. "$(dirname "$0")/pixgrep.bash" || exit 1
export PATH=$BUILD/tests:$PATH
photos=$WORK/photos
mkdir -p "$photos/a" "$photos/b"
cd "$photos" || exit 1
run pixgrep --duplicates
said 2 "pixgrep: no index at *; run: pixgrepd index DIR"
must make_photo a/sun.jpg 640 480 1 "time=2023:05:17 13:45:10"
must make_photo a/sea.jpg 640 480 12
must make_photo b/alone.jpg 640 480 23
must pixgrepd index "$photos"
run pixgrep --model tiny --duplicates
said 1 "pixgrep: no duplicates"
printed ""

odd="b/"$'new\nline\xff.jpg'
cp a/sun.jpg b/copy.jpg
cp a/sun.jpg "$odd"
touch -d 2001-01-01 b/copy.jpg
touch -d 2002-02-02 a/sun.jpg
touch -d 2003-03-03 "$odd"
cp a/sea.jpg b/sea.jpg
touch -d 2001-01-01 a/sea.jpg
must make_photo a/sun-small.jpg 320 240 1 "time=2001:01:01 00:00:00"
must make_photo b/sun-later.jpg 640 480 1 "time=2024:01:01 00:00:00" quality=80
must make_photo b/sun-undated.jpg 640 480 1 quality=70
must pixgrepd index "$photos"

# Same bytes: the largest group first, the oldest file of each. Alike: the larger first, then the earlier, then
# those without a date; each picture once.
run pixgrep --model tiny --duplicates
said 0 ""
printed "identical	1	1.000000	$photos/b/copy.jpg
identical	1	1.000000	$photos/a/sun.jpg
identical	1	1.000000	$photos/b/new\\\\nline"$'\xff'".jpg
identical	2	1.000000	$photos/a/sea.jpg
identical	2	1.000000	$photos/b/sea.jpg
similar	3	1.000000	$photos/b/copy.jpg
similar	3	0.99*	$photos/b/sun-later.jpg
similar	3	0.99*	$photos/b/sun-undated.jpg
similar	3	0.99*	$photos/a/sun-small.jpg"
cp "$WORK/out" "$WORK/first"
run pixgrep --model tiny --duplicates
check "the same again" cmp "$WORK/first" "$WORK/out"
for isa in portable avx2 avx512; do
    run env PIXGREP_ISA=$isa pixgrep --model tiny --threads 1 --duplicates
    [ "$code" -eq 2 ] || check "the same with $isa" cmp "$WORK/first" "$WORK/out"
done
run pixgrep --model tiny --duplicates --sort path
said 0 ""
printed "identical	1	1.000000	$photos/a/sea.jpg
*
identical	2	1.000000	$photos/b/copy.jpg
*"

# Only the bytes: no model, no vectors.
run pixgrep --duplicates --alike identical -l
said 0 ""
printed "$photos/b/copy.jpg
$photos/a/sun.jpg
$photos/b/new\\\\nline"$'\xff'".jpg

$photos/a/sea.jpg
$photos/b/sea.jpg"
run pixgrep --duplicates --alike identical -0
said 0 ""
check "-0 ends paths with NUL, groups with another" cmp "$WORK/out" \
    <(printf '%s\0' "$photos/b/copy.jpg" "$photos/a/sun.jpg" "$photos/$odd" "" "$photos/a/sea.jpg" \
        "$photos/b/sea.jpg" "")
PATH=$(bare_programs):$PATH run pixgrep --duplicates --alike identical
said 0 ""
lines 5
run pixgrep --model tiny --duplicates --json --in a --in b/sea.jpg
said 0 ""
lines 2
printed '{"kind":"identical","photos":\[{"path":"'"$photos"'/a/sea.jpg","score":1,*},{"path":"'"$photos"'/b/sea.jpg",*}\]}
{"kind":"similar","photos":\[{"path":"'"$photos"'/a/sun.jpg",*"taken":"2023-05-17T13:45:10",*},{"path":"'"$photos"'/a/sun-small.jpg","score":0.99*}\]}'
if command -v python3 >/dev/null; then
    check "it is JSON" python3 -c 'import json, sys; [json.loads(l) for l in open(sys.argv[1])]' "$WORK/out"
fi

# The line between alike and not.
run pixgrep --model tiny --duplicates --alike 0.5 --json
lines 3
run pixgrep --model tiny --duplicates --alike 1
lines 5
run pixgrep --model tiny --duplicates --in b/alone.jpg --in a/sun.jpg
said 1 "pixgrep: no duplicates"
run pixgrep --model tiny --duplicates --in c
said 1 "pixgrep: --in c: the index knows no photos there*"
run pixgrep --duplicates cats
said 2 "pixgrep: 'cats': --duplicates looks at the whole index, *"
run pixgrep --duplicates --sort date
said 2 "pixgrep: --duplicates are sorted by their number or by path; see pixgrep --help"
run pixgrep --duplicates -k 3
said 2 "pixgrep: --results does not go with --duplicates; see pixgrep --help"
run bash -c 'pixgrep --model tiny --duplicates >/dev/full'
said 2 "pixgrep: cannot write the output: No space left on device"
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    run script -qec "pixgrep --model tiny --duplicates" /dev/null
    tr -d '\r' <"$WORK/out" >"$WORK/table" && mv "$WORK/table" "$WORK/out"
    said 0 ""
    printed "3 photos with the same bytes
  1.0000  2023-05-17 13:45  640x480      $photos/b/copy.jpg
*

2 photos with the same bytes
*

4 photos that are alike
*"
else
    echo "SKIP a terminal: script is not installed or cannot open one"
fi

# Photos that are gone are no copies.
rm b/sea.jpg
must pixgrepd index "$photos"
run pixgrep --duplicates --alike identical
lines 3

# A damaged vector is told, and the others are compared.
python=$(command -v python3)
if [ -n "$python" ] && "$python" -c 'import sqlite3' 2>/dev/null; then
    "$python" - "$XDG_DATA_HOME/pixgrep/index.db" <<'END'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    db.execute("""UPDATE embedding SET vector = zeroblob(length(vector)) WHERE content_id =
                  (SELECT content_id FROM image WHERE CAST(path AS TEXT) LIKE '%sun-later.jpg')""")
END
    run pixgrep --model tiny --duplicates
    said 0 "pixgrep: */index.db: the vector of content * is damaged; 1 picture is not compared"
    lines 6
else
    echo "SKIP a damaged vector: there is no python3 with sqlite3"
fi

# Another model has its own idea; what it has not seen is not compared, and that is told.
must pixgrepd model import "$golden/models/vit-p32/vit-p32.pt" --no-use
run pixgrep --model vit-p32 --duplicates
said 2 "pixgrep: 0 of * photos encoded with vit-p32, *"
finish
