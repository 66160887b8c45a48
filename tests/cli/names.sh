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

# A file system that does not tell capitals apart.
truncate -s 16M "$WORK/image"
mkdir "$WORK/fat"
if command -v mkfs.vfat >/dev/null && mkfs.vfat "$WORK/image" >/dev/null 2>&1 &&
    mount -o loop,utf8 "$WORK/image" "$WORK/fat" 2>/dev/null; then
    mkdir "$WORK/fat/Holiday" && cp "$pictures"/* "$WORK/fat/Holiday/"
    index 0 "vfat" "$WORK/fat/Holiday"
    index 0 "vfat in capitals" "$WORK/fat/HOLIDAY"
    check "the same root" grep -q "^$WORK/fat/Holiday: $total seen,.* $total unchanged" "$WORK/out"
    mv "$WORK/fat/Holiday/$first" "$WORK/fat/Holiday/x" && mv "$WORK/fat/Holiday/x" "$WORK/fat/Holiday/${first^^}"
    index 0 "vfat, renamed" "$WORK/fat/Holiday"
    check "renamed: moved" grep -q " 1 moved, 0 duplicates, 0 removed,.*; 0 encoded" "$WORK/out"
    umount "$WORK/fat"
    index 0 "vfat away"
    check "nothing is removed" grep -q "$WORK/fat/Holiday: .*nothing is removed" "$WORK/err"
    mount -o loop,utf8,ro "$WORK/image" "$WORK/fat"
    index 0 "vfat back, read-only"
    check "back: nothing to do" grep -q "^$WORK/fat/Holiday: .* $total unchanged; 0 encoded" "$WORK/out"
    umount "$WORK/fat"
else
    echo "SKIP vfat: no mkfs.vfat, or it may not be mounted here"
fi
finish
