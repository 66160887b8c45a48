#!/usr/bin/env bash
# Drives mounted below a root: while one is away, another is in its place or one hides a folder, no photo of it
# leaves the index; back, it costs nothing.  Few photos throughout, so that no limit of removals holds them.
. "$(dirname "$0")/support.sh"
if [ -z "${PIXGREP_TEST_NAMESPACE:-}" ]; then # drives of our own, which nobody else sees
    if unshare -m mount -t tmpfs none /mnt 2>/dev/null; then
        PIXGREP_TEST_NAMESPACE=1 exec unshare -m --propagation private bash "$0"
    elif unshare -rm mount -t tmpfs none /mnt 2>/dev/null; then
        PIXGREP_TEST_NAMESPACE=1 exec unshare -rm --propagation private bash "$0"
    fi
    skip "mounting is not permitted, not even in a name space"
fi
photos=$WORK/photos
daemon=0
finally() {
    kill -9 "$daemon" 2>/dev/null
    awk -v work="$WORK/" 'index($5, work) == 1 { print $5 }' /proc/self/mountinfo | sort -r | xargs -r umount -l
    rm -rf "$WORK"
}
trap finally EXIT

make() { # make FOLDER FIRST LAST: that many different pictures, old enough to be whole
    local i
    mkdir -p "$1"
    for ((i = $2; i <= $3; i++)); do
        printf 'P6\n2 2\n255\n%012d' "$i" >"$1/$i.ppm"
        touch -d '1 hour ago' "$1/$i.ppm"
    done
}
# A drive is a tmpfs that stays mounted elsewhere, and is bound to where it is "plugged in": so it is the same
# file system each time, with all that is on it.
drive() { # drive NAME FIRST LAST
    mkdir -p "$WORK/drives/$1"
    mount -t tmpfs "$1" "$WORK/drives/$1"
    make "$WORK/drives/$1" "$2" "$3"
}
plug() { # plug NAME FOLDER
    mkdir -p "$2"
    mount --bind "$WORK/drives/$1" "$2"
}
index() { # index WHAT "NUMBER WORD, ..." [ARGUMENT...]: what the line of $photos tells, but for zeroes and unchanged ones
    local what=$1 wanted=$2
    shift 2
    run pixgrepd index "$@"
    expect 0 "$what"
    local told
    told=$(grep "^$photos" "$WORK/out" | sed 's/^[^:]*: //; s/ in [^ ]* *[a-z]*.*//; s/;/,/' | tr ',' '\n' |
        sed 's/^ //' | grep -v '^0 \| seen$\| unchanged$' | paste -sd, | sed 's/,/, /g')
    check "$what: '$told' is '$wanted'" test "$told" = "$wanted"
}
told() { # told NUMBER FOLDER: standard error says that so many photos were there
    grep -qE "^pixgrepd: [a-z]+ ${photos}[^:]*: $1 photos? (was|were) on another file system than is at $2 now: nothing of it is removed from the index \(if they are gone for good: pixgrepd forget $2; what is there now is then indexed anew\)$" "$WORK/err"
}
noted() { # noted WHAT NUMBER FOLDER
    check "$1: told of $2 in $3 that are no longer there" grep -qE "^pixgrepd: index ${photos}: $2 photos? (was|were) on another file system than is at $3 now, with the same photos otherwise: noted; nothing of it is removed from the index this time$" "$WORK/err"
}
stays() { # stays WHAT NUMBER FOLDER
    check "$1: told of $2 in $3" told "$2" "$3"
}
quiet() { # quiet WHAT: nothing is told
    check "$1: nothing is told" test -z "$(grep -v bundled "$WORK/err")"
}
known() { # known WHAT NUMBER: so many photos are found
    check "$1: $2 photos" test "$(pixgrep -l -k 1000 photo 2>/dev/null | wc -l)" = "$2"
}

make "$photos/own" 1 10
drive usb 11 20
plug usb "$photos/usb"
index "first" "20 new, 20 encoded" "$photos"
known "first" 20

