#!/usr/bin/env bash
# others.sh FAULT: one that is not a call that fails: power busy indexers clock changing corrupt full readonly; and losses, to see
# that they would be seen.
. "$(dirname "$0")/support.sh"

# Rows that go, or are others', and an index that is not sound: the checks of this folder must not let them pass.
play_losses() {
    local sql seen=0
    make_library
    for sql in "DELETE FROM image WHERE CAST(path AS TEXT) LIKE '%/1.ppm'" \
        "UPDATE embedding SET vector = (SELECT vector FROM embedding e WHERE e.id <> embedding.id)" \
        "UPDATE image SET content_id = (SELECT min(id) FROM content) WHERE CAST(path AS TEXT) LIKE '%/9.ppm'" \
        "UPDATE image SET missing_since = 1 WHERE CAST(path AS TEXT) LIKE '%/2.ppm'" \
        "UPDATE tally SET photos = photos + 1" "PRAGMA foreign_keys = OFF; DELETE FROM content WHERE id = (SELECT content_id FROM image WHERE CAST(path AS TEXT) LIKE '%/1.ppm')"; do
        fresh
        pixgrepd index --quiet "$photos" 2>/dev/null
        sqlite3 "$db" "$sql"
        if (examine "$sql" 0 && exit $((failures + lost))) >/dev/null 2>&1; then
            echo "FAILED: nobody sees: $sql"
            failures=$((failures + 1))
        else
            seen=$((seen + 1))
        fi
    done
    row "(losses made on purpose, all seen)" $seen
}

