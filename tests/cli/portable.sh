#!/usr/bin/env bash
# The index goes along: to another place, another machine, another person, in the middle of its daemon's work.
. "$(dirname "$0")/support.sh"
photos=$WORK/photos
daemon=0
trap 'kill -9 "$daemon" 2>/dev/null; umount -l "$WORK/drive" 2>/dev/null; rm -rf "$WORK"' EXIT

make() { # make FOLDER FIRST LAST: that many different pictures, each the same wherever it is made
    local i
    mkdir -p "$1"
    for ((i = $2; i <= $3; i++)); do
        printf 'P6\n2 2\n255\n%012d' "$i" >"$1/$i.ppm"
        touch -d 2020-02-02 "$1/$i.ppm"
    done
}
moved() { # moved WHAT NUMBER OLD NEW: so many are in NEW now, with nothing left to do
    run pixgrepd move "$3" "$4"
    expect 0 "$1"
    check "$1: $2" grep -qaE ": $2 photos? (is|are) here now$" "$WORK/out"
}
nothing_to_do() { # nothing_to_do WHAT NUMBER: a run finds that many photos as they are known
    run pixgrepd index
    expect 0 "$1"
    check "$1: unchanged" test "$(($(LC_ALL=C sed -n 's/.* \([0-9]*\) unchanged; 0 encoded.*/\1/p' "$WORK/out" | paste -sd+)))" = "$2"
    check "$1: nothing else" test -z "$(grep -avE ' 0 new, 0 changed, 0 moved, 0 duplicates, 0 removed, 0 returned, 0 failed,' "$WORK/out")"
    check "$1: nothing is told" test -z "$(grep -v bundled "$WORK/err")"
}

# Names: slashes, dots, any bytes, links that were left behind.
make "$photos/a" 1 3
run pixgrepd index "$photos"
mv "$photos" "$WORK/"$'caf\xe9 \n'
moved "any bytes" 3 "$photos///" "$WORK/"$'caf\xe9 \n'"//"
check "any bytes: escaped" grep -qaF $'/caf\xe9 \\n: 3 photos' "$WORK/out"
nothing_to_do "any bytes" 3
mv "$WORK/"$'caf\xe9 \n' "$photos"
moved "and back, with dots" 3 "$WORK/none/../"$'caf\xe9 \n' "$WORK/./photos/a/.."
nothing_to_do "and back, with dots" 3

# Into another root; over what is known there; into itself.
make "$WORK/other" 11 12
run pixgrepd index "$WORK/other"
mv "$photos/a" "$WORK/other/a"
moved "into another root" 3 "$photos/a" "$WORK/other/a"
rmdir "$photos"
run pixgrepd forget "$photos"
check "it is that root's" test "$(pixgrepd roots | cut -f 1,4)" = "5	$WORK/other"
nothing_to_do "into another root" 5
make "$photos/a" 1 2
run pixgrepd index "$photos"
cp -p "$photos/a/1.ppm" "$photos/a/2.ppm" "$WORK/other/a/"
rm -r "$photos"
moved "over what is known" 0 "$photos" "$WORK/other"
check "over what is known: one root" test "$(pixgrepd roots | cut -f 1,4)" = "5	$WORK/other"
nothing_to_do "over what is known" 5
for wrong in "other other/a" "other/a other" "other other"; do
    # shellcheck disable=SC2086 # two words
    set -- $wrong
    run pixgrepd move "$WORK/$1" "$WORK/$2"
    expect 2 "move $wrong"
    check "move $wrong: one line" grep -qx "pixgrepd: move: $WORK/$1 and $WORK/$2: one lies in the other" "$WORK/err"
done
nothing_to_do "after what is refused" 5