# Where nothing tells what is mounted, nothing is gone.
if strace -o /dev/null true 2>/dev/null; then
    umount "$photos/usb"
    mv "$photos/own/1.ppm" "$WORK/"
    for cause in ENOENT EACCES EIO; do
        run env ASAN_OPTIONS=detect_leaks=0 strace -f -o "$WORK/trace" -P /proc/self/mountinfo -e trace=openat \
            -e inject=openat:error=$cause pixgrepd index "$photos"
        if [ $cause = EIO ]; then
            expect 2 "a table of mounts that fails"
            check "a table of mounts that fails: one line" grep -qx "pixgrepd: index: $photos: which file system it is on cannot be told: /proc/self/mountinfo: Input/output error" "$WORK/err"
        else
            expect 0 "no table of mounts: $cause"
            check "no table of mounts: $cause: it is said" grep -qFx "pixgrepd: index $photos: /proc/self/mountinfo, which tells what is mounted, cannot be read: nothing is removed from the index" "$WORK/err"
        fi
        known "no table of mounts: $cause" 20
    done
    mv "$WORK/1.ppm" "$photos/own/"
    plug usb "$photos/usb"
    index "the table of mounts is back" ""
    quiet "the table of mounts is back"
else
    echo "SKIP without a table of mounts: strace is not installed or may not trace"
fi

# Away: an empty folder, no folder at all, a folder of that name with other photos.
umount "$photos/usb"
index "away" ""
stays "away" 10 "$photos/usb"
known "away" 20
rm "$photos/own/1.ppm"
rmdir "$photos/usb"
index "no folder is left" "1 removed"
stays "no folder is left" 10 "$photos/usb"
make "$photos/usb" 21 22
index "photos in its place" "2 new, 2 encoded"
known "photos in its place" 21
index "a folder of it" "" "$photos/own"
quiet "a folder of it"
index "just that folder" "" "$photos/usb"
stays "just that folder" 10 "$photos/usb"

# Back, over a folder that is not empty: those two stay as well, hidden or not.
plug usb "$photos/usb"
index "back" ""
stays "back" 2 "$photos/usb"
known "back" 21
rm "$WORK/drives/usb/11.ppm"
index "one is removed from the drive" "1 removed"
umount "$photos/usb"
index "uncovered" ""
rm "$photos/usb/22.ppm"
index "one is removed from under it" "1 removed"
stays "one is removed from under it" 9 "$photos/usb"
known "one is removed from under it" 19

# Another drive in its place; part of the same drive is another, too.
drive card 31 35
plug card "$photos/usb"
index "another drive" "5 new, 5 encoded"
known "another drive" 24
check "another drive: told once for the folder" test "$(grep -c "is at $photos/usb now" "$WORK/err")" = 1
umount "$photos/usb"
make "$WORK/drives/usb/part" 41 42
mount --bind "$WORK/drives/usb/part" "$photos/usb"
index "a part of it" "2 new, 2 encoded"
known "a part of it" 26
umount "$photos/usb"
plug usb "$photos/usb"
index "the whole again" "2 duplicates"
stays "the whole again" 8 "$photos/usb" # 21 below, 31 to 35 and the part's
known "the whole again" 28
mkdir "$WORK/drives/usb/moved"
mv "$WORK/drives/usb/12.ppm" "$WORK/drives/usb/moved/"
index "moved on the drive" "1 moved"
run pixgrepd forget "$photos/usb"
index "forgotten and found" "11 new, 11 encoded"
quiet "forgotten and found"

