#!/usr/bin/env bash
# Files that make the decoder crash, run wild or end cost themselves: each is recorded with its reason and
# not tried again until it changes; everything else is indexed.  Real libraries do not crash when asked to,
# so a decoder built for tests stands in.
. "$(dirname "$0")/support.sh"

mkdir "$WORK/programs"
cp -r "$BUILD/bin" "$BUILD/libexec" "$BUILD/share" "$WORK/programs/"
cp "$BUILD/tests/rogue_decode" "$WORK/programs/libexec/pixgrep/pixgrep-decode"
PATH=$WORK/programs/bin:$PATH

photos=$WORK/photos
mkdir "$photos"
good=0
for picture in "$SOURCE"/tests/golden/preprocess/images/*; do
    cp "$picture" "$photos/"
    good=$((good + 1))
done
for what in crash abort end babble open socket exec; do
    echo "ROGUE $what" >"$photos/$what.jpg"
done

run pixgrepd index "$photos"
expect 1 "files failed for the first time"
check "all other photos are indexed" grep -q " $good new," "$WORK/out"
check "seven failed" grep -q " 7 failed," "$WORK/out"
run pixgrepd failures
expect 0 "failures"
for line in "crash.jpg	the decoder died of SIGSEGV" "abort.jpg	the decoder died of SIGABRT" \
    "end.jpg	the decoder ended with status 0" "babble.jpg	the decoder's answer makes no sense" \
    "open.jpg	open: Permission denied" "socket.jpg	socket: Permission denied" "exec.jpg	exec: Permission denied"; do
    check "recorded: $line" grep -qF "$photos/$line" "$WORK/out"
done

run pixgrepd index
expect 0 "nothing new failed"
check "failed before, and nothing is tried again" grep -q " 0 failed, 7 failed before" "$WORK/out"
check "nothing is told twice" test -z "$(grep -F "$photos" "$WORK/err")"

# Another chance, for those that are named.
run pixgrepd failures --retry "$photos/crash.jpg" "$photos/end.jpg"
expect 0 "failures --retry"
check "two files" grep -qFx "2 files: pixgrepd index tries again" "$WORK/out"
run pixgrepd index
expect 1 "they fail anew"
check "two failed anew" grep -q " 2 failed, 5 failed before" "$WORK/out"
check "crash.jpg is told again" grep -q "crash.jpg: the decoder died of SIGSEGV" "$WORK/err"
run pixgrepd failures --json "$photos/crash.jpg"
check "one is asked for, which was tried twice" grep -q '^{"path":"[^"]*/crash.jpg","stage":"decode","reason":"the decoder died of SIGSEGV","tries":2,' "$WORK/out"
check "and none besides" test "$(wc -l <"$WORK/out")" = 1
run pixgrepd failures
year=$(date +%Y)
check "stage and time are told" grep -q "^$photos/end.jpg	the decoder ended with status 0	decode	$year-" "$WORK/out"
run pixgrepd failures --retry "$photos/no.jpg"
expect 2 "nothing failed there"
run pixgrepd failures --retry
check "all files" grep -qFx "7 files: pixgrepd index tries again" "$WORK/out"
run pixgrepd index
check "all failed anew" grep -q " 7 failed, 0 failed before" "$WORK/out"

# A decoder that something else killed: the photo gets three chances, each in a run of its own.
echo "ROGUE be killed" >"$photos/killed.jpg"
tries_of_killed() { pixgrepd failures --json "$photos/killed.jpg" | grep -o '"stage":"interrupted".*"tries":[0-9]*' | grep -o '[0-9]*$'; }
run pixgrepd index
expect 1 "a new failure"
check "killed.jpg is told" grep -q "killed.jpg: the decoder was killed from outside" "$WORK/err"
for tries in 1 2 3 3 3; do
    check "tried $tries times" test "$(tries_of_killed)" = "$tries"
    run pixgrepd index
    expect 0 "killed again, or no longer tried"
    check "among those that failed before" grep -q " 0 failed, 8 failed before" "$WORK/out"
done
cp "$SOURCE/tests/golden/preprocess/images/tiny-7x5.png" "$photos/killed.jpg"
run pixgrepd index
expect 0 "a file that changed is tried"
check "and indexed" grep -q " 0 failed, 7 failed before" "$WORK/out"

# A file that no decoder could hold is not even read: this one would take an hour.
truncate -s 8T "$photos/disk.raw" 2>/dev/null || truncate -s 8G "$photos/disk.raw"
run timeout 60 pixgrepd index
expect 1 "one failed"
check "it is said how large it is" grep -qE "disk.raw: the file of [0-9]+ bytes is over the limit of 3 GiB" "$WORK/err"
rm "$photos/disk.raw"

cp "$photos/$(ls "$SOURCE/tests/golden/preprocess/images" | head -1)" "$photos/crash.jpg"
echo "ROGUE crash, again" >"$photos/abort.jpg"
run pixgrepd index
expect 1 "a changed file is tried again"
check "the mended one is a duplicate of what it was mended with" grep -q " 1 duplicates," "$WORK/out"
check "one failed anew, five as before" grep -q " 1 failed, 5 failed before" "$WORK/out"

run pixgrep "$photos/end.jpg"
expect 2 "a picture to search by is contained, too"
check "one line names it" test "$(grep -c "end.jpg: the decoder ended with status 0" "$WORK/err")" = 1
run pixgrep -l "$photos/crash.jpg"
expect 0 "and others are found"
finish
