#!/usr/bin/env bash
# Photos that vanish in great number stay in the index until they return or someone approves; what comes back
# costs nothing.
. "$(dirname "$0")/support.sh"
photos=$WORK/photos

# make FOLDER FIRST LAST: that many different pictures.
make() {
    local i
    mkdir -p "$1"
    for ((i = $2; i <= $3; i++)); do
        printf 'P6\n2 2\n255\n%012d' "$i" >"$1/$i.ppm"
    done
}
index() { # index CODE WHAT ARGUMENT...
    local expected=$1 what=$2
    shift 2
    run pixgrepd index "$@"
    expect "$expected" "$what"
}
totals() { # totals WHAT PHOTOS HELD MISSING
    local json
    json=$(pixgrepd status --json)
    check "$1: $2 photos, $3 held, $4 missing in $json" \
        grep -q "\"photos\":$2,.*\"missing\":$4,\"held\":$3," <<<"$json"
}

make "$photos/card" 1 60
make "$photos/rest" 61 100
index 0 "first" "$photos"
totals "first" 100 0 0

# A folder of more than half the photos is away, as a card that is not mounted.
mv "$photos/card" "$WORK/card"
for again in once twice; do
    index 0 "$again"
    check "$again: held and told, with the command" grep -qF "pixgrepd: index $photos: 60 of 100 photos are gone at once: they stay in the index until they return (if they are gone for good: pixgrepd approve-removals $photos)" "$WORK/err"
    check "$again: nothing is removed" grep -q " 0 removed," "$WORK/out"
    totals "$again" 100 60 0
done
check "status says so" grep -q "^held      60 " <(pixgrepd status)
run pixgrepd index --report json
check "the report says so" grep -q '"held":60,' "$WORK/out"
run pixgrep -l -k 100 photo
check "searches find them" test "$(wc -l <"$WORK/out")" = 100

mv "$WORK/card" "$photos/card"
index 0 "back"
check "back: nothing to do" grep -q "; 0 encoded" "$WORK/out"
check "back: they never left" grep -q " 100 unchanged" "$WORK/out"
totals "back" 100 0 0

# Gone for good: half of them are approved, some had come back without a run, the rest wait for their own word.
mv "$photos/card" "$WORK/card"
index 0 "away again"
mkdir "$photos/card" && cp -p "$WORK/card/1.ppm" "$WORK/card/2.ppm" "$photos/card/"
run pixgrepd approve-removals "$photos/rest"
expect 0 "approve elsewhere"
check "nothing of the rest was held" grep -qFx "$photos/rest: 0 removed" "$WORK/out"
run pixgrepd approve-removals "$photos"
expect 0 "approve"
check "what is gone, not what is back" grep -qFx "$photos: 58 removed, 2 are back" "$WORK/out"
totals "approved" 42 0 58
index 0 "after the approval"
check "nothing is left to tell" test -z "$(grep -F "$photos" "$WORK/err")"
cp -p "$WORK/card"/* "$photos/card/"
index 0 "they return after all"
check "returned for nothing" grep -q " 58 returned,.*; 0 encoded" "$WORK/out"
totals "returned" 100 0 0

# A folder deleted on purpose can be named though it is gone.
rm -r "$photos/card"
index 0 "deleted"
run pixgrepd approve-removals "$photos/card"
expect 0 "approve a folder that is gone"
check "all of it" grep -qFx "$photos/card: 60 removed" "$WORK/out"
totals "approved by folder" 40 0 60

# So can one that asks to be left alone: its photos are there, but not to be found.
make "$photos/card" 101 160
index 0 "sixty others"
: >"$photos/card/.nomedia"
index 0 "left alone"
totals "left alone" 100 60 60
run pixgrepd approve-removals
expect 0 "approve what asks to be left alone"
check "none of it is back" grep -qFx "$photos: 60 removed" "$WORK/out"
rm -r "$photos/card"

# What a run is told to leave out is not gone: there is nothing to approve, and without the option it is back.
make "$photos/card" 161 220
index 0 "sixty more"
index 0 "excluded" --exclude card
check "excluded: removed" grep -q " 60 removed," "$WORK/out"
check "excluded: nothing is told" test -z "$(grep -F "$photos" "$WORK/err")"
totals "excluded" 40 0 180
run pixgrepd approve-removals "$photos"
check "excluded: nothing is to be approved" grep -qFx "$photos: 0 removed" "$WORK/out"
index 0 "included again"
check "included again: for nothing" grep -q " 60 returned,.*; 0 encoded" "$WORK/out"
mv "$photos/card" "$WORK/.card"
index 0 "gone, and held"
totals "gone, and held" 100 60 120
mv "$WORK/.card" "$photos/card"
rm "$photos/card"/16?.ppm
index 0 "held, then excluded" --exclude 'card/???.ppm'
totals "held, then excluded" 40 0 180
index 0 "included again, but for nine"
totals "included again, but for nine" 91 0 129
mv "$photos/card" "$photos/.card"
index 0 "moved to a hidden folder" --hidden
check "moved to a hidden folder" grep -q " 51 moved," "$WORK/out"
index 0 "no longer looked for"
check "hidden: removed" grep -q " 51 removed," "$WORK/out"
totals "hidden" 40 0 231
ln -s "$photos/.card" "$WORK/linked" && mv "$WORK/linked" "$photos/linked"
index 0 "a link that is followed" --follow
totals "a link that is followed" 91 0 231
index 0 "and no longer"
check "a link: removed" grep -q " 51 removed," "$WORK/out"
totals "a link that is not followed" 40 0 282
rm -r "$photos/.card" "$photos/linked"

# Moving is not removing, nor is dropping copies; few may go unasked.
make "$photos/many" 200 299
index 0 "a hundred more"
mv "$photos/many" "$photos/moved"
index 0 "moved"
check "moved: 100" grep -q " 100 moved, 0 duplicates, 0 removed" "$WORK/out"
check "moved: nothing is told" test -z "$(grep -F "$photos" "$WORK/err")"
cp -rp "$photos/moved" "$photos/copies"
index 0 "copies"
rm -r "$photos/copies"
index 0 "copies dropped"
check "copies dropped: 100" grep -q " 100 removed," "$WORK/out"
rm "$photos/moved"/20?.ppm
index 0 "ten removed"
check "ten removed" grep -q " 10 removed," "$WORK/out"
run pixgrepd approve-removals "$photos"
expect 0 "nothing is to be approved"
check "nothing is to be approved" grep -qFx "$photos: 0 removed" "$WORK/out"

# Moved to a root that is scanned later: held for one run, then known to be there.
mv "$photos/moved" "$WORK/zoo"
index 0 "moved to another root" "$photos" "$WORK/zoo"
check "held while the other root is not known" grep -q "90 of 130 photos are gone" "$WORK/err"
index 0 "the other root is known"
check "removed here" grep -q "^$photos: 40 seen,.* 90 removed" "$WORK/out"
totals "moved to another root" 130 0 "$(pixgrepd status --json | sed 's/.*"missing":\([0-9]*\).*/\1/')"