# The same photos, copied to another drive, are that one's from then on.
drive copy 1 0
cp -rp "$WORK/drives/usb"/* "$WORK/drives/copy/"
rm "$WORK/drives/copy/20.ppm"
umount "$photos/usb"
rm "$photos/usb/21.ppm"
plug copy "$photos/usb"
index "a folder of the copy" "" "$photos/usb/moved"
quiet "a folder of the copy"
index "a copy of the drive" ""
noted "a copy of the drive" 1 "$photos/usb"
rm "$WORK/drives/copy/19.ppm"
index "one is removed from the copy" "2 removed" # and the one that was not copied
umount "$photos/usb"
index "the copy away" ""
stays "the copy away" 9 "$photos/usb"
rm -r "$photos/usb" && mkdir "$photos/usb"
cp -rp "$WORK/drives/copy"/* "$photos/usb/"
index "copied to the root" ""
rm "$photos/usb/18.ppm"
index "one is removed from the root" "1 removed"
run pixgrepd forget "$photos/usb"
rm -r "$photos/usb"

# A mount inside a mount.
index "clean" ""
quiet "clean"
drive outer 51 52
drive inner 61 63
plug outer "$photos/outer"
plug inner "$photos/outer/deep/inner"
index "nested" "5 new, 5 encoded"
umount "$photos/outer/deep/inner"
index "the inner one away" ""
stays "the inner one away" 3 "$photos/outer/deep/inner"
umount "$photos/outer"
index "both away" ""
stays "both away: the outer" 2 "$photos/outer"
stays "both away: the inner" 3 "$photos/outer/deep/inner"
plug inner "$photos/outer/deep/inner"
index "the inner one alone" ""
stays "the inner one alone" 2 "$photos/outer"
rm "$WORK/drives/inner/61.ppm"
index "one is removed from the inner one" "1 removed"
umount "$photos/outer/deep/inner"
plug outer "$photos/outer"
plug inner "$photos/outer/deep/inner"
index "both back" ""
quiet "both back"

# Photos of a drive that is left out are removed as others that are; a drive with a folder that is left alone, too.
index "left out" "4 removed" --exclude outer
quiet "left out"
index "wanted again" "4 returned"
touch "$WORK/drives/inner/.nomedia"
index "left alone" "2 removed"
rm "$WORK/drives/inner/.nomedia"
index "and no more" "2 returned"

# A root around roots: what is known of those on drives stays known.
umount "$photos/outer/deep/inner"
umount "$photos/outer"
XDG_DATA_HOME=$WORK/around
mkdir "$XDG_DATA_HOME"
for folder in "" /deep/inner; do mkdir -p "$WORK/a$folder"; done
plug outer "$photos/outer"
plug inner "$photos/outer/deep/inner"
drive third 71 73
plug third "$photos/third"
run pixgrepd index "$photos/outer/deep/inner" "$photos/third" "$photos/own"
expect 0 "roots"
umount "$photos/third"
index "around them" "2 new, 2 encoded" "$photos"
stays "around them" 3 "$photos/third"
check "one root" test "$(pixgrepd roots | cut -f 4)" = "$photos"
index "around them again" ""
stays "around them again" 3 "$photos/third"
rm "$WORK/drives/inner/62.ppm"
umount "$photos/outer/deep/inner"
index "one of them away" ""
stays "one of them away" 2 "$photos/outer/deep/inner"
plug inner "$photos/outer/deep/inner"
index "one of them back" "1 removed"
plug third "$photos/third"
index "all are back" ""
quiet "all are back"
run pixgrepd move "$photos/third" "$photos/fourth"
umount "$photos/third"
index "a place moved, the drive away" ""
stays "a place moved, the drive away" 3 "$photos/fourth"
plug third "$photos/fourth"
index "a place moved, the drive there" ""
quiet "a place moved, the drive there"
umount "$photos/fourth"

# A part of a drive that was a root of its own.
XDG_DATA_HOME=$WORK/part
mkdir "$XDG_DATA_HOME"
make "$WORK/drives/third/part" 75 77
mkdir "$photos/part"
mount --bind "$WORK/drives/third/part" "$photos/part"
run pixgrepd index "$photos/part"
expect 0 "a part"
rm "$photos/part/75.ppm"
run pixgrepd index "$photos"
expect 0 "around the part"
check "around the part: one is removed" grep -q " 1 removed," "$WORK/out"
quiet "around the part"
umount "$photos/part"
rm -r "$WORK/drives/third/part"
XDG_DATA_HOME=$WORK/around

# One mounted over others, which come to light again.
plug inner "$photos/stack/inner"
index "below another one" "1 duplicates" "$photos"
plug outer "$photos/stack"
index "covered with what is around it" "2 duplicates"
stays "covered with what is around it" 1 "$photos/stack/inner"
umount "$photos/stack"
rm "$WORK/drives/inner/63.ppm"
index "uncovered again" "2 removed" # it was there twice
umount "$photos/stack/inner"
umount "$photos/outer/deep/inner"

# One that goes after it was looked at, while others are still at work.
XDG_DATA_HOME=$WORK/late
mkdir "$XDG_DATA_HOME"
photos=$WORK/late-photos
plug third "$photos/drive"
index "three" "3 new, 3 encoded" "$photos"
rm "$WORK/drives/third/71.ppm"
mkdir "$photos/work"
for ((i = 0; i < 150; i++)); do
    printf 'P6\n# %d\n2000 2000\n255\n' $i >"$photos/work/$i.ppm"
    truncate -s +12000000 "$photos/work/$i.ppm"
done
pixgrepd index --threads 1 >"$WORK/out" 2>"$WORK/err" &
check "at work" it_comes_true eval 'pixgrepd status --json | grep -qv "\"photos\":3,"'
umount "$photos/drive"
check "gone while others are at work" kill -0 $!
wait $!
check "what it had is not judged" grep -q " 150 new, .* 0 removed," "$WORK/out"
plug third "$photos/drive"
index "there again" "1 removed"

# A root that links lead out of.
XDG_DATA_HOME=$WORK/links
mkdir "$XDG_DATA_HOME"
mkdir "$WORK/plugged" "$WORK/linked"
plug usb "$WORK/plugged/usb"
ln -s "$WORK/plugged/usb" "$WORK/linked/usb"
make "$WORK/linked" 81 82
photos=$WORK/linked
total=$((2 + $(find "$WORK/drives/usb" -name '*.ppm' | wc -l)))
index "links" "$total new, $total encoded" --follow "$photos"
umount "$WORK/plugged/usb"
index "what the link leads to away" "" --follow
rm -r "$WORK/plugged"
index "and the folder" "" --follow
stays "and the folder" $((total - 2)) "$photos/usb"
index "links are no longer followed" "$((total - 2)) removed"

# While it is watched: pulled out, its folder deleted as desktops do, plugged in again, written to, another one.
XDG_DATA_HOME=$WORK/watching
mkdir "$XDG_DATA_HOME"
photos=$WORK/media
make "$photos/own" 1 3
plug usb "$photos/usb"
usb=$(find "$WORK/drives/usb" -name '*.ppm' | wc -l)
pixgrepd watch "$photos" >"$WORK/out" 2>"$WORK/err" &
daemon=$!
check "watched" it_comes_true grep -q ' watched$' "$WORK/out"
becomes() { # becomes WHAT NUMBER
    check "$1: $2 photos" it_comes_true eval '[ "$(pixgrep -l -k 1000 photo 2>/dev/null | wc -l)" = '"$2"' ]'
}
becomes "watched" $((3 + usb))
umount "$photos/usb"
check "pulled out: told" it_comes_true told "$usb" "$photos/usb"
rmdir "$photos/usb"
make "$photos/own" 4 4
becomes "its folder deleted" $((4 + usb))
check "its folder deleted: nothing is removed" test -z "$(grep removed "$WORK/out")"
make "$WORK/drives/usb" 91 92
plug usb "$photos/usb"
becomes "plugged in again" $((6 + usb))
check "plugged in again: only what is new costs" it_comes_true grep -q "^$photos: 2 new; 2 encoded" "$WORK/out"
make "$photos/usb" 93 93
becomes "written to" $((7 + usb))
rm "$photos/usb/93.ppm" "$photos/usb/92.ppm"
becomes "removed from" $((5 + usb))
umount "$photos/usb"
plug card "$photos/usb"
becomes "another one" $((10 + usb))
umount "$photos/usb"
check "pulled out as well: told" it_comes_true told $((6 + usb)) "$photos/usb"
becomes "pulled out as well" $((10 + usb))

# Out and in again before anyone could look: it is watched as before.
truncate -s 8M "$WORK/image"
if mkfs.ext4 -q -F "$WORK/image" 2>/dev/null && loop=$(losetup -f --show "$WORK/image" 2>/dev/null); then
    mount "$loop" "$photos/usb"
    make "$photos/usb" 101 101
    becomes "a disk" $((11 + usb))
    kill -STOP "$daemon"
    umount "$photos/usb" && mount "$loop" "$photos/usb"
    kill -CONT "$daemon"
    sleep 2 # what it makes of that is over
    make "$photos/usb" 102 102
    becomes "a disk out and in" $((12 + usb))
    umount "$photos/usb"
    losetup -d "$loop"
else
    echo "SKIP a disk out and in: no loop device, or no mkfs.ext4"
fi
kill "$daemon"
wait "$daemon"
finish
