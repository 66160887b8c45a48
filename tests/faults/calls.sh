#!/usr/bin/env bash
# calls.sh SCENE FAULT CALL: the CALL fails, or the process that makes it is killed, at the first time a thread makes it, the
# second, and so on until none makes it so often; of what only pixgrep-decode makes so often, while its libraries are loaded,
# every tenth.  SCENE is what runs: index (half of it is there), first (nothing is), import, salvage, query, start (of watch) or
# watch (while it takes up changes).  FAULT is kill, an error's name, or that with a + for a trouble that lasts.
. "$(dirname "$0")/support.sh"
scene=$1 fault=$2 call=$3
weights=$SOURCE/tests/golden/models

case $fault in
kill) what=signal=SIGKILL lasting='' quick='' ;; # which strace does not send from a seccomp filter's stops
*+) what=error=${fault%+} lasting=+ quick=--seccomp-bpf ;;
*) what=error=$fault lasting='' quick=--seccomp-bpf ;;
esac
# traced COMMAND...: with the fault at call $n; what it says is in $WORK/said and $WORK/trouble.
traced() {
    { strace -f $quick -qq -o "$WORK/trace" -e trace="$call,execve" -e "inject=$call:$what:when=$n$lasting" \
        "$@" >"$WORK/said" 2>"$WORK/trouble" </dev/null; } 2>/dev/null
    code=$?
}
# Whether the fault was met: a call says so in the trace, or it is the n-th of its thread and never returned.
was_met() {
    if [ "$fault" = kill ]; then
        awk -v n="$n" '/^[0-9]+ +'"$call"'\(/ && ++calls[$1] == n { if (/= \?$/) met = 1; else if (/unfinished/) waits[$1] = 1 }
            / resumed>/ && waits[$1] { met += /= \?$/; waits[$1] = 0 }
            END { exit !met }' "$WORK/trace"
    else
        grep -q '(INJECTED)' "$WORK/trace"
    fi
}
# A program that ends by itself says why it did not do what it should, unless that is what it cannot do.
clear_end() {
    case $code in
    0 | 137) return ;;
    139) # the dynamic linker's own
        ! _=$(strace -o /dev/null -e "inject=$call:$what:when=$n" true 2>&1) && return ;;
    127) grep -qE 'error while loading shared libraries|cannot allocate TLS' "$WORK/trouble" && return ;;
    1 | 2 | 3)
        grep -q 'write([12],.*(INJECTED)' "$WORK/trace" && return
        [ "$code$scene" = 1query ] && return
        grep -qE '^pixgrepd?: .{8}' "$WORK/trouble" && return
        ;;
    esac
    echo "FAILED: $at: exit code $code, saying:"
    sed 's/^/    /' "$WORK/trouble"
    failures=$((failures + 1))
}

index_prepare() { make_library; }
index_run() {
    fresh "${1:-half}"
    traced pixgrepd index --quiet --threads 1 "$photos"
}
index_examine() { examine "$at" "$code"; }

first_prepare() {
    make_library
    : >"$WORK/must"
}
first_run() { index_run nothing; }
first_examine() { examine "$at" "$code"; }