# What goes within an hour goes at once, however many runs that takes: those that went before are held, too.
drained=$WORK/drained
make "$drained/few" 1001 1040
make "$drained/more" 1041 1080
make "$drained/rest" 1081 1200
index 0 "to be drained" --db "$WORK/drained.db" "$drained"
rm -r "$drained/few"
index 0 "drained a little" --db "$WORK/drained.db"
check "drained a little: 40 removed" grep -q " 40 removed," "$WORK/out"
mv "$drained/more" "$WORK/more"
index 0 "drained further" --db "$WORK/drained.db"
check "drained further: all are told of" grep -qF "$drained: 80 of 200 photos are gone at once" "$WORK/err"
run pixgrepd status --db "$WORK/drained.db" --json
check "drained further: all are held" grep -q '"photos":200,.*"missing":0,"held":80,' "$WORK/out"
rm -r "$drained/rest/"110?.ppm
index 0 "drained once more" --db "$WORK/drained.db"
check "drained once more: those, too" grep -qF "$drained: 90 of 200 photos are gone at once" "$WORK/err"
mv "$WORK/more" "$drained/more"
index 0 "filled a little" --db "$WORK/drained.db"
check "filled a little: few enough to go" grep -q " 50 removed," "$WORK/out"
rm "$drained/rest/1111.ppm"
index 0 "one too many" --db "$WORK/drained.db"
check "one too many" grep -qF "$drained: 51 of 200 photos are gone at once" "$WORK/err"
run pixgrepd approve-removals --db "$WORK/drained.db" "$drained/rest"
check "approved below" grep -qFx "$drained/rest: 11 removed" "$WORK/out"
index 0 "approved below" --db "$WORK/drained.db"
check "the others are few enough" grep -q " 40 removed," "$WORK/out"
rm "$drained/rest/"112?.ppm
index 0 "approved ones do not count" --db "$WORK/drained.db"
check "approved ones do not count" grep -q " 10 removed," "$WORK/out"

