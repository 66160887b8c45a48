#!/usr/bin/env bash
# A run killed at every n-th fsync, rename and pwrite, or ten times at random moments: nothing committed
# is lost, the database is whole, the next run completes.
. "$(dirname "$0")/support.sh"
command -v strace >/dev/null || skip "strace is not installed"
command -v sqlite3 >/dev/null || skip "sqlite3 is not installed"
strace -f -o /dev/null true 2>/dev/null || skip "strace may not trace here"

photos=$WORK/photos
mkdir "$photos"
for copy in 1 2; do
    for picture in "$SOURCE"/tests/golden/preprocess/images/*; do
        name=$photos/$copy-$(basename "$picture")
        cp "$picture" "$name"
        echo "copy $copy" >>"$name"
    done
done
total=$(ls "$photos" | wc -l)
for some in "$SOURCE"/tests/golden/preprocess/images/*.png; do break; done

# killed CALLS N COMMAND...: runs the command, killed as it enters its Nth call of that kind; false when
# it ended before that.
killed() {
    local calls=$1 n=$2
    shift 2
    { strace -f -qq -o /dev/null -e trace="$calls" -e "inject=$calls:signal=SIGKILL:when=$n" "$@" >/dev/null 2>&1; } 2>/dev/null
    [ $? -eq 137 ]
}

weights=$SOURCE/tests/golden/models/vit-p32/vit-p32.pt
run pixgrepd model import "$weights"
expect 0 "model import"
models=$XDG_DATA_HOME/pixgrep/models
sha256sum "$models"/*.pixm >"$WORK/models.sha256"
for call in fsync,fdatasync rename,renameat,renameat2; do
    for ((n = 1; n <= 20; n++)); do
        killed "$call" "$n" pixgrepd model import "$weights" || break
        check "import killed at $call number $n: the model that was there still verifies" pixgrepd model verify vit-p32
    done
    echo "import: killed at $((n - 1)) calls of $call"
done
run pixgrepd model import "$weights"
expect 0 "model import after the kills"
check "nothing is left beside the model" test -z "$(ls "$models" | grep -F .tmp)"
check "the model is as it was" sha256sum -c "$WORK/models.sha256"
db=$XDG_DATA_HOME/pixgrep/index.db

rows() { sqlite3 "$db" "SELECT hex(path) FROM image WHERE missing_since IS NULL ORDER BY 1" 2>/dev/null; }

# same_answers WHAT: searches find the same with the vectors' cache, whatever state it is in, and without.
same_answers() {
    local caches=("$XDG_DATA_HOME"/pixgrep/index.*.pixv)
    [ -e "${caches[0]}" ] || return
    pixgrep -k 200 "$photos/1-${some##*/}" >"$WORK/with.out" 2>"$WORK/with.err"
    mkdir -p "$WORK/caches" && mv "${caches[@]}" "$WORK/caches/"
    pixgrep -k 200 "$photos/1-${some##*/}" >"$WORK/without.out" 2>/dev/null
    mv "$WORK/caches"/* "$XDG_DATA_HOME/pixgrep/"
    check "$1: the cache of vectors changes no answer" cmp "$WORK/with.out" "$WORK/without.out"
}

# examine WHAT: the database is whole, holds all that was committed before, and a further run completes it.
examine() {
    local what=$1 before=$2
    if [ -s "$db" ]; then
        check "$what: the database is whole" test "$(sqlite3 "$db" 'PRAGMA integrity_check')" = ok
        rows >"$WORK/after.rows"
        check "$what: nothing committed is lost" test -z "$(comm -23 "$before" "$WORK/after.rows")"
        same_answers "$what"
    fi
    run pixgrepd index "$photos"
    expect 0 "$what: the next run completes"
    check "$what: every photo is there" test "$(rows | wc -l)" -eq "$total"
    check "$what: every photo has its vector" test \
        "$(sqlite3 "$db" 'SELECT count(*) FROM image JOIN embedding USING (content_id)')" -eq "$total"
    same_answers "$what, completed"
    check "$what: the cache is in use again" test -z "$(grep 'every vector is read' "$WORK/with.err")"
    check "$what: no temporary file is left" test -z "$(ls "$XDG_DATA_HOME/pixgrep" | grep -F .tmp)"
}


# fresh: an index that holds half of the photos, committed; their rows in $WORK/before.rows.
fresh() {
    rm -f "$db"*
    if [ "$1" = half ]; then
        mkdir -p "$WORK/aside" && mv "$photos"/2-* "$WORK/aside/"
        pixgrepd index "$photos" >/dev/null 2>&1
        mv "$WORK/aside"/* "$photos/"
        rows >"$WORK/before.rows"
    else
        : >"$WORK/before.rows"
    fi
}

for start in empty half; do
    for call in fsync,fdatasync pwrite64; do
        for ((n = 1; n <= 400; n++)); do
            fresh "$start"
            killed "$call" "$n" pixgrepd index "$photos" || break
            examine "$start index, killed at $call number $n" "$WORK/before.rows"
            # After the first dozen only some: the later calls repeat the same pattern.
            [ "$n" -lt 12 ] || n=$((n + n / 6))
        done
        echo "$start index: killed at $((n - 1)) calls of $call"
    done
done

# The same at every call that concerns the cache of vectors.
fresh half
for cache in "$XDG_DATA_HOME"/pixgrep/index.*.pixv; do break; done
for start in empty half; do
    for call in pwrite64 fdatasync ftruncate rename; do
        for ((n = 1; n <= 40; n++)); do
            fresh "$start"
            [ "$start" = half ] || rm -f "$cache"
            killed "$call" "$n" -P "$cache" -P "$cache.tmp" pixgrepd index "$photos" || break
            examine "$start index, cache killed at $call number $n" "$WORK/before.rows"
        done
        echo "$start index: killed at $((n - 1)) calls of $call to the cache of vectors"
    done
done

for round in 1 2 3 4 5 6 7 8 9 10; do
    fresh "$([ $((round % 2)) -eq 0 ] && echo half || echo empty)"
    pixgrepd index "$photos" >/dev/null 2>&1 &
    sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    examine "random kill $round" "$WORK/before.rows"
done
finish
