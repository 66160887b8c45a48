#!/usr/bin/env bash
# pixgrepd index as a nightly job: a time limit, exit codes, a report that scripts read.
. "$(dirname "$0")/support.sh"
pictures=$SOURCE/tests/golden/preprocess/images
photos=$WORK/photos
mkdir "$photos"
pixgrepd model import "$pictures/../../models/vit-p32/vit-p32.pt" >/dev/null 2>&1

# has WHAT PATTERN...: the report is one line and matches each of them.
has() {
    local what=$1 pattern
    shift
    check "$what: one line" test "$(wc -l <"$WORK/out")" -eq 1
    for pattern in "$@"; do
        check "$what: the report has $pattern" grep -qE -- "$pattern" "$WORK/out"
    done
}

run pixgrepd index --report json
expect 2 "no folder is known"
has "no folder is known" '^\{"outcome":"failed","reason":"no folder is known yet[^"]*","seen":0,' '"folders":\[\]\}$'

cp "$pictures/tiny-7x5.png" "$photos/a.png"
cp "$pictures/tiny-7x5.png" "$photos/b.png"
cp "$pictures/one-1x1.png" "$photos/"
echo no picture >"$photos/bad.jpg"
run pixgrepd index --report=json "$photos"
expect 1 "first run"
has "first run" '^\{"outcome":"complete","reason":null,"seen":4,"new":2,"changed":0,"moved":0,"duplicates":1,"removed":0,"returned":0,"failed":1,"failed_before":0,"unchanged":0,"held":0,"skipped":0,"encoded":2,"seconds":[0-9.]+,"photos_per_second":[0-9.]+,' \
    "\"folders\":\[\{\"path\":\"$photos\",\"seen\":4,.*\}\]\}$"
mkdir "$WORK/second"
cp "$pictures/checker-300.png" "$WORK/second/"
run pixgrepd index --report json --quiet "$photos" "$WORK/second"
expect 0 "two folders"
has "two folders" '"seen":5,"new":1,' '"skipped":4,' "\"path\":\"$photos\"" "\},\{\"path\":\"$WORK/second\""
rm -r "$WORK/second"
run pixgrepd index --report json "$photos" "$WORK/second"
expect 2 "a folder is away"
has "a folder is away" '"outcome":"failed","reason":"not every folder could be reached","seen":4,'
run pixgrepd forget "$WORK/second"

# A run that may not take as long as it would goes on where it ended.
many=$WORK/many
count=120
mkdir "$many"
for ((i = 0; i < count; i++)); do # black squares, each slow to read and none of them on the disk
    printf 'P6\n# %d\n2000 2000\n255\n' $i >"$many/$i.ppm"
    truncate -s +12000000 "$many/$i.ppm"
done
done=0 runs=0 code=3
while [ "$code" -eq 3 ] && [ "$runs" -lt 60 ]; do
    run pixgrepd index --threads 1 --time-limit 1s --report json "$many"
    runs=$((runs + 1))
    encoded=$(sed -n 's/.*"encoded":\([0-9]*\),"seconds.*"folders.*/\1/p' "$WORK/out")
    done=$((done + encoded))
    [ "$code" -ne 3 ] || {
        has "stopped at the limit" '"outcome":"stopped","reason":"time limit"'
        check "stopped at the limit: it says so" grep -qx \
            'pixgrepd: index: stopped at the time limit; run it again to go on' "$WORK/err"
    }
done
expect 0 "the last of $runs runs"
check "more than one run was needed, $runs" test "$runs" -gt 1
check "each photo was encoded once" test "$done" -eq "$count"
run pixgrepd index --time-limit 1h "$many"
expect 0 "a limit that is not reached"
check "a limit that is not reached: a line for the folder" grep -q "^$many: 120 seen, .* 120 unchanged; 0 encoded" "$WORK/out"
finish
