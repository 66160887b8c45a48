#!/usr/bin/env bash
# forget, move, approve-removals and failures --retry beside a running watch: the same words and exit codes as without it,
# and the daemon goes on with what the index knows then.
. "$(dirname "$0")/support.sh"
pictures=$SOURCE/tests/golden/preprocess/images
photos=$WORK/photos other=$WORK/other many=$WORK/many
export XDG_RUNTIME_DIR=$WORK/run
daemon=0
mkdir -m 700 "$XDG_RUNTIME_DIR"
trap 'kill -9 "$daemon" 2>/dev/null; chmod -R u+rwx "$WORK"; rm -rf "$WORK"' EXIT

start() { # start ARGUMENT...
    : >"$WORK/watch.out"
    pixgrepd watch "$@" >"$WORK/watch.out" 2>"$WORK/watch.err" &
    daemon=$!
}
watched() { check "$1: everything is looked at" it_comes_true grep -q ' watched$' "$WORK/watch.out"; }
tag() { # tag FILE TEXT: a picture of its own content
    cp "$pictures/tiny-7x5.png" "$1.part" && echo "$2" >>"$1.part" && touch -d '1 hour ago' "$1.part" && mv "$1.part" "$1"
}
status() { # status NAME: a number of the daemon's
    pixgrepd status --json | sed -n "s/.*\"daemon\":{.*\"$1\":\([0-9a-z\"]*\).*/\1/p"
}
is_idle() { [ "$(status state)" = '"idle"' ]; }
encoded() { grep -c '; [1-9][0-9]* encoded' "$WORK/watch.out"; }
same() { # same ARGUMENT...: run on a copy that no daemon keeps, and on the daemon's
    local what=$1
    run pixgrepd "$@" --db "$WORK/copy.db"
    mv "$WORK/out" "$WORK/alone.out" && mv "$WORK/err" "$WORK/alone.err"
    local alone=$code
    run pixgrepd "$@"
    expect "$alone" "$* beside a daemon"
    check "$*: the same output" cmp "$WORK/out" "$WORK/alone.out"
    check "$*: the same on standard error" cmp "$WORK/err" "$WORK/alone.err"
    check "$what: something is said" test -s "$WORK/out" -o -s "$WORK/err"
}

mkdir -p "$photos/part" "$other"
for i in 1 2 3; do tag "$photos/$i.png" "$i" && tag "$photos/part/$i.png" "part $i" && tag "$other/$i.png" "other $i"; done
tag "$photos/"$'\xff\n.png' odd
echo broken >"$photos/bad.jpg" && touch -d '1 hour ago' "$photos/bad.jpg"
run pixgrepd index --db "$WORK/copy.db" "$photos" "$other"
start "$photos" "$other"
watched "start"

same failures --retry
same failures --retry "$photos/bad.jpg" "$photos"
same failures --retry "$photos/1.png"
check "the daemon tries again" it_comes_true eval '[ "$(pixgrepd failures --json | sed "s/.*\"tries\":\([0-9]*\).*/\1/")" -ge 2 ]'
same approve-removals
same approve-removals "$photos/part" "$other"
same approve-removals "$WORK/nowhere"
mv "$other" "$other.away" # one that is away is left alone
same approve-removals
mv "$other.away" "$other"
same forget "$WORK/nowhere"
same move "$WORK/nowhere" "$WORK/somewhere"
same move "$photos" "$photos/part"
check "idle" it_comes_true is_idle # a scan would find it again
(cd "$photos" && same forget part && same forget ../photos/./part; exit "$failures")
failures=$?
check "a wrong one changes nothing" grep -q '"photos":7,' <(pixgrepd status --json --db "$WORK/copy.db")
run pixgrepd rescan "$photos"
expect 0 "the part is indexed again"
run pixgrepd index --db "$WORK/copy.db" "$photos"

# A folder that is elsewhere is watched there, and nothing is encoded again.
check "idle" it_comes_true is_idle
before=$(encoded)
mv "$photos" "$WORK/moved"
same move "$photos" "$WORK/moved"
tag "$WORK/moved/new.png" new
check "what comes to its new place is found" it_comes_true eval 'pixgrep -l -k 100 x 2>/dev/null | grep -qx "$WORK/moved/new.png"'
check "and all the others" test "$(pixgrep -l -k 100 x 2>/dev/null | grep -ca "^$WORK/moved/")" -eq 8
check "only that was encoded" test "$(encoded)" -eq $((before + 1))
check "one root" test "$(pixgrepd roots | cut -f 4 | grep -c photos)" -eq 0

