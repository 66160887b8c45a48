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

# Moved to a root that is scanned later: held for one run, then known to be there.
mv "$photos/moved" "$WORK/zoo"
index 0 "moved to another root" "$photos" "$WORK/zoo"
check "held while the other root is not known" grep -q "90 of 130 photos are gone" "$WORK/err"
index 0 "the other root is known"
check "removed here" grep -q "^$photos: 40 seen,.* 90 removed" "$WORK/out"
totals "moved to another root" 130 0 "$(pixgrepd status --json | sed 's/.*"missing":\([0-9]*\).*/\1/')"

# A root that is on another file system by the time its turn comes, another root having taken long.
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && [ "$(stat -f -c %T "$WORK")" != tmpfs ]; then
    other=$(mktemp -d /dev/shm/pixgrep-cli-XXXXXX)
    trap 'rm -rf "$other" "$WORK"' EXIT
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
