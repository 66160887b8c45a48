#!/usr/bin/env bash
# pixgrepd watch: what happens to photos while it runs is in the index soon, and it stops, reloads and waits as it should.
. "$(dirname "$0")/support.sh"
pictures=$SOURCE/tests/golden/preprocess/images
photos=$WORK/photos
daemon=0

start() { # start ARGUMENT...: the daemon, until everything was looked at
    : >"$WORK/watch.out" # what an earlier one wrote
    pixgrepd watch "$@" >"$WORK/watch.out" 2>"$WORK/watch.err" &
    daemon=$!
    check "watch $*: everything is looked at" it_comes_true grep -q ' watched$' "$WORK/watch.out"
}
stop() { # stop CODE WHAT [SIGNAL]; CODE may be a pattern
    kill "-${3:-TERM}" "$daemon"
    wait "$daemon"
    code=$?
    cp "$WORK/watch.out" "$WORK/out"
    cp "$WORK/watch.err" "$WORK/err"
    # shellcheck disable=SC2254
    case $code in $1) ;; *) expect "$1" "$2" ;; esac
}
trap 'kill -9 "$daemon" 2>/dev/null; chmod -R u+rwx "$WORK"; rm -rf "$WORK"' EXIT
found() { # the photos that are found, sorted, below $photos
    pixgrep -l -k 1000 "$pictures/tiny-7x5.png" 2>/dev/null | sed "s|^$photos/||" | sort | tr '\n' ' '
}
becomes() { # becomes WHAT "NAME NAME ...": these are found soon, in C order, and no other
    check "$1: found is '$2'" it_comes_true eval "[ \"\$(found)\" = '$2${2:+ }' ]"
    [ "$(found)" = "$2${2:+ }" ] || echo "    but: $(found)"
}
tells() { # tells WHAT PATTERN: a line on its standard output
    check "$1: it tells '$2'" it_comes_true grep -qE -- "$2" "$WORK/watch.out"
    grep -qE -- "$2" "$WORK/watch.out" || sed 's/^/    /' "$WORK/watch.out" "$WORK/watch.err"
}
tag() { # tag FILE NUMBER: a picture of its own content
    cp "$pictures/tiny-7x5.png" "$1.part" && echo "$2" >>"$1.part" && mv "$1.part" "$1"
}
ticks() { # the processor time it has used, in ticks
    awk '{ print $14 + $15 }' "/proc/$daemon/stat"
}

# What stops it before it starts.
run pixgrepd watch
expect 2 "no folder is known"
check "no folder is known" grep -q "^pixgrepd: watch: no folder is known yet" "$WORK/err"
run pixgrepd watch "$WORK/nowhere"
expect 2 "no such folder"
check "no such folder" grep -q "^pixgrepd: watch: $WORK/nowhere: No such file" "$WORK/err"
for wrong in "--rescan=often" "--time-limit=2h" "--rescan"; do
    run pixgrepd watch "$wrong"
    expect 2 "$wrong"
    check "$wrong is named" grep -q -- "${wrong%=*}\|often" "$WORK/err"
done