# The index's own files by a disk that forgets, see test_store_faults; a model by the order of calls; the cache of vectors by
# every mixture of what was written and what not.
play_power() {
    local name times sector size n
    PIXGREP_TEST_ROUNDS=${ROUNDS:-40} "$BUILD/tests/test_store_faults" >"$WORK/store" 2>&1
    check "test_store_faults" grep -q 'PASSED.* 6 test' "$WORK/store"
    while read -r _ name; do
        times=${name##*injected } && times=${times%% *}
        row "storage: ${name%%:*}" "$times"
    done < <(grep '^FAULT' "$WORK/store")

    strace -f -y -qq -o "$WORK/trace" -e trace=write,ftruncate,fsync,rename \
        pixgrepd model import "$SOURCE/tests/golden/models/vit-p32/vit-p32.pt" >/dev/null 2>&1
    awk -v FS='[<>"]' '
        / (write|ftruncate)\(/ { synced[$2] = 0; written[$2] = 1 }
        / fsync\(/ { synced[$2] = 1; due[$2] = 0 }
        / rename\(/ { if (!synced[$2]) { print "not synced: " $2; lost++ }
                      folder = $4; sub("/[^/]*$", "", folder); due[folder] = 1; renamed++ }
        END { for (folder in due) if (due[folder]) { print "not synced: " folder; lost++ }
              print renamed + 0, lost + 0 }' "$WORK/trace" >"$WORK/order"
    read -r times lost < <(tail -1 "$WORK/order")
    sed -n '/^not/s/^/    /p' "$WORK/order"
    row "import: a rename before what it renames is durable" "$times"

    make_library
    cp "$data"/*.pixv "$WORK/new"
    cp "$WORK/half"/*.pixv "$WORK/old"
    size=$(stat -c %s "$WORK/new")
    split -d -a 4 -b 512 "$WORK/new" "$WORK/sector.new."
    split -d -a 4 -b 512 "$WORK/old" "$WORK/sector.old."
    for ((n = 0; n < 100; n++)); do
        for sector in "$WORK"/sector.new.*; do
            [ $((RANDOM % 2)) -eq 0 ] || [ ! -e "${sector/new/old}" ] || sector=${sector/new/old}
            echo "$sector"
        done | xargs cat >"$WORK/torn"
        cat "$WORK/torn" >"$(ls "$data"/*.pixv)"
        [ $((n % 4)) -ne 3 ] || truncate -s $((RANDOM * 2 % size)) "$data"/*.pixv
        check "the cache of vectors, torn: answers are right" cmp <(answers) "$WORK/answers"
        examine "the cache of vectors, torn" 0
    done
    row "cache of vectors: power failure" "$n"
}

play_indexers() {
    local n i refused=0 code ended
    make_library
    for ((n = 0; n < 30; n++)); do
        fresh "$([ $((n % 2)) -eq 0 ] || echo nothing)"
        local pids=()
        for i in 1 2 3; do
            pixgrepd index --quiet "$photos" >/dev/null 2>"$WORK/trouble.$i" &
            pids+=($!)
        done
        ended=0
        for i in 1 2 3; do
            wait "${pids[i - 1]}"
            code=$?
            [ $code -ne 0 ] || ended=$((ended + 1))
            [ $code -ne 2 ] || refused=$((refused + 1))
            check "three indexers: exit code $code" test $code -eq 0 -o $code -eq 2
            [ $code -ne 2 ] || check "three indexers: one line that says why" \
                grep -q 'another pixgrepd' <(grep -v 'bundled model' "$WORK/trouble.$i")
        done
        check "three indexers: one of them did it" test $ended -ge 1
        rows >"$WORK/after"
        check "three indexers: all is there" cmp <(grep '^photo' "$WORK/after") "$WORK/complete"
        [ $((n % 2)) -ne 0 ] || examine "three indexers" 0
    done
    row "three indexers at once (of $((3 * n)), refused)" $refused
}

# Another program takes the index again and again, and once for longer than anybody waits.
play_busy() {
    local n times=0 waited storm
    make_library
    for ((n = 0; n < 20; n++)); do
        fresh
        : >"$WORK/going"
        (while [ -e "$WORK/going" ]; do
            sqlite3 "$db" 'BEGIN IMMEDIATE; UPDATE root SET scanned_at = scanned_at; WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL
                SELECT i + 1 FROM c WHERE i < 300000) SELECT max(i) FROM c; COMMIT' >/dev/null 2>&1
        done) &
        storm=$!
        strace -f --seccomp-bpf -qq -o "$WORK/trace" -e trace=fcntl pixgrepd index --quiet "$photos" >/dev/null 2>&1
        code=$?
        rm "$WORK/going"
        wait $storm
        waited=$(grep -c EAGAIN "$WORK/trace")
        times=$((times + waited))
        expect 0 "a storm of SQLITE_BUSY"
        examine "a storm of SQLITE_BUSY" "$code"
    done
    row "SQLITE_BUSY, a storm (locks refused)" $times
    fresh
    (echo 'BEGIN IMMEDIATE;' && sleep 14) | sqlite3 "$db" &
    sleep 1
    run pixgrepd index --quiet "$photos"
    expect 2 "an index that stays busy"
    check "an index that stays busy: one line" grep -q 'another program is using it' "$WORK/err"
    check "an index that stays busy can be searched" test -n "$(answers)"
    wait
    examine "an index that stays busy" 2
    row "SQLITE_BUSY for longer than 10 s" 1
}

# By the clock a photo that has gone has been gone for more than 90 days, and is forgotten.
play_clock() {
    local n
    make_library
    sed -i "/$(picture 6 | sha256sum | cut -c 1-64)/d" "$WORK/must"
    cc -shared -fPIC -o "$WORK/clock.so" "$SOURCE/tests/faults/clock.c" -ldl 2>/dev/null || skip "clock: no C compiler"
    for ((n = 0; n < 10; n++)); do
        fresh
        run env LD_PRELOAD="$WORK/clock.so" pixgrepd index --quiet "$photos"
        expect 0 "a clock that jumps"
        run env LD_PRELOAD="$WORK/clock.so" pixgrepd index --quiet "$photos"
        expect 0 "a clock that jumps, again"
        check "a clock that jumps: the index has seen it" test \
            "$(sqlite3 "$db" 'SELECT max(max(started_at, ended_at)) - min(min(started_at, ended_at)) > 86400 * 365 FROM run')" = 1
        examine "a clock that jumps" 0
    done
    row "a clock that jumps by decades" $n
}

# alter KIND FILE: another content in it, or in its place.
alter() {
    case $1 in
    append) echo more >>"$2" ;;
    truncate) truncate -s 5 "$2" ;;
    rewrite) picture 77 >"$2" ;;
    replace) picture 78 >"$2.part" && mv "$2.part" "$2" ;;
    remove) rm "$2" ;;
    esac
}
# The process is stopped at the n-th call that concerns a photo, the photo altered, the process continued.
play_changing() {
    local kind call n pid times=0 file=$photos/7.ppm traced where
    make_library
    # What each content's vector is.
    mkdir "$WORK/kinds"
    for kind in append rewrite replace; do
        cp "$file" "$WORK/kinds/$kind.ppm"
        alter $kind "$WORK/kinds/$kind.ppm"
    done
    cp "$file" "$WORK/kinds/"
    pixgrepd index --quiet --db "$WORK/kinds.db" "$WORK/kinds"
    db=$WORK/kinds.db rows | sed -n 's/^vector //p' | sort >"$WORK/right"
    indexed() { rows | sed -n "s|^photo $file ||p"; }
    for kind in append truncate rewrite replace remove; do
        for call in openat newfstatat read pread64 mmap close fadvise64; do
            for ((n = 1; n < 40; n++)); do
                fresh
                cp -a "$WORK/originals/7.ppm" "$file"
                where="changing: $kind at $call $n"
                : >"$WORK/trace"
                strace -f -qq -o "$WORK/trace" -P "$file" -e trace="$call" -e "inject=$call:signal=SIGSTOP:when=$n" \
                    pixgrepd index --quiet "$photos" >/dev/null 2>"$WORK/trouble" &
                traced=$!
                pid=
                while kill -0 $traced 2>/dev/null && [ -z "$pid" ]; do
                    pid=$(awk '/stopped by SIGSTOP/ { print $1; exit }' "$WORK/trace")
                done
                [ -n "$pid" ] || pid=$(awk '/stopped by SIGSTOP/ { print $1; exit }' "$WORK/trace")
                if [ -n "$pid" ]; then
                    alter $kind "$file"
                    while kill -0 $traced 2>/dev/null; do # any thread of any process may have been stopped meanwhile
                        awk '/stopped by SIGSTOP/ { print $1 }' "$WORK/trace" | sort -u | xargs -r kill -CONT 2>/dev/null
                        sleep 0.02
                    done
                fi
                wait $traced
                code=$?
                [ -n "$pid" ] || break
                times=$((times + 1))
                check "$where: exit code $code" test $code -le 1
                check "$where: content and vector belong together" test -z "$(indexed | sort | comm -23 - "$WORK/right")"
                count_lost
                run pixgrepd index --quiet "$photos"
                check "$where: the next run ends well" test "$code" -le 1
                if [ $kind = truncate ]; then
                    check "$where: it is a failure" grep -q "7.ppm" <(pixgrepd failures)
                elif [ $kind = remove ]; then
                    check "$where: it is gone" test -z "$(indexed)"
                else
                    check "$where: then it is what is there" test "$(indexed | cut -c 1-64)" = "$(sha256sum <"$file" | cut -c 1-64)"
                    check "$where: then its vector is right" test -z "$(indexed | sort | comm -23 - "$WORK/right")"
                fi
            done
        done
    done
    row "a photo changes at every call that reads it" $times
}

# What salvage says of a damaged index is so; what a run finds again is not lost.
play_corrupt() {
    local n damage pages size page saved=0 off=0 claimed
    make_library
    sqlite3 "$db" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
    cp -a "$data" "$WORK/whole"
    cut -d ' ' -f 1-3 "$WORK/complete" >"$WORK/present"
    size=$(stat -c %s "$db")
    pages=$((size / 16384))
    RANDOM=7
    for ((n = 0; n < 60 + 2 * pages; n++)); do
        rm -rf "$data"
        cp -a "$WORK/whole" "$data"
        page=$(((n - 60) / 2))
        if [ $n -lt 60 ]; then
            damage="eight random bytes, $n"
            for _ in 1 2 3 4 5 6 7 8; do
                printf "\\x$(printf %02x $((RANDOM % 256)))" |
                    dd of="$db" bs=1 seek=$(((RANDOM * 32768 + RANDOM) % size)) conv=notrunc 2>/dev/null
            done
        elif [ $((n % 2)) -eq 0 ]; then
            damage="page $page of zeros"
            dd if=/dev/zero of="$db" bs=16384 seek=$page count=1 conv=notrunc 2>/dev/null
        else
            damage="cut off at page $page"
            truncate -s $((page * 16384)) "$db"
        fi
        for command in "pixgrepd status" "pixgrep -l photo" "pixgrepd index --quiet $photos"; do
            run $command
            check "$damage: $command ends with an exit code, not $code" test "$code" -le 3
            [ "$code" -ne 2 ] || check "$damage: $command: a line" grep -qE '^pixgrepd?: ' "$WORK/err"
        done
        run pixgrepd salvage --json
        if [ "$code" -eq 0 ]; then
            saved=$((saved + 1))
            claimed=$(sed -n 's/.*"photos":\([0-9]*\),.*/\1/p' "$WORK/out")
            [ -z "$claimed" ] || check "$damage: salvage said $claimed photos" test "$claimed" = "$(sqlite3 "$db" 'SELECT count(*) FROM image')"
            run pixgrepd salvage
            check "$damage: sound after a salvage" grep -q ": sound" "$WORK/out"
        else
            check "$damage: beyond reading: one line" test "$(wc -l <"$WORK/err")" = 1
            rm -f "$db"*
        fi
        run pixgrepd index --quiet "$photos"
        rows | grep '^photo' >"$WORK/after"
        check "$damage: after salvage and a run every photo is there" cmp <(cut -d ' ' -f 1-3 "$WORK/after") "$WORK/present"
        lost=$((lost + $(cut -d ' ' -f 1-3 "$WORK/after" | comm -13 - "$WORK/present" | wc -l)))
        cmp -s "$WORK/after" "$WORK/complete" || off=$((off + 1))
    done
    row "a damaged index ($saved salvaged, $off with a wrong vector)" "$n"
}

# From a disk with no room at all to one with enough: for indexing, and for nothing but questions.
play_full() {
    local free n=0 kept before
    mkdir "$WORK/small"
    mount -t tmpfs -o size=64m none "$WORK/small" 2>/dev/null || skip "full: may not mount here"
    make_library
    XDG_CACHE_HOME=$WORK/cache2 pixgrep -k 50 --ensemble 'a red square' >"$WORK/ensemble" 2>/dev/null
    data=$WORK/small/data/pixgrep db=$WORK/small/data/pixgrep/index.db
    export XDG_DATA_HOME=$WORK/small/data XDG_CACHE_HOME=$WORK/small/cache
    leave() { # leave KIB: so much room
        rm -f "$WORK/small/ballast"
        fallocate -l $(($(df --output=avail -k "$WORK/small" | tail -1) - $1))k "$WORK/small/ballast"
    }
    for ((free = 0; ; free += 8)); do
        rm -rf "${WORK:?}/small"/*
        mkdir -p "$data"
        cp -a "$WORK/half/." "$data"
        leave $free
        run pixgrepd index --quiet "$photos"
        [ "$code" -ne 0 ] || break
        expect 2 "a full disk, $free KiB free"
        check "a full disk, $free KiB free: one line that says so" grep -q 'the disk is full\|No space left' "$WORK/err"
        n=$((n + 1))
        check "a full disk, $free KiB free: it can be searched" test -n "$(answers)"
        rm "$WORK/small/ballast"
        examine "a full disk, $free KiB free" 2
    done
    row "a disk that is full while indexing" $n

    n=0
    for ((free = 0; free <= 128; free += 4)); do
        rm -rf "${WORK:?}/small"/*
        mkdir -p "$data" "$XDG_CACHE_HOME/pixgrep"
        cp -a "$WORK/half/." "$data"
        before=$(sha256sum <"$db")
        kept=$(answers)
        leave $free
        check "a query on a full disk, $free KiB free: finds the same" test "$(answers)" = "$kept"
        run pixgrep -k 50 --ensemble 'a red square'
        expect 0 "an ensemble on a full disk, $free KiB free"
        check "a query on a full disk: the index is untouched" test "$(sha256sum <"$db")" = "$before"
        n=$((n + 2))
        rm "$WORK/small/ballast"
        count_lost
    done
    row "a disk that is full, for queries alone" $n

    # A log that a killed indexer has left cannot be read without a side file: the query says so, or answers.
    n=0
    for ((free = 0; free <= 64; free += 4)); do
        rm -rf "${WORK:?}/small"/*
        mkdir -p "$data"
        cp -a "$WORK/half/." "$data"
        leave_log
        check "a log on a full disk: there is one" test -s "$db-wal"
        rm -f "$db-shm"
        rows >"$WORK/logged"
        rm -f "$db-shm"
        leave $free
        run pixgrep -k 50 'a red square'
        [ "$code" -eq 0 ] && check "a log on a full disk, $free KiB free: the answer is right" cmp "$WORK/out" "$WORK/answers"
        [ "$code" -eq 0 ] || expect 2 "a log on a full disk, $free KiB free"
        [ "$code" -eq 0 ] || check "a log on a full disk, $free KiB free: a line" grep -q '^pixgrep: ' "$WORK/err"
        n=$((n + 1))
        rm "$WORK/small/ballast"
        count_lost "$WORK/logged"
    done
    row "a disk that is full, beside a log, for queries" $n
    umount "$WORK/small"
}

# Whatever may not be written: one line, nothing changed, and searches find what they found.
play_readonly() {
    local n=0 before kind as=()
    chmod 755 "$WORK"
    mkdir "$WORK/medium"
    if [ "$(id -u)" -eq 0 ]; then
        as=(setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$WORK/none" XDG_CACHE_HOME="$WORK/none"
            XDG_RUNTIME_DIR="$WORK/none")
        "${as[@]}" test -x "$BUILD/bin/pixgrepd" || skip "readonly: another user cannot reach $BUILD"
    fi
    make_library
    chmod 755 "$photos" "$XDG_DATA_HOME"
    same() { (cd "$data" && sha256sum index.db && { [ "$kind" = file ] || ls -a; }) 2>&1; }
    for kind in file folder 'folder and file' 'folder, with a log' 'folder, with a log and its side file' 'file system'; do
        fresh
        case $kind in
        *log*)
            leave_log
            check "read-only $kind: there is a log" test -s "$db-wal"
            [[ $kind = *side* ]] || rm -f "$db-shm"
            ;;
        esac
        [ "$(id -u)" -ne 0 ] || chown -R 65534:65534 "$data" "$photos"
        case $kind in
        file) chmod 400 "$db" ;;
        folder*)
            chmod 500 "$data"
            [[ $kind != *file ]] || chmod 400 "$db"*
            ;;
        'file system')
            mount --bind "$data" "$data" 2>/dev/null && mount -o remount,bind,ro "$data" || continue
            ;;
        esac
        before=$(same)
        run "${as[@]}" pixgrep -k 50 'a red square'
        case $kind in
        *log) expect 2 "read-only $kind: query" ;;
        *) expect 0 "read-only $kind: query" ;;
        esac
        [ "$code" -eq 0 ] || check "read-only $kind: a line" grep -q 'nothing can be written beside it' "$WORK/err"
        if [[ $kind = *'side file' ]]; then
            check "read-only $kind: the log is read" cmp "$WORK/out" "$WORK/answers"
        fi
        run "${as[@]}" pixgrepd index --quiet "$photos"
        expect 2 "read-only $kind: index"
        check "read-only $kind: one line" test "$(grep -vc 'bundled model' "$WORK/err")" = 1
        run "${as[@]}" timeout 5 pixgrepd watch "$photos"
        check "read-only $kind: watch says so, and ends or tries again later" test "$code" -eq 2 -o "$code" -eq 124 -a -s "$WORK/err"
        check "read-only $kind: nothing has changed" test "$(same)" = "$before"
        [[ $kind != 'file system' ]] || umount "$data"
        chmod 700 "$data"
        chmod 600 "$db"*
        count_lost
        [ "$(id -u)" -ne 0 ] || chown -R 0:0 "$data" "$photos"
        examine "read-only $kind" 2
        n=$((n + 3))
    done
    row "an index, folder or file system that is read-only" $n
}

"play_$1"
finish
