#!/usr/bin/env bash
# What is stored is damaged: queries tell of it and show nothing that is not so, and the next run mends what it can.
. "$(dirname "$0")/pixgrep.bash" || exit 1
command -v sqlite3 >/dev/null || skip "sqlite3 is not installed"
photos=$WORK/photos db=$XDG_DATA_HOME/pixgrep/index.db
mkdir "$photos"
cp "$golden"/preprocess/images/*.png "$photos"
total=$(ls "$photos"/*.png | wc -l)
cd "$photos" || exit 1
must pixgrepd index --model tiny "$photos"

# Vectors that are none, under the .pixv file, then without it.
sqlite3 "$db" "UPDATE embedding SET vector = zeroblob(length(vector)) WHERE content_id =
    (SELECT content_id FROM image WHERE path = CAST('$photos/exact-224.png' AS BLOB))"
for cached in yes no; do
    [ $cached = yes ] || rm "$XDG_DATA_HOME"/pixgrep/*.pixv
    run pixgrep --model tiny -k 1000 ./exact-224.png
    said 0 "pixgrep: $db: 1 stored vector is damaged: its photos are not found until pixgrepd index makes it anew"
    lines $((total - 1))
    check "the others are found" test "$(grep -c exact-224.png "$WORK/out")" -eq 0
done
run pixgrepd index --model tiny
expect 0 "a run after damage"
check "the run tells of it" grep -qx "pixgrepd: index: 1 of the stored vectors was damaged: made anew" "$WORK/err"
run pixgrep --model tiny -k 1000 ./exact-224.png
said 0 ""
lines "$total"
printed "1.000000	$photos/exact-224.png*"
run pixgrepd index --model tiny
expect 0 "one more run"
check "nothing is left to tell" test ! -s "$WORK/err"

finish