# Photos come, change, move and go.
mkdir -p "$photos/sub/deep"
tag "$photos/a.png" a
tag "$photos/sub/b.png" b
start --hidden "$photos"
becomes "the start" "a.png sub/b.png"
tag "$photos/c.png" c
cp "$photos/a.png" "$photos/sub/deep/copy.png"
becomes "new ones" "a.png c.png sub/b.png sub/deep/copy.png"
echo more >>"$photos/c.png"
tells "a changed one" "^$photos: 1 changed; 1 encoded"
rm "$photos/sub/deep/copy.png"
becomes "one removed" "a.png c.png sub/b.png"
mv "$photos/c.png" "$photos/d.png"
becomes "one renamed" "a.png d.png sub/b.png"
mv "$photos/sub" "$photos/dir"
becomes "a folder renamed" "a.png d.png dir/b.png"
check "renames encode nothing" it_comes_true eval '[ "$(grep -c " 1 moved; 0 encoded" "$WORK/watch.out")" -eq 2 ]'
tag "$photos/dir/deep/e.png" e
becomes "one in a renamed folder" "a.png d.png dir/b.png dir/deep/e.png"
mkdir -p "$photos/n/e/w"
for ((i = 1; i <= 9; i++)); do tag "$photos/n/e/w/$i.png" "new $i"; done
becomes "new folders" "a.png d.png dir/b.png dir/deep/e.png $(cd "$photos" && echo n/e/w/*)"
mv "$photos/n/e" "$WORK/e"
becomes "a folder that leaves" "a.png d.png dir/b.png dir/deep/e.png"
mv "$WORK/e/w" "$photos/w"
becomes "a folder that comes" "a.png d.png dir/b.png dir/deep/e.png $(cd "$photos" && echo w/*)"
: >"$photos/w/.nomedia"
becomes "a folder that asks to be left alone" "a.png d.png dir/b.png dir/deep/e.png"
rm "$photos/w/.nomedia"
becomes "and asks no more" "a.png d.png dir/b.png dir/deep/e.png $(cd "$photos" && echo w/*)"
rm -r "$photos/w"
becomes "a folder removed" "a.png d.png dir/b.png dir/deep/e.png"
mv "$photos/a.png" "$photos/x.png"
mv "$photos/d.png" "$photos/a.png"
mv "$photos/x.png" "$photos/d.png"
tells "two that change places" "^$photos: 2 moved; 0 encoded"
tag "$photos/"$'\xff new\nline.png' odd
tells "a name of any bytes" "^$photos: 1 new; 1 encoded"
check "a name of any bytes is found" it_comes_true eval 'pixgrep -l -k 1000 "$pictures/tiny-7x5.png" 2>/dev/null | grep -qaF "new\nline.png"'
rm "$photos/"$'\xff new\nline.png'
becomes "and gone" "a.png d.png dir/b.png dir/deep/e.png"

# A file is looked at when its writer has closed it; a broken one is told of once, until it changes.
exec 9>"$photos/slow.png"
head -c 60 "$pictures/checker-300.png" >&9
written=60
is_left_alone() { # goes on writing; true once the other one is found
    written=$((written + 1))
    head -c "$written" "$pictures/checker-300.png" | tail -c 1 >&9
    [ "$(found)" = "a.png d.png dir/b.png dir/deep/e.png other.png " ]
}
tag "$photos/other.png" other
check "a file that is being written is left alone" it_comes_true is_left_alone
tail -c "+$((written + 1))" "$pictures/checker-300.png" >&9
exec 9>&-
becomes "a file that was closed" "a.png d.png dir/b.png dir/deep/e.png other.png slow.png"
check "nothing has failed" test -z "$(grep -v 'using the bundled' "$WORK/watch.err")"
echo "no picture" >"$photos/bad.jpg"
tells "a broken one" "^$photos: 1 failed; 0 encoded"
check "a broken one: the reason" grep -q "^pixgrepd: watch $photos: bad.jpg: ." "$WORK/watch.err"
mv "$photos/bad.jpg" "$photos/worse.jpg"
check "a broken one is known under its new name" it_comes_true eval \
    '[ "$(pixgrepd failures | cut -f 1)" = "$photos/worse.jpg" ]'
cp "$pictures/one-1x1.png" "$photos/worse.jpg"
becomes "a broken one repaired" "a.png d.png dir/b.png dir/deep/e.png other.png slow.png worse.jpg"
check "it was told of once" test "$(grep -c bad.jpg "$WORK/watch.err")" -eq 1
rm "$photos/worse.jpg" "$photos/slow.png" "$photos/other.png"

# One writer; a reload takes the model that is current by then; with nothing to do it does nothing.
run pixgrepd watch "$photos"
expect 2 "a second one"
check "a second one" grep -q "another pixgrepd is writing" "$WORK/err"
becomes "before the reload" "a.png d.png dir/b.png dir/deep/e.png"
pixgrepd model import "$pictures/../../models/vit-p32/vit-p32.pt" >/dev/null 2>&1
kill -HUP "$daemon"
check "reloaded, it encodes with the new model" it_comes_true eval \
    'pixgrepd status | grep -q "^model *4 of 4 photos encoded with vit-p32 (current)"'
