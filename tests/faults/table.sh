#!/usr/bin/env bash
# Every fault at every place of a small run: a table of how often each was injected and how many rows of the
# index were lost.  Takes an hour; FAULTS="WORD..." runs some of: calls errors power disk busy indexers clock changing
# corrupt; STEP=N takes only every Nth place after the first twenty.  `make faults`.
. "$(dirname "$0")/../cli/support.sh"
for tool in strace sqlite3; do
    command -v $tool >/dev/null || skip "$tool is not installed"
done
strace -f -o /dev/null true 2>/dev/null || skip "strace may not trace here"
STEP=${STEP:-1}
FAULTS=${FAULTS:-calls errors power disk busy indexers clock changing corrupt}

photos=$WORK/photos
db=$XDG_DATA_HOME/pixgrep/index.db
mkdir "$photos"
# make FIRST LAST: that many different pictures.
make() {
    local i
    for ((i = $1; i <= $2; i++)); do
        printf 'P6\n2 2\n255\n%012d' "$i" >"$photos/$i.ppm"
    done
}
make 1 6
total=12
pixgrepd index --quiet "$photos" || exit 1
sqlite3 "$db" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
cp "$db" "$WORK/half.db"
make 7 $total

rows() { sqlite3 "$db" "SELECT DISTINCT hex(path) FROM image JOIN embedding USING (content_id) WHERE missing_since IS NULL ORDER BY 1"; }
fresh() { # an index of half the photos
    rm -f "$db"*
    cp "$WORK/half.db" "$db"
}
fresh
rows >"$WORK/before"
lost=0
# examine WHAT: counts what is lost, and the next run must complete the index.  Where the fault met a decoder
# twice, photos are listed as failures, to be tried again.
examine() {
    local sound
    sound=$(sqlite3 "$db" 'PRAGMA integrity_check' 2>&1)
    check "$1: the index is sound" test "$sound" = ok
    rows >"$WORK/after"
    lost=$((lost + $(comm -23 "$WORK/before" "$WORK/after" | wc -l)))
    run pixgrepd index --quiet "$photos"
    expect 0 "$1: the next run completes"
    if [ -n "$(pixgrepd failures)" ]; then
        pixgrepd failures --retry >/dev/null
        pixgrepd index --quiet "$photos"
    fi
    check "$1: every photo is there" test "$(rows | wc -l)" -eq $total
}
printf '%-44s %9s %9s\n' fault injected "rows lost"
row() { # row FAULT TIMES
    printf '%-44s %9s %9s\n' "$1" "$2" "$lost"
    [ "$lost" -eq 0 ] || failures=$((failures + 1))
    lost=0
}
wanted() { [[ " $FAULTS " == *" $1 "* ]]; }
# inject CALLS WHAT: WHAT (signal=... or error=...) happens to every n-th of these calls of a thread in turn;
# $times says how often.
inject() {
    local calls=$1 what=$2 n most
    times=0
    for ((n = 1; ; n += n < 20 ? 1 : STEP)); do
        fresh
        { strace -f -qq -o "$WORK/trace" -e trace="$calls" -e "inject=$calls:$what:when=$n" \
            pixgrepd index --quiet "$photos" >/dev/null 2>"$WORK/trouble"; } 2>/dev/null
        most=$(awk '/^[0-9]+ +[a-z0-9_]+\(/ { if (++calls[$1] > most) most = calls[$1] } END { print most + 0 }' "$WORK/trace")
        [ "$most" -ge "$n" ] || break
        times=$((times + 1))
        examine "$what at call $n of $calls"
    done
}

if wanted calls; then
    for call in fsync,fdatasync rename,renameat,renameat2 pwrite64 ftruncate unlink,unlinkat mmap; do
        inject "$call" signal=SIGKILL
        row "kill -9 at $call" "$times"
    done
fi
if wanted errors; then
    for fault in fsync,fdatasync:EIO pwrite64:EIO pwrite64:ENOSPC ftruncate:EIO pread64:EIO openat:EMFILE openat:EACCES mmap:ENOMEM; do
        inject "${fault%:*}" "error=${fault#*:}"
        row "${fault#*:} from ${fault%:*}" "$times"
    done
