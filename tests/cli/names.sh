#!/usr/bin/env bash
# Folders and photos that have several names: capitals and accents that a file system takes as it likes, a
# folder mounted twice.  No photo is indexed twice or encoded again.
. "$(dirname "$0")/support.sh"
pictures=$SOURCE/tests/golden/preprocess/images
total=$(ls "$pictures" | wc -l)
index() { # index CODE WHAT ARGUMENT...
    local expected=$1 what=$2
    shift 2
    run pixgrepd index "$@"
    expect "$expected" "$what"
}

# A name in another normal form, or in capitals, is another name for the same content.
mkdir "$WORK/photos" && cp -p "$pictures"/* "$WORK/photos/"
first=$(ls "$pictures" | head -1)
mv "$WORK/photos/$first" "$WORK/photos/"$'\u00c9t\u00e9 '"$first"
index 0 "first" "$WORK/photos"
mv "$WORK/photos/"$'\u00c9t\u00e9 '"$first" "$WORK/photos/"$'E\u0301te\u0301 '"$first"
index 0 "decomposed"
check "decomposed: moved" grep -q " 1 moved, 0 duplicates, 0 removed,.*; 0 encoded" "$WORK/out"
mv "$WORK/photos/"$'E\u0301te\u0301 '"$first" "$WORK/photos/"$'E\u0301TE\u0301 '"$first"
index 0 "capitals"
check "capitals: moved" grep -q " 1 moved, 0 duplicates, 0 removed,.*; 0 encoded" "$WORK/out"

# A folder under two names is one root.
mkdir "$WORK/twice"
if mount --bind "$WORK/photos" "$WORK/twice" 2>/dev/null; then
    index 0 "mounted twice" "$WORK/twice"
    check "the known root is meant" grep -q "^$WORK/photos: $total seen,.* $total unchanged" "$WORK/out"
    check "there is one root" test "$(pixgrepd roots | wc -l)" = 1
    umount "$WORK/twice"
else
    echo "SKIP mounted twice: may not mount here"
fi

# File systems that find a file under names in other capitals, too: by their drivers in the kernel or in user space.
image=$WORK/image
fs=$WORK/fs
daemon=0
mkdir "$fs"
trap 'kill -9 "$daemon" 2>/dev/null; umount -l "$fs" 2>/dev/null; [ -z "${loop:-}" ] || losetup -d "$loop"; rm -rf "$WORK"' EXIT
rename_to() { # rename_to OLD NEW: in one step, as mv will not when only capitals change
    perl -e 'rename $ARGV[0], $ARGV[1] or die $!' "$1" "$2"
}
as_listed() { # as_listed WHAT: what is found is just what is there, by the names it is listed under
    (cd "$fs" && find . -type f -name '*.*' | sed 's/^\.//' | LC_ALL=C sort) >"$WORK/there"
    check "$1: found is what is listed" it_comes_true eval \
        'pixgrep -l -k 1000 photo 2>/dev/null | sed "s|^$fs||" | LC_ALL=C sort | cmp -s - "$WORK/there"'
}
told() { # told WHAT LINE: by the daemon
    check "$1: it tells '$2'" it_comes_true grep -q "^$fs: $2" "$WORK/watch.out"
}
try() { # try NAME: the file system that the function mount_NAME mounts, mounted
    local name=$1
    mkdir "$fs/Holiday" && cp -p "$pictures"/* "$fs/Holiday/" && touch -d '1 hour ago' "$fs/Holiday"/*
    if [ ! -e "$fs/HOLIDAY/${first^^}" ]; then
        echo "SKIP $name: it tells capitals apart here"
        umount "$fs"
        return
    fi
    local folder capitals
    folder=$(ls "$fs")
    capitals=$(test "$folder" = Holiday && echo yes) # as they were given, and not all small
    XDG_DATA_HOME=$WORK/$name
    mkdir "$XDG_DATA_HOME"
    index 0 "$name" "$fs/Holiday"
    index 0 "$name in capitals" "$fs/HOLIDAY"
    check "$name: the same root" grep -q "^$fs/$folder: $total seen,.* $total unchanged" "$WORK/out"
    index 0 "$name around it" "$fs"
    check "$name: one root" test "$(pixgrepd roots | cut -f 4)" = "$fs"
    index 0 "$name, a folder in capitals" "$fs/HOLIDAY"
    check "$name: the folder is meant" grep -q "^$fs/$folder: $total seen,.* $total unchanged" "$WORK/out"

    if [ "$capitals" ]; then
        rename_to "$fs/Holiday/$first" "$fs/Holiday/${first^^}"
        index 0 "$name, a photo renamed"
        check "$name, a photo renamed: moved" grep -q " 1 moved, 0 duplicates, 0 removed,.*; 0 encoded" "$WORK/out"
        rename_to "$fs/Holiday" "$fs/holiday"
        index 0 "$name, a folder renamed"
        check "$name, a folder renamed: moved" grep -q " $total moved, 0 duplicates, 0 removed,.*; 0 encoded" "$WORK/out"
    fi
    as_listed "$name, renamed"

    : >"$WORK/watch.out"
    pixgrepd watch >"$WORK/watch.out" 2>"$WORK/watch.err" &
    daemon=$!
    check "$name: watched" it_comes_true grep -q ' watched$' "$WORK/watch.out"
    if [ "$capitals" ]; then
        rename_to "$fs/holiday/${first^^}" "$fs/holiday/$first"
        told "$name, watched, a photo renamed" "1 moved; 0 encoded"
        as_listed "$name, watched, a photo renamed"
        rename_to "$fs/holiday" "$fs/Holiday"
        told "$name, watched, a folder renamed" "$total moved; 0 encoded"
        as_listed "$name, watched, a folder renamed"
    fi
    echo more >>"$fs/$folder/${first^^}"
    sleep 1.2 # drivers in user space answer with old sizes for a second
    touch "$fs/$folder/${first^^}"
    told "$name, watched, changed under another name" "1 changed"
    cp "$pictures/$first" "$fs/$folder/New.png" && echo new >>"$fs/$folder/nEW.PNG"
    told "$name, watched, a new one" "1 new"
    as_listed "$name, watched, a new one"
    rm "$fs/$folder/NEW.png"
    as_listed "$name, watched, removed"
    kill "$daemon"
    wait "$daemon"
    index 0 "$name, after all that"
    check "$name, after all that: nothing to do" grep -q "^$fs: $total seen,.* 0 removed,.* $total unchanged; 0 encoded" "$WORK/out"

    umount "$fs"
    index 0 "$name away"
    check "$name away: nothing is removed" grep -q "$fs: .*nothing is removed" "$WORK/err"
    check "$name back" it_comes_true eval 'mountpoint -q "$fs" || "mount_$name" -oro >/dev/null 2>&1' # once the driver lets go
    index 0 "$name back, read-only"
    check "$name back: nothing to do" grep -q "^$fs: .* $total unchanged; 0 encoded" "$WORK/out"
    umount "$fs"
}
mount_vfat() { mount -t vfat "${1:--orw}" -o utf8 "$loop" "$fs"; }
mount_exfat() { mount -t exfat "${1:--orw}" "$loop" "$fs" || mount.exfat-fuse "${1:--orw}" "$loop" "$fs"; }
mount_ntfs() { lowntfs-3g -o ignore_case "${1:--orw}" "$loop" "$fs"; }
make_vfat() { mkfs.vfat "$loop"; }
make_exfat() { mkfs.exfat "$loop"; }
make_ntfs() { mkntfs -F -Q "$loop"; }
for name in vfat exfat ntfs; do
    truncate -s 0 "$image" && truncate -s 32M "$image"
    if ! loop=$(losetup -f --show "$image" 2>/dev/null); then
        echo "SKIP $name: no loop device is to be had"
        continue
    fi
    if "make_$name" >"$WORK/make.out" 2>&1 && "mount_$name" >"$WORK/mount.out" 2>&1; then
        try "$name"
    else
        echo "SKIP $name: $(cat "$WORK/make.out" "$WORK/mount.out" 2>/dev/null | grep -iE "not|unknown|wrong" | head -n 1)"
    fi
    losetup -d "$loop"
    loop=
done
finish
