# Sourced by the scripts of this folder, each of which plays some faults: a library whose next run has something of everything to
# do, what of it must survive whatever happens, and a row for the table.
. "$SOURCE/tests/cli/support.sh"
for tool in strace sqlite3; do
    command -v $tool >/dev/null || skip "$tool is not installed"
done
strace -f --seccomp-bpf -e trace=read -o /dev/null true 2>/dev/null || skip "strace may not trace here"
STEP=${STEP:-1}
export XDG_RUNTIME_DIR=$WORK/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
photos=$WORK/photos
data=$XDG_DATA_HOME/pixgrep
db=$data/index.db
total=12

picture() { printf 'P6\n2 2\n255\n%012d' "$1"; }

# make_library: an index of photos 1 to 6 in $WORK/half; since then 4 has changed, 5 has moved, 6 is gone and 7 to 13 have come.
make_library() {
    local i
    mkdir "$photos" "$photos/sub"
    for i in 1 2 3 4 5 6; do picture "$i" >"$photos/$i.ppm"; done
    touch -d '1 hour ago' "$photos"/*.ppm
    pixgrepd index --quiet "$photos" || exit 1
    cp -a "$data" "$WORK/half"
    cp -a "$photos" "$WORK/earlier"
    rows | grep -v "^photo $photos/[456]\|$(sha256sum <"$photos/4.ppm" | cut -c 1-64)" >"$WORK/must"
    picture 44 >"$photos/4.ppm"
    mv "$photos/5.ppm" "$photos/sub/"
    rm "$photos/6.ppm"
    for i in 7 8 9 10 11 12 13; do picture "$i" >"$photos/$i.ppm"; done
    touch -d '1 hour ago' "$photos"/*.ppm
    cp -a "$photos" "$WORK/originals"
    pixgrepd index --quiet "$photos" || exit 1
    rows | grep '^photo' >"$WORK/complete"
    answers >"$WORK/answers"
    [ "$(wc -l <"$WORK/complete")" -eq $total ] && [ "$(wc -l <"$WORK/answers")" -eq $total ] || exit 1
}
# fresh: the library as it was before that run; or, `fresh nothing`, no index at all.
fresh() {
    rm -rf "$data"
    [ "${1:-half}" = nothing ] || cp -a "$WORK/half" "$data"
}

# leave_log: an indexer that is killed as it begins to move what it committed from the log to the index.
leave_log() {
    { strace -f -qq -o "$WORK/trace" -P "$db" -e trace=pwrite64 -e inject=pwrite64:signal=SIGKILL:when=1 \
        pixgrepd index --quiet "$photos" >/dev/null 2>&1; } 2>/dev/null
}

# Every vector with its content, every present photo with both.
rows() {
    sqlite3 "$db" "
        SELECT 'vector ' || lower(hex(hash)) || ' ' || hex(vector) FROM content JOIN embedding ON content_id = content.id;
        SELECT 'photo ' || CAST(path AS TEXT) || ' ' || lower(hex(hash)) || ' ' || hex(vector) FROM image
            JOIN content ON content.id = content_id JOIN embedding USING (content_id) WHERE missing_since IS NULL" | sort
}
answers() { pixgrep -k 50 'a red square' 2>/dev/null; }
# What is wrong with the index, if anything; its tables are made together, so there may be none yet.
unsound() {
    local tally="SELECT 'tally' WHERE (SELECT photos FROM tally WHERE model_id = 0) <>
        (SELECT count(*) FROM image JOIN embedding USING (content_id) WHERE missing_since IS NULL)"
    [ "$(sqlite3 "$db" 'SELECT count(*) FROM sqlite_schema' 2>&1)" != 0 ] || tally=
    sqlite3 "$db" "PRAGMA integrity_check; PRAGMA foreign_key_check; $tally" 2>&1 | grep -vx ok
}
# Every photo that is not there, or its folder, has a line in $WORK/trouble; `rows` are in $WORK/after.
all_told() {
    local name
    grep '^photo' "$WORK/after" | comm -13 - "$WORK/complete" | while read -r _ name _; do
        name=${name#"$photos/"}
        grep -qF -e ": $name: " -e ": ${name%/*}: " "$WORK/trouble" || echo "$name"
    done | tee /dev/stderr | wc -l | grep -qx 0
}

# Every photo that should be there is; more are when it was said that nothing is removed.
all_there() {
    test -z "$(grep '^photo' "$WORK/after" | comm -13 - "$WORK/complete")" || return
    grep -qs 'nothing is removed' "$WORK/trouble" || cmp <(grep '^photo' "$WORK/after") "$WORK/complete"
}

lost=0
# count_lost: of what the index held before; `rows` are in $WORK/after then.
count_lost() {
    rows >"$WORK/after" 2>/dev/null
    lost=$((lost + $(comm -23 "${1:-$WORK/must}" "$WORK/after" | wc -l)))
}
# examine WHAT [CODE]: counts what is lost, holds the run that ended with CODE to its word, and has the next one complete the
# index.  Where a fault met a decoder twice, photos are listed as failures, to be tried again.
examine() {
    local what=$1 said=${2:-killed}
    if [ -s "$db" ]; then
        check "$what: the index is sound" test -z "$(unsound)"
        count_lost
        [ "$said" != 0 ] || check "$what: exit code 0, and all is there" all_there
        [ "$said" != 1 ] || check "$what: exit code 1, and what is missing is told of" all_told
        if answers >"$WORK/with"; then
            mkdir "$WORK/caches" && mv "$data"/*.pixv "$WORK/caches" 2>/dev/null
            check "$what: the cache of vectors changes no answer" cmp "$WORK/with" <(answers)
            mv "$WORK/caches"/* "$data" 2>/dev/null
            rmdir "$WORK/caches"
        fi
    fi
    run pixgrepd index --quiet "$photos"
    expect 0 "$what: the next run completes"
    if [ -n "$(pixgrepd failures)" ]; then
        pixgrepd failures --retry >/dev/null
        pixgrepd index --quiet "$photos"
    fi
    rows >"$WORK/after"
    check "$what: then every photo is there, with its vector" cmp <(grep '^photo' "$WORK/after") "$WORK/complete"
    check "$what: then it is sound" test -z "$(unsound)"
    check "$what: then searches find the same" cmp <(answers) "$WORK/answers"
    check "$what: then nothing else is left" test -z "$(ls "$data" | grep -vxE 'index\.db(\.lock|-wal|-shm)?|index\.[0-9a-f]{12}\.pixv')"
}
# row FAULT TIMES: of the table.  A fault that never was one shows nothing.
row() {
    printf '%-52s %8s %9s\n' "$1" "$2" "$lost"
    [ "$lost" -eq 0 ] || failures=$((failures + 1))
    check "$1: was injected" test "$2" -gt 0
    lost=0
}
finish() { exit "$((failures > 0))"; }