tag "$photos/f.png" f
becomes "after the reload" "a.png d.png dir/b.png dir/deep/e.png f.png"
is_done() { # with what follows the commit, too
    used=$(ticks)
    sleep 0.5
    [ "$(ticks)" -eq "$used" ]
}
check "it comes to rest" it_comes_true is_done
before=$(pixgrepd status --json)
if strace -o /dev/null true 2>/dev/null; then
    if nm -D "$BUILD/bin/pixgrepd" | grep -q __tsan_init; then
        echo "SKIP idleness: a sanitizer's own thread never rests"
    else
        timeout -s INT 2 strace -f -o "$WORK/idle" -p "$daemon" 2>"$WORK/attached"
        check "strace looks on" grep -q attached "$WORK/attached"
        check "idle, it makes no system call" test -z "$(grep -v '<unfinished\|SIGINT\|detached\| resuming' "$WORK/idle")"
        check "idle, it takes no processor time" test "$(ticks)" -eq "$used"
    fi
    check "idle, it writes nothing" test "$(pixgrepd status --json)" = "$before"
    # A disk that fails for once costs half a minute: nobody would tell when it works again.
    strace -f -o "$WORK/disk" -P "$photos/g.png" -e trace=openat -e inject=openat:error=EIO -p "$daemon" 2>"$WORK/attached" &
    tracer=$!
    check "strace sees it" it_comes_true grep -q attached "$WORK/attached"
    tag "$photos/g.png" g
    check "a disk that fails: it is told" it_comes_true grep -q "^pixgrepd: watch $photos: g.png: cannot open: Input/output" "$WORK/watch.err"
    check "a disk that fails: and when it looks again" it_comes_true \
        grep -q "^pixgrepd: watch: everything is looked at again in 30.0 s" "$WORK/watch.err"
    kill "$tracer"
    wait "$tracer"
    becomes "a disk that works again" "a.png d.png dir/b.png dir/deep/e.png f.png g.png"
    rm "$photos/g.png"
    becomes "and without it" "a.png d.png dir/b.png dir/deep/e.png f.png"
else
    echo "SKIP idleness, a disk that fails: strace is not installed or may not trace"
fi

# A root that goes takes nothing out of the index; it stops with what it did committed.
mv "$photos" "$WORK/away"
mkdir "$photos"
kill -HUP "$daemon"
check "an empty root removes nothing" it_comes_true grep -q "no photo can be seen in it: nothing is removed" "$WORK/watch.err"
becomes "an empty root" "a.png d.png dir/b.png dir/deep/e.png f.png"
rmdir "$photos"
mv "$WORK/away" "$photos"
stop "[03]" "stopped while it looks at what came back"
check "no failure is left" test -z "$(pixgrepd failures)"

# An index that cannot be opened again is tried again however often that fails.
cp "$XDG_DATA_HOME/pixgrep/models/"*.pixm "$WORK/own.pixm"
start --model "$WORK/own.pixm" "$photos"
mv "$WORK/own.pixm" "$WORK/gone.pixm"
for times in 1 2 3; do
    kill -HUP "$daemon"
    check "broken for the ${times}. time: it tells when it tries again" it_comes_true eval \
        '[ "$(grep -c "^pixgrepd: watch: the index is opened again in " "$WORK/watch.err")" -eq $times ]'
done
mv "$WORK/gone.pixm" "$WORK/own.pixm"
kill -HUP "$daemon"
tag "$photos/again.png" again
becomes "mended" "a.png again.png d.png dir/b.png dir/deep/e.png f.png"
rm "$photos/again.png"
becomes "as before" "a.png d.png dir/b.png dir/deep/e.png f.png"
stop 0 "stopped when mended"

# A full scan each time the clock says so; a large library, stopped in the middle.
start --rescan 1s "$photos"
sqlite3 "$XDG_DATA_HOME/pixgrep/index.db" 'SELECT max(id) FROM run' >"$WORK/runs" 2>/dev/null &&
    check "--rescan: it looks again" it_comes_true eval \
        '[ "$(sqlite3 "$XDG_DATA_HOME/pixgrep/index.db" "SELECT max(id) FROM run")" -gt $(($(cat "$WORK/runs") + 1)) ]'
stop "[03]" "stopped by SIGINT" INT
many=$WORK/many
mkdir "$many"
for ((i = 0; i < 100; i++)); do
    printf 'P6\n# %d\n2000 2000\n255\n' $i >"$many/$i.ppm"
    truncate -s +12000000 "$many/$i.ppm"
    touch -d '1 hour ago' "$many/$i.ppm"
