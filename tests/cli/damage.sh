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

# A model that another program cuts short while it is in use: one line that names it, no crash.
own=$WORK/own.pixm
cut_says="$own: became shorter, or cannot be read, while it was in use"
cp "$BUILD/share/pixgrep/models/tiny.pixm" "$own"
coproc pixgrep --model "$own" --batch -k 1 2>"$WORK/batch.err"
asker=$COPROC_PID
echo "a red circle" >&"${COPROC[1]}"
check "an answer before" read -r -t 20 -u "${COPROC[0]}" _
truncate -s 8192 "$own"
echo "./exact-224.png" >&"${COPROC[1]}"
wait "$asker"
code=$?
expect 2 "a query with a model cut short"
check "the query names the model" grep -qx "pixgrep: $cut_says" "$WORK/batch.err"

cp "$BUILD/share/pixgrep/models/tiny.pixm" "$own"
export XDG_RUNTIME_DIR=$WORK/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
pixgrepd watch --model "$own" "$photos" >"$WORK/watch.out" 2>"$WORK/watch.err" &
daemon=$!
it_comes_true test -S "$XDG_RUNTIME_DIR/pixgrep.sock"
run pixgrep --model "$own" -k 1 "a red circle"
expect 0 "asking the daemon"
truncate -s 8192 "$own"
{ cat exact-224.png && echo; } >new.png # a photo to encode
is_gone() { ! kill -0 "$daemon" 2>/dev/null; }
it_comes_true is_gone || kill "$daemon"
wait "$daemon"
code=$?
expect 2 "a daemon whose model was cut short"
check "the daemon names the model" grep -qx "pixgrepd: $cut_says" "$WORK/watch.err"
run pixgrep --model "$own" -k 1 "a red circle"
said 2 "pixgrep: $own: 8192 bytes, but its header says *"

finish
