#!/usr/bin/env bash
# An index that is replaced, removed or restored while watch runs, and roots that are deleted and made anew: both are noticed.
. "$(dirname "$0")/support.sh"
pictures=$SOURCE/tests/golden/preprocess/images
photos=$WORK/photos
index=$XDG_DATA_HOME/pixgrep/index.db
export XDG_RUNTIME_DIR=$WORK/run
daemon=0
mkdir -m 700 "$XDG_RUNTIME_DIR"
trap 'kill -9 "$daemon" 2>/dev/null; chmod -R u+rwx "$WORK"; rm -rf "$WORK"' EXIT

tag() { # tag FILE TEXT: a picture of its own content
    cp "$pictures/tiny-7x5.png" "$1.part" && echo "$2" >>"$1.part" && touch -d '1 hour ago' "$1.part" && mv "$1.part" "$1"
}
finds() { # finds WHAT NAME...: these of $photos are found soon, and no other
    local what=$1
    shift
    wanted=$(printf "$photos/%s\n" "$@" | sort)
    check "$what: found are $*" it_comes_true eval '[ "$(pixgrep -l -k 100 x 2>/dev/null | sort)" = "$wanted" ]'
}
says() { # says WHAT LINE: on standard error, within a moment
    check "$1: it says '$2'" it_comes_true grep -qxF "pixgrepd: watch: $2" "$WORK/watch.err"
}
hello() {
    echo '{"call":"hello","protocol":2}' | "$BUILD/tests/control_client" "$XDG_RUNTIME_DIR/pixgrep.sock"
}
is_open() { # is_open FILE: by the daemon
    find "/proc/$daemon/fd" -lname "$1*" 2>/dev/null | grep -q .
}

mkdir "$photos" "$WORK/later"
tag "$photos/a.png" a
tag "$WORK/later/b.png" b
run pixgrepd index "$photos"
cp "$index" "$WORK/backup.db"
: >"$WORK/watch.out"
pixgrepd watch "$photos" "$WORK/later" >"$WORK/watch.out" 2>"$WORK/watch.err" &
daemon=$!
check "start" it_comes_true grep -q ' watched$' "$WORK/watch.out"
run pixgrep -l x # the thread that answers has it open, too

# A backup is restored: what it knows counts, and nothing goes to the old one.
cp "$WORK/backup.db" "$WORK/restored.db"
mv "$WORK/restored.db" "$index"
says "restored" "$index: is another index now, of 1 photo in 1 folder"
tag "$photos/c.png" c
check "what comes is in the one restored" it_comes_true eval 'pixgrepd status --db "$index" --json | grep -q "\"photos\":3,"'
check "named folders are known again" grep -qF "$WORK/later" <(pixgrepd roots)
run pixgrep -l x
check "the old one is let go of" it_comes_true eval '! is_open "$index (deleted)"'
check "hello tells of the new one" grep -q "\"inode\":$(stat -c %i "$index")}" <(hello)
check "pixgrep still asks the daemon" it_comes_true eval 'pixgrep --explain x 2>&1 | grep -qx "computed    by the running pixgrepd watch"'

# Paused, a backup counts at once, too; nothing of the old one is left beside it.
run pixgrepd pause
cp "$WORK/backup.db" "$WORK/restored.db"
mv "$WORK/restored.db" "$index"
check "paused: it is noticed" it_comes_true eval '[ "$(grep -c "is another index now, of 1 photo in 1 folder" "$WORK/watch.err")" -eq 2 ]'
check "paused: what is read is the new one" grep -q '"photos":1,' <(pixgrepd status --json)
check "paused: so it is without its log" grep -q '"photos":1,' <(cp "$index" "$WORK/copy.db" && pixgrepd status --json --db "$WORK/copy.db")
run pixgrepd resume
check "paused: then what is there comes into it" it_comes_true eval 'pixgrepd status --json | grep -q "\"photos\":3,"'

# It is removed, or moved away with all that is in it.  A link to nowhere keeps it from being made anew meanwhile.
run pixgrepd forget "$WORK/later"
mv "$index" "$WORK/taken.db"
ln -s nowhere/index.db "$index"
says "taken away" "$index: was removed"
says "taken away" "the index is opened again in 30.0 s"
check "taken away: hello has none" grep -q '"ok":false' <(hello)
check "taken away: it is let go of" it_comes_true eval '! is_open "$WORK/taken.db"'
run pixgrepd forget "$photos"
expect 2 "an edit of none"
check "taken away: it is whole" grep -q '"photos":2,' <(pixgrepd status --json --db "$WORK/taken.db")
rm "$index"
kill -HUP "$daemon"
says "made anew" "$index: is made anew: it knows no folder but those that watch was started with"
check "made anew: everything is there" it_comes_true eval 'pixgrepd status --json | grep -q "\"photos\":3,.*\"roots\":2,"'
tag "$photos/d.png" d
check "made anew: and what comes" it_comes_true eval 'pixgrepd status --json | grep -q "\"photos\":4,"'
rm "$index"
check "removed: it is noticed" it_comes_true eval '[ "$(grep -c "was removed" "$WORK/watch.err")" -eq 2 ]'
cp "$WORK/taken.db" "$index"
kill -HUP "$daemon"
check "brought back: it is the index" it_comes_true grep -qxF \
    "pixgrepd: watch: $index: is another index now, of 2 photos in 1 folder" "$WORK/watch.err"
check "brought back: up to date" it_comes_true eval 'pixgrepd status --json | grep -q "\"photos\":4,.*\"roots\":2,"'
run pixgrepd forget "$WORK/later"

# A root is deleted and made anew, at once or after a while, and its parent with it.
rm -r "$photos" && mkdir "$photos" && tag "$photos/e.png" e
finds "made anew at once" e.png
tag "$photos/f.png" f
finds "and watched" e.png f.png
rm -r "$photos"
check "gone" it_comes_true grep -q "$photos: cannot be reached: .*nothing is removed" "$WORK/watch.err"
sleep 2
mkdir "$photos" && tag "$photos/g.png" g
finds "made anew later" g.png
mv "$photos" "$WORK/aside"
check "gone again" it_comes_true eval '[ "$(grep -c "$photos: cannot be reached" "$WORK/watch.err")" -ge 2 ]'
tag "$WORK/aside/h.png" h
mv "$WORK/aside" "$photos"
finds "back" g.png h.png
tag "$photos/i.png" i
finds "back, and watched" g.png h.png i.png
kill "$daemon"
wait "$daemon"
run pixgrepd salvage --json
check "the index is sound" grep -q '"sound":true' "$WORK/out"
finish