# The same while it is watched: batch after batch.
drained=$WORK/watched
for ((part = 0; part < 10; part++)); do make "$drained/$part" $((2000 + 40 * part)) $((2039 + 40 * part)); done
pixgrepd watch --db "$WORK/watched.db" "$drained" >"$WORK/watch.out" 2>"$WORK/watch.err" &
daemon=$!
trap 'kill -9 "$daemon" 2>/dev/null; rm -rf "${other:-}" "$WORK"' EXIT
check "watched" it_comes_true grep -q ' watched$' "$WORK/watch.out"
counts() { pixgrepd status --db "$WORK/watched.db" --json | sed 's/.*"photos":\([0-9]*\),.*"missing":\([0-9]*\),"held":\([0-9]*\),.*/\1 \2 \3/'; }
rm -r "$drained/0"
check "watched: 40 go" it_comes_true eval '[ "$(counts)" = "360 40 0" ]'
rm -r "$drained/1"
check "watched: 40 more go" it_comes_true eval '[ "$(counts)" = "320 80 0" ]'
rm -r "$drained/2"
check "watched: with the third all are held" it_comes_true eval '[ "$(counts)" = "400 0 120" ]'
rm -r "$drained/3"
check "watched: and the fourth" it_comes_true eval '[ "$(counts)" = "400 0 160" ]'
rm -r "$drained"/[4-8]
check "watched: and all others at once" it_comes_true eval '[ "$(counts)" = "400 0 360" ]'
check "watched: it tells" grep -qF "pixgrepd: watch $drained: 360 of 400 photos are gone at once" "$WORK/watch.err"
cp -rp "$drained/9" "$WORK/nine"
mv "$drained/9" "$drained/nine"
check "watched: moving is not removing" it_comes_true grep -q "^$drained: 40 moved; 0 encoded" "$WORK/watch.out"
cp -rp "$drained/nine" "$drained/copies"
check "watched: copies" it_comes_true grep -q "^$drained: 40 duplicates; 0 encoded" "$WORK/watch.out"
rm -r "$drained/copies"
check "watched: copies go unasked" it_comes_true eval '[ "$(counts)" = "400 40 360" ]'
kill "$daemon"
wait "$daemon"
run pixgrepd approve-removals --db "$WORK/watched.db"
check "watched: approved" grep -qFx "$drained: 360 removed" "$WORK/out"

# Another folder in a root's place, empty as where a drive is away, takes no photo out, however few there were; what goes by itself goes.
few=$WORK/few
make "$few/part" 3001 3004
few_are() { check "$1" it_comes_true eval "pixgrepd status --db \"\$WORK/few.db\" --json | grep -q '\"photos\":$2,\"'"; }
pixgrepd watch --db "$WORK/few.db" "$few" >"$WORK/watch.out" 2>"$WORK/watch.err" &
daemon=$!
check "few: watched" it_comes_true grep -q ' watched$' "$WORK/watch.out"
kill -STOP "$daemon"
rm "$few/part/3001.ppm"
mv "$few" "$WORK/few.away"
mkdir "$few"
kill -CONT "$daemon"
check "few: it tells" it_comes_true grep -qF "pixgrepd: watch $few: no photo can be seen in it: nothing is removed from the index" "$WORK/watch.err"
few_are "few: they stay" 4
rmdir "$few"
mv "$WORK/few.away" "$few"
few_are "few: back again, but for the one that went" 3
rm -r "$few/part"
few_are "few: all go by themselves" 0
kill "$daemon"
wait "$daemon"
run pixgrepd approve-removals --db "$WORK/few.db" "$few"
expect 2 "few: approved of an empty folder"
check "few: it tells what does it" grep -qxF "pixgrepd: approve-removals: $few: is empty, as where a drive is away (if its photos are gone for good: pixgrepd forget)" "$WORK/err"

# A root that is on another file system by the time its turn comes, another root having taken long.
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && [ "$(stat -f -c %T "$WORK")" != tmpfs ]; then
    other=$(mktemp -d /dev/shm/pixgrep-cli-XXXXXX)
    mkdir "$WORK/first"
    make "$WORK/turn" 301 320
    make "$other" 301 301
    index 0 "both roots" --db "$WORK/turn.db" "$WORK/first" "$WORK/turn"
    for ((i = 0; i < 150; i++)); do
        printf 'P6\n# %d\n2000 2000\n255\n' $i >"$WORK/first/$i.ppm"
        truncate -s +12000000 "$WORK/first/$i.ppm"
    done
    pixgrepd index --db "$WORK/turn.db" --threads 1 "$WORK/first" "$WORK/turn" >"$WORK/out" 2>"$WORK/err" &
    for ((wait = 0; wait < 600; wait++)); do
        pixgrepd status --db "$WORK/turn.db" --json | grep -q '"photos":20,' || break
        sleep 0.05
    done
    mv "$WORK/turn" "$WORK/turned"
    ln -s "$other" "$WORK/turn"
    check "the first root is still looked at" kill -0 $!
    wait $!
    code=$?
    expect 0 "a root that went away meanwhile"
    check "it is told" grep -qx "pixgrepd: index $WORK/turn: went away meanwhile: nothing is removed from the index" "$WORK/err"
    check "nothing is removed" grep -q "^$WORK/turn: 1 seen, .* 0 removed," "$WORK/out"
else
    echo "SKIP a root that went away meanwhile: no second file system in /dev/shm"
fi

run pixgrepd approve-removals "$WORK/nowhere"
expect 2 "a folder nobody knows"
mv "$photos" "$WORK/away"
run pixgrepd approve-removals "$photos"
expect 2 "a root that is away"
check "says so" grep -q "$photos: No such file" "$WORK/err"
XDG_DATA_HOME=$WORK/empty run pixgrepd approve-removals
expect 2 "no index"
check "none is made" test ! -e "$WORK/empty/pixgrep/index.db"
finish
