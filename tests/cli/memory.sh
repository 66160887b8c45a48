#!/usr/bin/env bash
# Memory does not grow with the library: 10,000 small files take what 1,000 take.
. "$(dirname "$0")/support.sh"
[ -x /usr/bin/time ] || skip "the program time is not installed"
! nm -D "$BUILD/bin/pixgrepd" | grep -q '__[at]san_init' || skip "a sanitizer's own memory would be measured"

small=$SOURCE/tests/golden/preprocess/images/tiny-7x5.png
fill() { # fill FOLDER COUNT: pictures of distinct content, 500 a folder
    local i
    for ((i = 0; i < $2; i++)); do
        [ $((i % 500)) -ne 0 ] || mkdir -p "$1/$((i / 500))"
        { cat "$small" && echo "$i"; } >"$1/$((i / 500))/$i.png"
    done
}
measure() { # measure FOLDER: peak resident kilobytes of one run
    run /usr/bin/time -f '%M' -o "$WORK/peak" pixgrepd --db "$WORK/$(basename "$1").db" index "$1"
    expect 0 "index $1"
    tail -1 "$WORK/peak"
}
run pixgrepd model import "$SOURCE/tests/golden/models/vit-p32/vit-p32.pt"
expect 0 "model import"
fill "$WORK/few" 1000
fill "$WORK/many" 10000
few=$(measure "$WORK/few")
many=$(measure "$WORK/many")
again=$(measure "$WORK/many")
echo "peak memory: $few kB for 1,000 files, $many kB for 10,000, $again kB for 10,000 unchanged"
# SQLite's page cache (2 MB) is the one thing that fills up; 8 MB is its share and slack.
check "10,000 files take at most 8 MB more than 1,000" test "$many" -le $((few + 8192))
check "a rescan takes no more" test "$again" -le $((many + 8192))
finish
