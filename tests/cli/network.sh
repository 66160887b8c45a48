#!/usr/bin/env bash
# Nothing here reaches a network: no program makes a socket that is not local, and all works where there is no network.
. "$(dirname "$0")/support.sh"
pictures=$SOURCE/tests/golden/preprocess/images
photos=$WORK/photos
export XDG_RUNTIME_DIR=$WORK/run
mkdir -m 700 "$XDG_RUNTIME_DIR" "$photos"
cp "$pictures/tiny-7x5.png" "$pictures/checker-300.png" "$photos/"
touch -d '1 hour ago' "$photos"/*


if strace -o /dev/null true 2>/dev/null; then
    traced() { # traced NAME COMMAND...: every call of its processes goes to $WORK/NAME.calls
        local name=$1
        shift
        env ASAN_OPTIONS=detect_leaks=0 strace -f -q -o "$WORK/$name.calls" "$@" >"$WORK/$name.out" 2>"$WORK/$name.err"
    }
    traced index pixgrepd index "$photos"
    traced query pixgrep 'a red square'
    traced picture pixgrep "$photos/tiny-7x5.png"
    traced watch pixgrepd watch &
    check "watch: everything is looked at" it_comes_true grep -q ' watched$' "$WORK/watch.out"
    cp "$pictures/one-1x1.png" "$photos/"
    traced asked pixgrep "$photos/tiny-7x5.png"
    traced rescan pixgrepd rescan
    check "watch: the new one is found" it_comes_true eval 'pixgrepd status --json | grep -q "\"photos\":3,"'
    kill "$(pixgrepd status --json | sed -n 's/.*"pid":\([0-9]*\).*/\1/p')"
    wait
    for name in index query picture watch asked rescan; do
        check "$name: it was traced" grep -q 'exited with 0' "$WORK/$name.calls"
        check "$name: sockets are local" test -z "$(grep -E ' (socket|socketpair)\(' "$WORK/$name.calls" | grep -v '(AF_UNIX,')"
    done
    check "watch: there was a socket" grep -q 'bind(.*pixgrep.sock' "$WORK/watch.calls"

    # What the units for systemd allow suffices for all that was done.
    if command -v systemd-analyze >/dev/null; then
        allowed() { # the calls of a set, with those of the sets in it
            local word
            systemd-analyze syscall-filter "$1" | sed '1d; /^ *#/d; s/^ *//' | while read -r word; do
                case $word in
                @*) allowed "$word" ;;
                *) echo "$word" ;;
                esac
            done
        }
        allowed @system-service | sort -u >"$WORK/allowed"
        cat "$WORK/index.calls" "$WORK/watch.calls" | sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' | sort -u >"$WORK/used"
        check "the set of calls was read" grep -qx inotify_add_watch "$WORK/allowed"
        check "the units' filter lets all calls through: $(comm -23 "$WORK/used" "$WORK/allowed" | tr '\n' ' ')" \
            test -z "$(comm -23 "$WORK/used" "$WORK/allowed")"
    else
        echo "SKIP the units' filter of system calls: systemd-analyze is not installed"
    fi
else
    echo "SKIP sockets: strace is not installed or may not trace"
fi

if unshare -rn true 2>/dev/null; then
    for topic in query embed control; do
        unshare -rn bash "$SOURCE/tests/cli/$topic.sh" >"$WORK/$topic.log" 2>&1
        code=$?
        [ $code -eq 0 ] || sed 's/^/    /' "$WORK/$topic.log"
        check "$topic, without a network" test $code -eq 0
    done
else
    echo "SKIP an empty network name space: it is not permitted"
fi
finish
