#!/usr/bin/env bash
# What one run after another makes of a changing folder of photos: summaries, failures, exit codes.
. "$(dirname "$0")/support.sh"
shopt -s nullglob
pictures=$SOURCE/tests/golden/preprocess/images
photos=$WORK/photos
db=$XDG_DATA_HOME/pixgrep/index.db

# index CODE WHAT ARGUMENT...: one run with this exit code.
index() {
    local expected=$1 what=$2
    shift 2
    run pixgrepd index "$@"
    expect "$expected" "$what"
}

# summary WHAT KEY=N...: the one line on stdout has these numbers and 0 for every other.
summary() {
    local what=$1 line wanted='' pair key
    shift
    line=$(cat "$WORK/out")
    for key in seen new changed moved duplicates removed returned failed failed_before unchanged encoded; do
        local number=0
        for pair in "$@"; do
            [ "${pair%%=*}" != "$key" ] || number=${pair#*=}
        done
        wanted+="$number ${key/_/ }, "
    done
    wanted=${wanted%, }
    wanted=${wanted/ unchanged, / unchanged; }
    case $(sed 's/\([0-9]\),\([0-9]\)/\1\2/g' <<<"$line") in
    *": $wanted in "*) ;;
    *)
        echo "FAILED: $what"
        echo "    wanted: $wanted"
        echo "    stdout: $line"
        sed 's/^/    stderr: /' "$WORK/err" | head
        failures=$((failures + 1))
        ;;
    esac
}

says() { # says WHAT TEXT: standard error has it
    check "$1: standard error says '$2'" grep -qF -- "$2" "$WORK/err"
}

photos_known() {
    pixgrepd status --json | sed -n 's/.*"photos":\([0-9]*\).*/\1/p'
}

silent() { # silent WHAT: nothing on standard error
    check "$1: nothing on standard error" test ! -s "$WORK/err"
    [ ! -s "$WORK/err" ] || sed 's/^/    /' "$WORK/err"
}

mkdir "$photos"
PATH=$(bare_programs):$PATH index 2 "no model"
says "no model" "pixgrepd model import"
check "no model: no index is made" test ! -e "$db"
pixgrepd model import "$pictures/../../models/vit-p32/vit-p32.pt" >/dev/null 2>&1
check "the model imports" test $? -eq 0
index 2 "no folder is known"
says "no folder is known" "pixgrepd index DIR"
index 2 "a folder that does not exist" "$WORK/nowhere"
says "a folder that does not exist" "$WORK/nowhere: No such file or directory"
index 2 "a file instead of a folder" "$pictures/one-1x1.png"
says "a file instead of a folder" "not a folder"

