#!/usr/bin/env bash
# What pixgrep keeps is its owner's alone, and no program makes a socket but to its own helpers.
. "$(dirname "$0")/support.sh"
umask 000
pictures=$SOURCE/tests/golden/preprocess/images
photo=$pictures/$(ls "$pictures" | head -1)
run pixgrepd index "$pictures"
expect 0 "index"
run pixgrepd model import "$SOURCE/tests/golden/models/vit-p32/vit-p32.pt"
expect 0 "model import"
run pixgrep -l photo
run pixgrep --model tiny -l "$photo"
expect 0 "a picture"
check "nothing is open to others" test -z "$(find "$XDG_DATA_HOME/pixgrep" "$XDG_CACHE_HOME/pixgrep" "$XDG_CONFIG_HOME/pixgrep" -perm /077 2>/dev/null)"
printf 'x' | dd of="$XDG_DATA_HOME/pixgrep/index.db" bs=1 seek=20000 conv=notrunc 2>/dev/null
run pixgrepd salvage
expect 0 "salvage"
check "nothing is open to others after a salvage" test -z "$(find "$XDG_DATA_HOME/pixgrep" -perm /077)"

if command -v strace >/dev/null && strace -f -o /dev/null true 2>/dev/null; then
    strace -f -qq -e trace=socket,socketpair,connect,bind -o "$WORK/sockets" pixgrepd index --model tiny "$pictures" >/dev/null 2>&1
    strace -f -qq -e trace=socket,socketpair,connect,bind -o "$WORK/sockets2" pixgrep --model tiny -l "$photo" >/dev/null 2>&1
    check "sockets were seen being made" grep -q AF_UNIX "$WORK/sockets2"
    check "none but AF_UNIX" test -z "$(cat "$WORK/sockets" "$WORK/sockets2" | grep -E '(socket|socketpair)\(' | grep -v AF_UNIX)"
    check "nobody is connected to but by a path" test -z "$(cat "$WORK/sockets" "$WORK/sockets2" | grep -E '(connect|bind)\(' | grep -v AF_UNIX)"
else
    echo "SKIP sockets: strace is not installed, or may not trace here"
fi
if unshare -rn true 2>/dev/null; then
    run unshare -rn "$BUILD/bin/pixgrepd" index --model tiny "$pictures"
    expect 0 "index without a network"
    run unshare -rn "$BUILD/bin/pixgrep" --model tiny -l "$photo"
    expect 0 "search without a network"
else
    echo "SKIP no network: a network namespace cannot be had here"
fi
finish