# A second model comes and is used from then on; the first stays whole, and one of them is in use at any time.
import() { pixgrepd model import "$weights/vit-p32/vit-p32.pt" --name second >/dev/null 2>&1; }
import_prepare() {
    pixgrepd model import "$weights/rn-tiny/rn-tiny.pt" --name first >/dev/null 2>&1 || exit 1
    cp -a "$data" "$WORK/half"
    import || exit 1
    (cd "$data/models" && sha256sum ./*.pixm) >"$WORK/sums"
}
import_run() {
    fresh
    traced pixgrepd model import "$weights/vit-p32/vit-p32.pt" --name second
}
import_examine() {
    (cd "$data/models" && sha256sum --quiet -c "$WORK/sums" 2>&1) >"$WORK/differs"
    ! grep -q first "$WORK/differs" || lost=$((lost + 1))
    [ "$code" -ne 0 ] || check "$at: exit code 0, and it is there" test ! -s "$WORK/differs"
    check "$at: the first one verifies" pixgrepd model verify first
    check "$at: the one in use verifies" pixgrepd model verify "$(cat "$data/models/current")"
    check "$at: import again" import
    (cd "$data/models" && sha256sum --quiet -c "$WORK/sums" 2>&1) >"$WORK/differs"
    check "$at: then it is there" test ! -s "$WORK/differs"
    check "$at: then nothing else is left" test "$(ls "$data/models" | tr '\n' ' ')" = "current first.pixm second.pixm "
}

# What is saved of a damaged index, whose latest rows are in its log alone, is saved in the end whatever happened to the salvage.
salvage_prepare() {
    make_library
    fresh
    leave_log
    mv "$data" "$WORK/logged"
    local page
    for ((page = 2; page < 20; page++)); do
        rm -rf "$WORK/half"
        cp -a "$WORK/logged" "$WORK/half"
        dd if=/dev/zero of="$WORK/half/index.db" bs=16384 seek=$page count=1 conv=notrunc 2>/dev/null
        fresh
        pixgrepd salvage 2>/dev/null | grep -q ': damaged: ' && rows >"$WORK/must" && [ "$(grep -c '^photo' "$WORK/must")" -eq $total ] && return
    done
    exit 1
}
salvage_run() {
    fresh
    traced pixgrepd salvage
}
salvage_examine() {
    run pixgrepd salvage
    expect 0 "$at: again"
    check "$at: then it is sound" test -z "$(unsound)"
    count_lost
    run pixgrepd index --quiet "$photos"
    expect 0 "$at: then a run"
    check "$at: then every photo is there" cmp <(rows | grep '^photo') "$WORK/complete"
}

# An ensemble of sentences, which the cache of prompts keeps one of and is to keep another.
ensemble() { pixgrep -k 50 --ensemble "$1" 2>/dev/null; }
query_prepare() {
    make_library
    ensemble 'a cat' >"$WORK/kept"
    cp -a "$XDG_CACHE_HOME" "$WORK/prompts"
    ensemble 'a red square' >"$WORK/answers"
    rows >"$WORK/must"
}
query_run() {
    rm -rf "$XDG_CACHE_HOME"
    cp -a "$WORK/prompts" "$XDG_CACHE_HOME"
    traced pixgrep -k 50 --ensemble 'a red square'
}
query_examine() {
    [ "$code" -ne 0 ] || check "$at: exit code 0, and the answer is right" cmp "$WORK/said" "$WORK/answers"
    check "$at: there was something to find" test "$code" -ne 1
    count_lost
    check "$at: the cache of prompts is sound" test "$(sqlite3 "$XDG_CACHE_HOME/pixgrep/prompts.db" 'PRAGMA integrity_check' 2>&1)" = ok
    check "$at: what it kept is right" cmp <(ensemble 'a cat') "$WORK/kept"
    check "$at: then the answer is right" cmp <(ensemble 'a red square') "$WORK/answers"
    check "$at: and again" cmp <(ensemble 'a red square') "$WORK/answers"
}

# launch PREFIX...: the daemon, below a program that traces it or not; its process is $(cat $WORK/pid).
launch() {
    : >"$WORK/said"
    : >"$WORK/trouble"
    rm -f "$WORK/pid"
    ("$@" bash -c 'until echo $$ >"$0"; do :; done; exec pixgrepd watch "$1"' "$WORK/pid" "$photos" >"$WORK/said" 2>"$WORK/trouble" </dev/null
        echo $? >"$WORK/code") 2>/dev/null &
    daemon=$!
    wait_for test -s "$WORK/pid"
    wait_for settled
}
# The kernel never fails to read a pipe, so libuv does without a signal when that fails: then another is sent.
stop() {
    local wait signals
    for ((signals = 0; signals < 3; signals++)); do
        kill "$(cat "$WORK/pid")" 2>/dev/null || break
        [ $signals -eq 0 ] || [ "$call" = read ] || check "$at: it stops when asked" false
        for ((wait = 0; wait < 400; wait++)); do
            kill -0 "$daemon" 2>/dev/null || break
            sleep 0.05
        done
    done
    wait "$daemon"
    code=$(cat "$WORK/code")
}
# wait_for CONDITION...: true soon, or false when the daemon is gone before that.
wait_for() {
    local wait
    for ((wait = 0; wait < 600; wait++)); do
        "$@" && return
        kill -0 "$daemon" 2>/dev/null || return
        sleep 0.05
    done
    echo "FAILED: $at: nothing happens"
    sed 's/^/    /' "$WORK/said" "$WORK/trouble"
    failures=$((failures + 1))
}
settled() { grep -q ' watched$' "$WORK/said" || grep -q 'is opened again in' "$WORK/trouble"; }

start_prepare() { make_library; }
start_run() {
    fresh
    launch strace -f $quick -qq -o "$WORK/trace" -e trace="$call,execve" -e "inject=$call:$what:when=$n$lasting"
    stop
}
start_examine() {
    local said=$code
    # What it does in the background is not in its exit code; it says so when it goes on later.
    [ "$said" -eq 137 ] || grep -q ' watched$' "$WORK/said" || said=stopped
    [ ! -s "$WORK/trouble" ] || said=stopped
    examine "$at" "$said"
}

watch_prepare() { make_library; }
# All that has changed is in the index or a failure that is listed, or the daemon says when it looks again.
settled_again() {
    grep -qE 'is (opened|looked at) again in' "$WORK/trouble" || cmp -s <(taken_up 2>/dev/null | sort -u) "$WORK/complete"
}
taken_up() {
    local failed
    rows | grep '^photo'
    sqlite3 "$db" 'SELECT CAST(path AS TEXT) FROM failure' | while read -r failed; do grep -F "photo $failed " "$WORK/complete"; done
}
watch_run() {
    fresh
    rm -rf "$photos"
    cp -a "$WORK/earlier" "$photos"
    launch env
    : >"$WORK/attached"
    strace -f -o "$WORK/trace" -e trace="$call,execve" -e "inject=$call:$what:when=$n$lasting" \
        -p "$(cat "$WORK/pid")" 2>"$WORK/attached" &
    local tracer=$!
    wait_for grep -q attached "$WORK/attached"
    rm -rf "$WORK/next" && cp -a "$WORK/originals" "$WORK/next"
    mv "$photos/5.ppm" "$photos/sub/"
    rm "$photos/6.ppm"
    mv "$WORK/next/4.ppm" "$WORK/next"/[789].ppm "$WORK/next"/1?.ppm "$photos/"
    wait_for settled_again
    stop
    wait "$tracer"
}
watch_examine() { examine "$at"; }

# The most such calls that a thread of anything but a decoder makes; the fault is put where no run comes to.
own_calls() {
    n=65535
    ${scene}_run >&2
    awk '/execve\(".*pixgrep-decode"/ { decoder[$1] = 1 } /^[0-9]+ +'"$call"'\(/ { calls[$1]++ }
        END { for (p in calls) if (!decoder[p] && calls[p] > most) most = calls[p]; print most + 0 }' "$WORK/trace"
}

${scene}_prepare
own=$(own_calls)
times=0
for ((n = 1; ; n += n >= own ? 10 : n < 20 ? 1 : STEP)); do
    at="$scene: $fault at $call $n"
    ${scene}_run
    was_met || break
    times=$((times + 1))
    [ "$scene" = watch ] || clear_end
    ${scene}_examine
done
case $fault in
kill) name="kill -9 at $call" ;;
*+) name="${fault%+} from $call, and ever after" ;;
*) name="$fault from $call" ;;
esac
row "$scene: $name" "$times"
finish