# Onto a drive that is not there at the moment.
mkdir "$WORK/drive"
if mount -t tmpfs drive "$WORK/drive" 2>/dev/null; then
    cp -rp "$WORK/other" "$WORK/drive/photos"
    umount "$WORK/drive"
    rm -r "$WORK/other"
    moved "onto a drive" 5 "$WORK/other" "$WORK/drive/photos"
    check "onto a drive: told" grep -q "there is no such folder yet" "$WORK/err"
    run pixgrepd index
    expect 0 "the drive is not there"
    check "the drive is not there: told" grep -q "^pixgrepd: index $WORK/drive/photos: cannot be reached: .*nothing is removed" "$WORK/err"
    mount -t tmpfs drive "$WORK/drive"
    make "$WORK/drive/photos/a" 1 3
    make "$WORK/drive/photos" 11 12
    run pixgrepd index
    expect 0 "the drive is there"
    check "the drive is there: nothing is encoded" grep -q "; 0 encoded" "$WORK/out"
    run pixgrepd index
    check "the drive is known" test -z "$(grep -v bundled "$WORK/err")"
    cp -rp "$WORK/drive/photos" "$WORK/other"

    # A drive that may only be read.
    mount -o remount,ro "$WORK/drive"
    nothing_to_do "read-only" 5
    umount "$WORK/drive"
    moved "back from the drive" 5 "$WORK/drive/photos" "$WORK/other"
else
    echo "SKIP a drive that is not there: may not mount here"
fi
nothing_to_do "all in place" 5

# Copied in the middle of the daemon's work, with and without what belongs to it.
pixgrepd watch >"$WORK/watch.out" 2>"$WORK/watch.err" &
daemon=$!
check "watched" it_comes_true grep -q ' watched$' "$WORK/watch.out"
make "$WORK/other" 21 25
check "new ones" it_comes_true grep -q "5 new; 5 encoded" "$WORK/watch.out"
mkdir -p "$WORK/all/pixgrep" "$WORK/alone/pixgrep" "$WORK/foreign/pixgrep"
cp "$XDG_DATA_HOME/pixgrep"/index.* "$WORK/all/pixgrep/"
cp "$XDG_DATA_HOME/pixgrep/index.db" "$WORK/alone/pixgrep/"
cp "$XDG_DATA_HOME/pixgrep/index.db" "$WORK/foreign/pixgrep/"
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
make "$WORK/stranger" 31 40
XDG_DATA_HOME=$WORK/strange run pixgrepd index "$WORK/stranger"
for cache in "$WORK/strange/pixgrep"/index.*.pixv; do cp "$cache" "$WORK/foreign/pixgrep/"; done
check "there is a foreign cache" test -e "$cache"
found() { pixgrep -l -k 1000 photo 2>"$WORK/found.err" | LC_ALL=C sort; }
find "$WORK/other" -name '*.ppm' | LC_ALL=C sort >"$WORK/there"
for copy in all alone foreign; do
    XDG_DATA_HOME=$WORK/$copy
    found >"$WORK/found"
    check "$copy: searched as it is" test -z "$(comm -13 "$WORK/there" "$WORK/found")" -a -s "$WORK/found"
    run pixgrepd index
    expect 0 "$copy"
    check "$copy: all are found" cmp "$WORK/there" <(found)
    check "$copy: nothing is told of the cache" test -z "$(grep -v bundled "$WORK/found.err")"
    check "$copy: the cache is its own" test -e "$(echo "$WORK/$copy/pixgrep"/index.*.pixv)"
done
XDG_DATA_HOME=$WORK/all
nothing_to_do "what was left behind by kill -9" 10

# Another person, with a copy of photos and index.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 755 "$WORK"
    mkdir -p "$WORK/person/pixgrep"
    cp "$WORK/all/pixgrep/index.db" "$WORK/person/pixgrep/"
    chown -R 65534:65534 "$WORK/person"
    as_other() { env HOME="$WORK/person" XDG_DATA_HOME="$WORK/person" setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
    if as_other pixgrepd --version >/dev/null 2>&1; then
        run as_other pixgrepd index
        expect 0 "another person"
        check "another person: nothing to do" grep -q " 10 unchanged; 0 encoded" "$WORK/out"
        run as_other pixgrepd index --db "$WORK/all/pixgrep/index.db"
        expect 2 "what belongs to someone else"
        check "what belongs to someone else: one line" test "$(wc -l <"$WORK/err")" = 1
    else
        echo "SKIP another person: who may not run the programs where they are"
    fi
else
    echo "SKIP another person: only root can be one"
fi
finish