fi
if wanted power; then
    PIXGREP_TEST_ROUNDS=${ROUNDS:-40} "$BUILD/tests/test_store_faults" >"$WORK/store" 2>&1
    check "test_store_faults" grep -q 'PASSED.* 6 test' "$WORK/store"
    while read -r _ name; do
        times=${name##*injected } && times=${times%% *}
        row "${name%%:*} (in the index's files)" "$times"
    done < <(grep '^FAULT' "$WORK/store")
fi
if wanted disk; then
    if mkdir "$WORK/small" && mount -t tmpfs none "$WORK/small" 2>/dev/null; then
        n=0
        for ((size = 400; size <= 1200; size += 40)); do
            mount -o remount,size=${size}k "$WORK/small"
            rm -rf "$WORK/small"/*
            db=$WORK/small/index.db
            cp "$WORK/half.db" "$db" 2>/dev/null || continue
            pixgrepd index --quiet --db "$db" "$photos" >/dev/null 2>&1 && continue
            n=$((n + 1))
            rows >"$WORK/after"
            lost=$((lost + $(comm -23 "$WORK/before" "$WORK/after" | wc -l)))
            mount -o remount,size=16m "$WORK/small"
            pixgrepd index --quiet --db "$db" "$photos" 2>/dev/null
            check "a disk of $size KiB: every photo is there once there is room" test "$(rows | wc -l)" -eq $total
        done
        row "a disk that is full" "$n"
        fresh_db=$XDG_DATA_HOME/pixgrep/index.db
        cp "$WORK/half.db" "$WORK/small/index.db"
        mount -o remount,ro "$WORK/small"
        run pixgrepd index --quiet --db "$WORK/small/index.db" "$photos"
        expect 2 "a read-only index"
        check "a read-only index can be searched" pixgrep --db "$WORK/small/index.db" -l photo
        umount "$WORK/small"
        db=$fresh_db
        row "a read-only index" 1
    else
        echo "SKIP disk: may not mount here"
    fi
fi
if wanted busy; then
    for ((n = 0; n < 20; n++)); do
        fresh
        : >"$WORK/going"
        (while [ -e "$WORK/going" ]; do
            sqlite3 "$db" 'PRAGMA busy_timeout = 50; BEGIN IMMEDIATE; UPDATE root SET scanned_at = scanned_at; SELECT count(*) FROM image a, image b, image c, image d; COMMIT' >/dev/null 2>&1
        done) &
        storm=$!
        pixgrepd index --quiet "$photos" >/dev/null 2>&1
        rm "$WORK/going"
        wait $storm
        examine "a storm of SQLITE_BUSY"
    done
    row "SQLITE_BUSY, a storm during a run" $n
fi
if wanted indexers; then
    for ((n = 0; n < 20; n++)); do
        fresh
        for _ in 1 2 3; do
            pixgrepd index --quiet "$photos" >/dev/null 2>&1 &
        done
        wait
        examine "three indexers at once"
    done
    row "three indexers at once" $n
fi
if wanted clock; then
    if cc -shared -fPIC -o "$WORK/clock.so" "$SOURCE/tests/faults/clock.c" -ldl 2>/dev/null; then
        for ((n = 0; n < 10; n++)); do
            fresh
            LD_PRELOAD=$WORK/clock.so pixgrepd index --quiet "$photos" >/dev/null 2>&1
            LD_PRELOAD=$WORK/clock.so pixgrepd index --quiet "$photos" >/dev/null 2>&1
            examine "a clock that jumps"
        done
        row "a clock that jumps by decades" $n
    else
        echo "SKIP clock: no C compiler"
    fi
fi
if wanted changing; then
    for ((n = 0; n < 20; n++)); do
        fresh
        : >"$WORK/going"
        (while [ -e "$WORK/going" ]; do
            i=$((RANDOM % total + 1))
            printf 'P6\n2 2\n255\n%012d%*s' "$RANDOM" $((RANDOM % 3000)) '' >"$photos/$i.ppm"
        done) &
        writer=$!
        for _ in 1 2 3; do
            pixgrepd index --quiet "$photos" >/dev/null 2>&1
        done
        rm "$WORK/going"
        wait $writer
        pixgrepd index --quiet "$photos" >/dev/null 2>&1
        sqlite3 "$db" "SELECT lower(hex(hash)) || '  ' || path FROM image JOIN content ON content.id = content_id WHERE missing_since IS NULL" >"$WORK/sums"
        check "files that change: what is indexed is what is there" sha256sum --quiet -c "$WORK/sums"
        check "files that change: every photo is there" test "$(wc -l <"$WORK/sums")" -eq $total
        make 1 $total
    done
    row "files that change while they are read" $n
fi
if wanted corrupt; then
    pixgrepd index --quiet "$photos"
    sqlite3 "$db" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
    cp "$db" "$WORK/whole.db"
    size=$(stat -c %s "$WORK/whole.db")
    saved=0
    for ((n = 0; n < 60; n++)); do
        rm -f "$db"*
        cp "$WORK/whole.db" "$db"
        for _ in 1 2 3 4 5 6 7 8; do
            printf "\\x$(printf %02x $((RANDOM % 256)))" |
                dd of="$db" bs=1 seek=$(((RANDOM * 32768 + RANDOM) % size)) conv=notrunc 2>/dev/null
        done
        for command in "pixgrepd status" "pixgrep -l photo" "pixgrepd index --quiet $photos"; do
            $command >/dev/null 2>&1
            code=$?
            check "damaged: $command ends with an exit code, not $code" test $code -le 3
        done
        run pixgrepd salvage
        if [ "$code" -eq 0 ]; then
            saved=$((saved + 1))
            run pixgrepd salvage
            check "damaged: sound after a salvage" grep -q ": sound" "$WORK/out"
        else
            check "damaged beyond reading: one line" test "$(wc -l <"$WORK/err")" = 1
            rm -f "$db"*
        fi
        pixgrepd index --quiet "$photos" >/dev/null 2>&1
        check "damaged: every photo is there after salvage and a run" test "$(rows | wc -l)" -eq $total
        [ "$(rows | wc -l)" -eq $total ] || [ -z "${KEEP:-}" ] || cp "$db" "$KEEP/$n.db"
    done
    row "eight random bytes of the index changed" $n
    echo "  (sound or salvaged: $saved of $n; what a run had to find again does not count as lost)"
fi
finish