done
pixgrepd watch --threads 1 "$many" >"$WORK/watch.out" 2>"$WORK/watch.err" &
daemon=$!
known() { pixgrepd status --json | sed -n 's/.*"photos":\([0-9]*\).*/\1/p'; }
check "a part is committed while it runs" it_comes_true eval '[ "$(known)" -gt 5 ]'
stop 3 "stopped in the middle"
check "what was done is kept" test "$(known)" -gt 5 -a "$(known)" -lt 105
start
check "the rest is done" test "$(known)" -eq 105
stop 0 "stopped after the rest"

# Few watches, one of which is the index's: told with what to do, and the rest is left to the full scans.
limited='echo 4 >/proc/sys/user/max_inotify_watches && exec "$@"'
if unshare -Ur sh -c "$limited" sh true 2>/dev/null; then
    mkdir -p "$photos/more/and/more"
    unshare -Ur sh -c "$limited" sh pixgrepd watch --rescan 1s >"$WORK/watch.out" 2>"$WORK/watch.err" &
    daemon=$!
    check "few watches: what to do" it_comes_true grep -qE \
        '^pixgrepd: watch: only 3 of [0-9]+ folders can be watched; .*sysctl fs.inotify.max_user_watches=[0-9]+$' "$WORK/watch.err"
    tag "$photos/more/and/more/g.png" g
    check "few watches: a full scan finds it" it_comes_true eval 'found | grep -q more/and/more/g.png'
    stop "[03]" "few watches"
else
    echo "SKIP few watches: user namespaces or their limits are not to be had"
fi

# A drive that goes away while it is watched keeps its photos in the index; back again, it is looked at at once.
mkdir "$WORK/drive"
if unshare -rm mount -t tmpfs drive "$WORK/drive" 2>/dev/null; then
    drive() { # in a name space of its own, where drives can be mounted
        mount -t tmpfs drive "$WORK/drive"
        tag "$WORK/drive/h.png" h
        start --db "$WORK/drive.db" "$WORK/drive"
        umount -l "$WORK/drive"
        check "a drive away: it is noticed" it_comes_true grep -q \
            "$WORK/drive: is on another file system than before: nothing is removed" "$WORK/watch.err"
        check "a drive away: its photo stays" grep -q '"photos":1,' <(pixgrepd status --json --db "$WORK/drive.db")
        mkdir "$WORK/mounting"
        mount -t tmpfs drive "$WORK/mounting"
        tag "$WORK/mounting/h.png" h
        tag "$WORK/mounting/i.png" i
        touch -d '1 hour ago' "$WORK/mounting"/*
        mount --move "$WORK/mounting" "$WORK/drive"
        tells "a drive back: it is looked at" "^$WORK/drive: 1 new, "
        stop "[03]" "a drive" # the mount may be told of twice
        exit "$failures"
    }
    export -f drive start stop check it_comes_true tells tag expect
    failures_before=$failures
    export WORK pictures patience failures=0
    unshare -rm bash -c drive
    failures=$((failures_before + $?))
else
    echo "SKIP a drive that goes away: mounting is not permitted, not even in a name space"
fi

# When the kernel's events cannot be read, all is looked at half a minute later, and the events after that are heard again.
if strace -o /dev/null true 2>/dev/null; then
    deaf=$WORK/deaf
    mkdir "$deaf"
    tag "$deaf/a.png" a
    ASAN_OPTIONS=detect_leaks=0 start --db "$WORK/deaf.db" "$deaf" # which strace would disturb
    strace -o "$WORK/deaf.calls" -P anon_inode:inotify -e trace=read -e inject=read:error=EIO:when=1 -p "$daemon" 2>"$WORK/attached" &
    check "deaf: strace has it" it_comes_true grep -q attached "$WORK/attached"
    says_so() { # on a busy machine strace may come too late for the first
        tag "$deaf/b.png" "b$wait"
        sleep 0.1
        grep -q 'everything is looked at again in 30' "$WORK/watch.err"
    }
    check "deaf: it says so" it_comes_true says_so
    check "deaf: all is looked at" it_comes_true eval '[ "$(grep -c "1 new; 1 encoded" "$WORK/watch.out")" -eq 2 ]'
    tag "$deaf/c.png" c
    check "deaf: it hears again" it_comes_true eval '[ "$(grep -c "1 new; 1 encoded" "$WORK/watch.out")" -eq 3 ]'
    stop 0 "deaf"
    check "deaf: it was the events" grep -q INJECTED "$WORK/deaf.calls"
else
    echo "SKIP events that cannot be read: strace is not installed or may not trace"
fi
finish