# Names of every kind, copies, and what is no photo.
cp "$pictures"/*.png "$photos/"
total=$(ls "$photos" | wc -l)
mkdir -p "$photos/sub/deep" "$photos/.hidden" "$photos/private" "$photos/"$'\xff\xfe'
tag() { # tag FILE NUMBER: a picture of its own content
    cp "$pictures/tiny-7x5.png" "$1" && echo "$2" >>"$1"
}
tag "$photos/"$'new\nline.png' 1
tag "$photos/-dash.PNG" 2
tag "$photos/"$'\xff\xfe/\xe9.png' 3
tag "$photos/sub/deep/same.png" 4
tag "$photos/sub/same.png" 5
tag "$photos/.hidden/hidden.png" 6
tag "$photos/.hidden.png" 7
tag "$photos/private/private.png" 8
touch "$photos/private/.nomedia"
mkfifo "$photos/pipe.png"
ln -s .. "$photos/sub/loop"
ln -s ../one-1x1.png "$photos/sub/link.png"
echo text >"$photos/notes.txt"
total=$((total + 5))

index 0 "first run" "$photos"
summary "first run" seen=$total new=$total encoded=$total
silent "first run"
index 0 "unchanged" "$photos/"
summary "unchanged" seen=$total unchanged=$total
silent "unchanged"
(cd "$photos" && index 0 "unchanged, relative" .)
summary "unchanged, relative" seen=$total unchanged=$total
index 0 "every known root"
summary "every known root" seen=$total unchanged=$total
index 0 "nested folders are walked once" "$photos/sub" "$photos" "$photos/sub/deep"
summary "nested folders are walked once" seen=$total unchanged=$total
run pixgrepd roots
check "one root" test "$(cut -f 4 "$WORK/out")" = "$photos"

# Failures: listed with their reason once, then only counted, until they change.
head -c 300 "$pictures/checker-300.png" >"$photos/cut.png"
echo "no picture" >"$photos/text.jpg"
: >"$photos/empty.jpg"
index 1 "new failures" "$photos"
summary "new failures" seen=$((total + 3)) failed=3 unchanged=$total
for name in cut.png text.jpg empty.jpg; do
    says "new failures" "pixgrepd: index $photos: $name: "
done
check "a line for each failure" test "$(wc -l <"$WORK/err")" -eq 3
index 0 "known failures" "$photos"
summary "known failures" seen=$((total + 3)) failed_before=3 unchanged=$total
silent "known failures"
run pixgrepd failures
expect 0 "failures"
check "failures lists three" test "$(wc -l <"$WORK/out")" -eq 3
check "failures gives reasons" grep -q "^$photos/text.jpg"$'\t'"." "$WORK/out"
cp "$pictures/checker-300.png" "$photos/cut.png"
rm "$photos/text.jpg" "$photos/empty.jpg"
index 0 "repaired" "$photos"
summary "repaired" seen=$((total + 1)) duplicates=1 unchanged=$total
run pixgrepd failures
check "no failures are left" test ! -s "$WORK/out"
rm "$photos/cut.png"
index 0 "a duplicate removed" "$photos"
summary "a duplicate removed" seen=$total unchanged=$total removed=1

# Renames, touches, truncation, restoring, removing, returning: nothing is encoded twice.
mv "$photos/sub/same.png" "$photos/renamed.png"
index 0 "renamed" "$photos"
summary "renamed" seen=$total moved=1 unchanged=$((total - 1))
mv "$photos/sub" "$photos/dir"
index 0 "folder renamed" "$photos"
summary "folder renamed" seen=$total moved=1 unchanged=$((total - 1))
touch "$photos/renamed.png"
index 0 "touched" "$photos"
summary "touched" seen=$total changed=1 unchanged=$((total - 1))
tag "$photos/renamed.png" other
index 0 "rewritten" "$photos"
summary "rewritten" seen=$total changed=1 unchanged=$((total - 1)) encoded=1
cp -p "$photos/checker-300.png" "$WORK/kept.png"
truncate -s 300 "$photos/checker-300.png"
index 1 "truncated" "$photos"
summary "truncated" seen=$total failed=1 unchanged=$((total - 1))
cp -p "$WORK/kept.png" "$photos/checker-300.png"
index 0 "restored" "$photos"
check "restored: not encoded again" grep -q "; 0 encoded" "$WORK/out"
check "restored: nothing failed" grep -q " 0 failed, 0 failed before" "$WORK/out"
mv "$photos/checker-300.png" "$WORK/"
index 0 "removed" "$photos"
summary "removed" seen=$((total - 1)) removed=1 unchanged=$((total - 1))
index 0 "removed before" "$photos"
summary "removed before" seen=$((total - 1)) unchanged=$((total - 1))
mv "$WORK/checker-300.png" "$photos/"
index 0 "returned" "$photos"
summary "returned" seen=$total returned=1 unchanged=$((total - 1))

# Options of the walk.
index 0 "--hidden" --hidden "$photos"
summary "--hidden" seen=$((total + 2)) new=2 encoded=2 unchanged=$total
index 0 "hidden no more" "$photos"
summary "hidden no more" seen=$total removed=2 unchanged=$total
index 0 "--follow" --follow "$photos"
summary "--follow" seen=$((total + 1)) duplicates=1 unchanged=$total
index 0 "--exclude" --exclude 'dir' --exclude 'off-*.png' "$photos"
excluded=$((1 + $(ls "$photos"/off-*.png | wc -l)))
summary "--exclude" seen=$((total - excluded)) removed=$((excluded + 1)) unchanged=$((total - excluded))
index 0 "--exclude of a folder" --exclude ./dir// --exclude=$'\xff\xfe/' "$photos"
summary "--exclude of a folder" seen=$((total - 2)) returned=$((excluded - 1)) removed=1 \
    unchanged=$((total - excluded - 1))
index 0 "--exclude" --exclude 'dir' --exclude 'off-*.png' "$photos"
index 0 "a part of a root" "$photos/dir"
summary "a part of a root" seen=1 returned=1
check "a part of a root: the line names it" grep -q "^$photos/dir: " "$WORK/out"
index 0 "all again" "$photos"
summary "all again" seen=$total returned=$((excluded - 1)) unchanged=$((total - excluded + 1))
index 0 "--quiet" --quiet "$photos"
check "--quiet says nothing" test ! -s "$WORK/out" -a ! -s "$WORK/err"
index 0 "--exact is another recipe" --exact "$photos"
summary "--exact is another recipe" seen=$total unchanged=$total encoded=$total
index 0 "exact vectors serve" "$photos"
summary "exact vectors serve" seen=$total unchanged=$total

# A root that is away or empty removes nothing.
mv "$photos" "$WORK/away"
index 0 "absent, unnamed"
check "absent: no summary" test ! -s "$WORK/out"
says "absent" "pixgrepd: index $photos: cannot be reached: No such file or directory: nothing is removed"
index 2 "absent, named" "$photos"
says "absent, named" "nothing is removed"
mkdir "$photos"
index 0 "empty" "$photos"
summary "empty"
says "empty" "nothing is removed"
rmdir "$photos"
: >"$photos"
index 0 "a file in its place"
says "a file in its place" "nothing is removed"
rm "$photos"
mv "$WORK/away" "$photos"
index 0 "back" "$photos"
summary "back" seen=$total unchanged=$total
if command -v sqlite3 >/dev/null; then
    sqlite3 "$db" "UPDATE root SET identity = 'uuid:other'"
    mv "$photos/one-1x1.png" "$WORK/"
    index 0 "another file system" "$photos"
    summary "another file system" seen=$((total - 1)) unchanged=$((total - 1))
    says "another file system" "another file system than before, with the same photos"
    index 0 "the new one counts" "$photos"
    summary "the new one counts" seen=$((total - 1)) unchanged=$((total - 1)) removed=1
    sqlite3 "$db" "UPDATE root SET identity = 'uuid:other'"
    mkdir "$WORK/away" && mv "$photos"/* "$WORK/away" && mv "$WORK/one-1x1.png" "$photos"
    index 0 "another drive" "$photos"
    summary "another drive" seen=1 returned=1
    says "another drive" "another file system than before: nothing is removed"
    mv "$WORK/away"/* "$photos"
    index 0 "the first drive again" "$photos"
    summary "the first drive again" seen=$total unchanged=$total
else
    echo "SKIP another file system: sqlite3 is not installed"
fi

# What may not be read is reported, keeps its photos, and is tried again when it may.
if [ "$(id -u)" -ne 0 ] || command -v setpriv >/dev/null; then
    as_user() {
        if [ "$(id -u)" -eq 0 ]; then
            setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
        else
            "$@"
        fi
    }
    open=$WORK/open
    mkdir -p "$open/home" "$open/data" "$open/photos/closed"
    cp -r "$XDG_DATA_HOME/pixgrep/models" "$WORK/models"
    mkdir -p "$open/data/pixgrep" && cp -r "$WORK/models" "$open/data/pixgrep/"
    tag "$open/photos/a.png" a
    tag "$open/photos/b.png" b
    tag "$open/photos/closed/c.png" c
    [ "$(id -u)" -ne 0 ] || { chown -R 65534:65534 "$open" && chmod 755 "$WORK"; }
    as_user_at_home() {
        as_user env HOME="$open/home" XDG_DATA_HOME="$open/data" "$@"
    }
    user_index() {
        run as_user_at_home pixgrepd index "$open/photos"
        expect "$1" "$2"
    }
    finds() { # finds WHAT N: searches still find N photos
        check "$1: $2 photos are found" grep -q "\"photos\":$2," <(as_user_at_home pixgrepd status --json)
    }
    if as_user test -x "$BUILD/bin/pixgrepd"; then
        user_index 0 "readable"
        summary "readable" seen=3 new=3 encoded=3
        chmod 0 "$open/photos/closed"
        as_user cp "$open/photos/a.png" "$open/photos/new.png"
        echo new >>"$open/photos/new.png"
        chmod 0 "$open/photos/new.png"
        user_index 1 "unreadable"
        summary "unreadable" seen=3 failed=2 unchanged=2
        says "unreadable" "pixgrepd: index $open/photos: closed: Permission denied"
        says "unreadable" "pixgrepd: index $open/photos: new.png: "
        user_index 0 "still unreadable"
        summary "still unreadable" seen=3 failed_before=2 unchanged=2
        finds "still unreadable" 3
        chmod 700 "$open/photos/closed"
        chmod 600 "$open/photos/new.png"
        user_index 0 "readable again"
        summary "readable again" seen=4 new=1 encoded=1 unchanged=3

        # A photo of the index stays found, and each run reports it.
        tag "$open/photos/b.png" other
        chmod 0 "$open/photos/b.png"
        chmod 444 "$open/photos/closed"
        for time in first second; do
            user_index 1 "photos out of reach, the $time time"
            summary "photos out of reach, the $time time" seen=3 failed=2 unchanged=2
            says "photos out of reach, the $time time" "pixgrepd: index $open/photos: b.png: "
            says "photos out of reach, the $time time" "pixgrepd: index $open/photos: closed/c.png: Permission denied"
            finds "photos out of reach, the $time time" 4
        done
        chmod 444 "$open/photos"
        user_index 1 "no photo in reach"
        says "no photo in reach" "nothing is removed"
        finds "no photo in reach" 4
        run as_user_at_home pixgrepd failures
        check "no photo in reach: only the folder is kept as a failure" \
            test "$(cut -f 1 "$WORK/out")" = "$open/photos/closed"
        chmod 700 "$open/photos" "$open/photos/closed"
        chmod 600 "$open/photos/b.png"
        user_index 0 "in reach again"
        summary "in reach again" seen=4 changed=1 encoded=1 unchanged=3
        run as_user_at_home pixgrepd failures
        check "in reach again: no failures are left" test ! -s "$WORK/out"
        chmod 0 "$open/photos"
        user_index 2 "the root is unreadable"
        says "the root is unreadable" "nothing is removed"
        chmod 700 "$open/photos"
        user_index 0 "the root is readable"
        summary "the root is readable" seen=4 unchanged=4
    else
        echo "SKIP permissions: another user cannot reach $BUILD"
    fi
else
    echo "SKIP permissions: setpriv is not installed"
fi

# A disk that does not answer for a photo does not take it out of the index.
if strace -o /dev/null true 2>/dev/null; then
    index 0 "before the disk fails" "$photos"
    broken='?newfstatat,?fstatat64,?statx'
    run env ASAN_OPTIONS=detect_leaks=0 strace -f -o /dev/null -P one-1x1.png -e trace="$broken" \
        -e inject="$broken:error=EIO" pixgrepd index "$photos"
    expect 1 "the disk fails"
    summary "the disk fails" seen=$((total - 1)) failed=1 unchanged=$((total - 1))
    says "the disk fails" "pixgrepd: index $photos: one-1x1.png: Input/output error"
    check "the disk fails: every photo is found" test "$(photos_known)" -eq "$total"
    index 0 "the disk works again" "$photos"
    summary "the disk works again" seen=$total unchanged=$total
else
    echo "SKIP a disk that fails: strace is not installed or may not trace"
fi

# What stops a run before any photo: said in one line, and nothing is noted.
mkdir "$WORK/gone"
(
    cd "$WORK/gone" && rmdir "$WORK/gone" || exit
    index 2 "a current folder that is gone" .
    says "a current folder that is gone" "index: .: cannot find the current folder: No such file"
    run pixgrepd forget .
    expect 2 "forget in a folder that is gone"
    check "forget in a folder that is gone" grep -q "cannot find the current folder: No such" "$WORK/err"
    exit "$failures"
)
failures=$?
mkdir -p "$WORK/elsewhere/bin"
cp "$BUILD/bin/pixgrepd" "$WORK/elsewhere/bin/"
tag "$photos/undecoded.png" undecoded
before=$(pixgrepd status --json)
run "$WORK/elsewhere/bin/pixgrepd" index "$photos"
expect 2 "no decoder"
check "no decoder: one line" test "$(cat "$WORK/err")" = \
    "pixgrepd: index: cannot run $WORK/elsewhere/libexec/pixgrep/pixgrep-decode: No such file or directory"
check "no decoder: nothing is noted" test "$(pixgrepd status --json)" = "$before"
rm "$photos/undecoded.png"
if [ -w /dev/full ]; then
    pixgrepd index "$photos" >/dev/full 2>"$WORK/err"
    code=$?
    expect 2 "standard output is full"
    says "standard output is full" "cannot write the output: No space left on device"
    check "standard output is full: one line" test "$(wc -l <"$WORK/err")" -eq 1
fi

# forget
run pixgrepd forget "$photos/dir"
expect 0 "forget a part"
check "forget a part: the photo and the link that is missing" grep -q "^$photos/dir: 2 photos forgotten" "$WORK/out"
index 0 "a forgotten part is met anew; its old name keeps its vector" "$photos"
summary "a forgotten part is met anew" seen=$total duplicates=1 unchanged=$((total - 1))
run pixgrepd forget "$photos"
expect 0 "forget"
run pixgrepd forget "$photos"
expect 2 "nothing to forget"
says "nothing to forget" "nothing of it is in the index"
run pixgrepd roots
check "no root is left" test ! -s "$WORK/out"

# A larger library, stopped, killed and indexed by two at once.
many=$WORK/many
count=80
mkdir "$many"
for ((i = 0; i < count; i++)); do # black squares, each slow to read and none of them on the disk
    printf 'P6\n# %d\n2000 2000\n255\n' $i >"$many/$i.ppm"
    truncate -s +12000000 "$many/$i.ppm"
done
patience=30
some_are_committed() { # by a run in the background
    it_comes_true eval '[ "$(photos_known)" -gt 0 ]'
}
for signal in INT TERM; do
    pixgrepd index --threads 1 "$many" >"$WORK/out" 2>"$WORK/err" &
    check "SIG$signal: a part is committed while it runs" some_are_committed
    kill -$signal $!
    wait $!
    code=$?
    expect 3 "stopped by SIG$signal"
    says "stopped by SIG$signal" "run it again to go on"
    known=$(photos_known)
    check "SIG$signal: what was done is kept ($known)" test "$known" -gt 0 -a "$known" -lt $count
    check "SIG$signal: the summary agrees" grep -q " $known encoded" <(tr -d , <"$WORK/out")
    run pixgrepd status
    check "SIG$signal: status says it was stopped" grep -q "last run .* stopped" "$WORK/out"
    pixgrepd forget "$many" >/dev/null
done

# A run whose decoder is held up for as long as the file begun is there.
mkdir -p "$WORK/elsewhere/libexec/pixgrep"
cat >"$WORK/elsewhere/libexec/pixgrep/pixgrep-decode" <<END
#!/bin/sh
: >"$WORK/begun"
while [ -e "$WORK/begun" ]; do sleep 0.05; done
exec "$BUILD/libexec/pixgrep/pixgrep-decode"
END
chmod +x "$WORK/elsewhere/libexec/pixgrep/pixgrep-decode"
"$WORK/elsewhere/bin/pixgrepd" index --threads 1 "$many" >"$WORK/held.out" 2>"$WORK/held.err" &
check "the decoder begins" it_comes_true test -e "$WORK/begun"
index 2 "a second indexer" "$many"
says "a second indexer" "$db"
run pixgrepd forget "$many"
expect 2 "forget while it is indexed"
kill -INT $!
check "the first signal is taken" it_comes_true grep -q '^ShdPnd:[[:space:]]*0*$' /proc/$!/status
check "the first signal waits for the photo at hand" grep -q '^State:[[:space:]]*[^Z[:space:]]' /proc/$!/status
kill -INT $!
wait $!
code=$?
rm "$WORK/begun"
expect 3 "stopped by two signals"
check "the second signal ends it at once" test ! -s "$WORK/held.out" -a ! -s "$WORK/held.err"

pixgrepd index --threads 1 "$many" >"$WORK/out" 2>"$WORK/err" &
check "a part is committed while it runs" some_are_committed
{
    kill -9 $!
    wait $!
} 2>/dev/null # where bash tells of the kill
known=$(photos_known)
check "killed: what was committed is kept" test "$known" -gt 0 -a "$known" -lt $count
index 0 "the rest" "$many"
summary "the rest" seen=$count new=$((count - known)) unchanged=$known encoded=$((count - known))
finish
