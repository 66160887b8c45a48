#!/usr/bin/env bash
# Nothing here reaches a network: no program makes a socket that is not local, and all works where there is no network.
. "$(dirname "$0")/support.sh"
pictures=$SOURCE/tests/golden/preprocess/images
photos=$WORK/photos
export XDG_RUNTIME_DIR=$WORK/run
mkdir -m 700 "$XDG_RUNTIME_DIR" "$photos"
cp "$pictures/tiny-7x5.png" "$pictures/checker-300.png" "$photos/"
cp "$photos/tiny-7x5.png" "$photos/copy.png"
touch -d '1 hour ago' "$photos"/*


if strace -o /dev/null true 2>/dev/null; then
    traced() { # traced NAME COMMAND...: every call of its processes goes to $WORK/NAME.calls
        local name=$1
        shift
        names+=("$name")
        env ASAN_OPTIONS=detect_leaks=0 strace -f -q -o "$WORK/$name.calls" "$@" >"$WORK/$name.out" 2>"$WORK/$name.err" </dev/null
    }
    glanced() { # the same, of the calls that matter alone; NAME is what the COMMAND is for
        local name=$1
        shift
        names+=("$name")
        env ASAN_OPTIONS=detect_leaks=0 strace -f --seccomp-bpf -q -e trace=execve,socket,socketpair -o "$WORK/$name.calls" \
            "$@" >"$WORK/$name.out" 2>"$WORK/$name.err" <<<'a red square'
    }
    # Whatever can be asked, with a daemon or without, goes to traces whose names begin with $1.
    ask() {
        glanced "$1-words" pixgrep 'a red square'
        glanced "$1-picture" pixgrep "$photos/tiny-7x5.png"
        glanced "$1-sum" pixgrep 'a red square' + "$photos/tiny-7x5.png"
        glanced "$1-ensemble" pixgrep --ensemble 'a red square'
        glanced "$1-batch" pixgrep --batch
        glanced "$1-sheet" pixgrep --html "$WORK/sheet.html" 'a red square'
        glanced "$1-classify" pixgrep --classify cat,dog "$photos/tiny-7x5.png"
        glanced "$1-classify-in" pixgrep --classify cat,dog --in "$photos"
        glanced "$1-duplicates" pixgrep --duplicates
        glanced "$1-embed" pixgrep --embed --text cat "$photos/tiny-7x5.png"
        glanced "$1-tokenize" pixgrep --tokenize --model tiny
        glanced "$1-crop" pixgrep --crop "$photos/tiny-7x5.png"
        glanced "$1-cache" pixgrep --cache list
        glanced "$1-status" pixgrepd status
        glanced "$1-failures" pixgrepd failures
        glanced "$1-roots" pixgrepd roots
        glanced "$1-models" pixgrepd model list
        glanced "$1-verify" pixgrepd model verify
    }
    names=()
    traced index pixgrepd index "$photos"
    ask alone
    glanced salvage pixgrepd salvage
    glanced approve pixgrepd approve-removals
    glanced import pixgrepd model import --no-use "$SOURCE/tests/golden/models/vit-p32/vit-p32.pt"
    glanced remove pixgrepd model remove vit-p32
    glanced demo env -u PHOTOS bash "$SOURCE/tools/demo" --build "$BUILD" --output "$WORK/demo" "$photos"
    traced watch pixgrepd watch &
    check "watch: everything is looked at" it_comes_true grep -q ' watched$' "$WORK/watch.out"
    names+=(watch)
    cp "$pictures/one-1x1.png" "$photos/"
    ask served
    glanced pause pixgrepd pause
    glanced resume pixgrepd resume
    glanced rescan pixgrepd rescan
    glanced index-served pixgrepd index
    check "watch: the new one is found" it_comes_true eval 'pixgrepd status --json | grep -q "\"photos\":4,"'
    kill "$(pixgrepd status --json | sed -n 's/.*"pid":\([0-9]*\).*/\1/p')"
    wait
    mv "$photos" "$photos.moved"
    glanced move pixgrepd move "$photos" "$photos.moved"
    glanced forget pixgrepd forget "$photos.moved"
    for name in "${names[@]}"; do
        check "$name: it was traced" grep -q 'exited with 0' "$WORK/$name.calls"
        check "$name: it did what it should: $(tail -1 "$WORK/$name.err")" test "$(sed -n 's/.*+++ exited with \([0-9]*\).*/\1/p' "$WORK/$name.calls" | tail -1)" = 0
        check "$name: sockets are local" test -z "$(grep -E ' (socket|socketpair)\(' "$WORK/$name.calls" | grep -v '(AF_UNIX,')"
    done
    check "watch: there was a socket" grep -q 'bind(.*pixgrep.sock' "$WORK/watch.calls"
    for name in index watch alone-picture alone-crop demo; do
        check "$name: pixgrep-decode was traced, too" grep -q 'execve(.*/pixgrep-decode"' "$WORK/$name.calls"
    done
    check "a daemon is asked" grep -q 'socket(AF_UNIX' "$WORK/served-words.calls"
    echo "sockets: ${#names[@]} commands, $(cat "$WORK"/*.calls | grep -cE ' (socket|socketpair)\(') sockets, all AF_UNIX"

    # What the units for systemd allow suffices for all that was done.
    if command -v systemd-analyze >/dev/null; then
        allowed() { # of the words that come in, calls are themselves, sets the calls in them
            local word
            while read -r word; do
                case $word in
                @*) systemd-analyze syscall-filter "$word" | sed '1d; /^ *#/d; s/^ *//' | allowed ;;
                *) echo "$word" ;;
                esac
            done
        }
        sed -n 's/^SystemCallFilter=//p' "$SOURCE"/systemd/*.service.in | sort -u | tr ' ' '\n' | allowed | sort -u >"$WORK/allowed"
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
    for topic in query embed control model demo bundled; do
        unshare -rn bash "$SOURCE/tests/cli/$topic.sh" >"$WORK/$topic.log" 2>&1
        code=$?
        [ $code -eq 0 ] || sed 's/^/    /' "$WORK/$topic.log"
        check "$topic, without a network" test $code -eq 0
    done
else
    echo "SKIP an empty network name space: it is not permitted"
fi
finish