# What is forgotten is neither watched nor indexed again, not after a reload either.
check "idle" it_comes_true is_idle
folders=$(status folders_watched)
same forget "$other"
check "one folder less is watched" test "$(status folders_watched)" -eq $((folders - 1))
tag "$other/late.png" late
kill -HUP "$daemon"
tag "$WORK/moved/later.png" later
check "after a reload the daemon goes on" it_comes_true eval 'pixgrep -l -k 100 x 2>/dev/null | grep -qx "$WORK/moved/later.png"'
check "and has not come back to it" test -z "$(pixgrepd roots | grep -F "$other")"
run pixgrepd pause
run pixgrepd forget "$WORK/moved"
expect 0 "the last folder, while paused"
check "nothing is left" grep -q '"photos":0,.*"roots":0,' <(pixgrepd status --json)
run pixgrepd resume
check "nothing to do is no trouble" it_comes_true is_idle
run pixgrepd index "$WORK/moved"
expect 1 "it can be indexed again" # its broken file is new
check "and watched" it_comes_true eval '[ "$(status folders_watched)" -eq 2 ]'

# Photos that went with too many others.
mkdir "$WORK/moved/card"
for ((i = 1; i <= 60; i++)); do printf 'P6\n2 2\n255\n%012d' "$i" >"$WORK/moved/card/$i.ppm"; done
touch -d '1 hour ago' "$WORK/moved/card"/*
check "sixty more" it_comes_true eval 'pixgrepd status --json | grep -q "\"photos\":69,"'
rm -r "$WORK/moved/card"
check "they are held" it_comes_true eval 'pixgrepd status --json | grep -q "\"held\":60,"'
run pixgrepd approve-removals "$WORK/moved"
expect 0 "approve"
check "approve" grep -qx "$WORK/moved: 60 removed" "$WORK/out"
check "approved" grep -q '"photos":9,.*"held":0,' <(pixgrepd status --json)
run pixgrepd forget "$WORK/moved"

# A folder that is being indexed; the run is ended for it, and what else was asked for goes on.
mkdir "$many"
for ((i = 0; i < 400; i++)); do
    printf 'P6\n# %d\n2000 2000\n255\n' $i >"$many/$i.ppm"
    truncate -s +12000000 "$many/$i.ppm"
done
touch -d '1 hour ago' "$many"/*
pixgrepd index "$many" >"$WORK/index.out" 2>"$WORK/index.err" &
waiting=$!
check "it is being indexed" it_comes_true eval '[ "$(status seen)" -gt 3 ] && pixgrepd status --json | grep -q "\"roots\":1,"'
run pixgrepd forget "$many"
expect 0 "forget what is being indexed"
check "forget what is being indexed" grep -qE "^$many: [0-9]+ photos? forgotten$" "$WORK/out"
wait "$waiting"
code=$?
cp "$WORK/index.out" "$WORK/out" && cp "$WORK/index.err" "$WORK/err"
expect 2 "who waited for it"
check "who waited for it is told" grep -qx "pixgrepd: index: $many: was forgotten meanwhile" "$WORK/err"
check "idle" it_comes_true is_idle
check "and it is gone" grep -q '"photos":0,.*"roots":0,' <(pixgrepd status --json)
kill "$daemon"
wait "$daemon"

start --threads 1 "$many"
check "it is being indexed at the start" it_comes_true eval '[ "$(status seen)" -gt 1 ] && pixgrepd status --json | grep -q "\"roots\":1,"'
run pixgrepd forget "$many"
expect 0 "forget what is indexed at the start"
watched "without it"
check "it is gone, too" grep -q '"photos":0,.*"roots":0,' <(pixgrepd status --json)
mkdir "$WORK/few" && tag "$WORK/few/1.png" few
pixgrepd index "$WORK/few" "$many" >"$WORK/index.out" 2>"$WORK/index.err" &
waiting=$!
check "two are being indexed" it_comes_true eval 'pixgrepd roots | grep -qF "$many"'
run pixgrepd failures --retry
expect 0 "an edit meanwhile"
check "an edit meanwhile" grep -qx '0 files: pixgrepd index tries again' "$WORK/out"
run pixgrepd forget "$many"
wait "$waiting"
code=$?
cp "$WORK/index.out" "$WORK/out" && cp "$WORK/index.err" "$WORK/err"
expect 0 "the other of two is indexed"
check "the other of two is indexed" grep -q "^$WORK/few: 1 seen" "$WORK/out"
check "and is all there is" test "$(pixgrepd roots | cut -f 4)" = "$WORK/few"
kill "$daemon"
wait "$daemon"
finish
