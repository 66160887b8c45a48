#!/usr/bin/env bash
# The control socket of pixgrepd watch: who may ask, what is answered, what comes of nonsense; and index beside a daemon.
. "$(dirname "$0")/support.sh"
pictures=$SOURCE/tests/golden/preprocess/images
photos=$WORK/photos
export XDG_RUNTIME_DIR=$WORK/run
socket=$XDG_RUNTIME_DIR/pixgrep.sock
daemon=0
mkdir -m 700 "$XDG_RUNTIME_DIR"
trap 'kill -9 "$daemon" 2>/dev/null; chmod -R u+rwx "$WORK"; rm -rf "$WORK"' EXIT

start() {
    : >"$WORK/watch.out" # what an earlier one wrote
    pixgrepd watch "$@" >"$WORK/watch.out" 2>"$WORK/watch.err" &
    daemon=$!
    check "watch $*: everything is looked at" it_comes_true grep -q ' watched$' "$WORK/watch.out"
}
stop() { # stop SIGNAL
    kill "-$1" "$daemon"
    wait "$daemon" 2>/dev/null
}
ask() { # ask LINE...: each is a request, $WORK/out has the answers
    printf '%s\n' "$@" | "$BUILD/tests/control_client" "$socket" >"$WORK/out" 2>&1
    code=$?
}
answers() { # answers WHAT PATTERN...: one line for each, and it matches
    local what=$1 i=0 pattern
    shift
    for pattern in "$@"; do
        i=$((i + 1))
        sed -n "${i}p" "$WORK/out" | grep -qE -- "$pattern" && continue
        echo "FAILED: $what: answer $i does not match $pattern"
        sed 's/^/    /' "$WORK/out" | cut -c 1-300
        failures=$((failures + 1))
    done
    check "$what: $i answers" test "$(wc -l <"$WORK/out")" -eq "$i"
}

for command in pause resume rescan; do
    run pixgrepd $command
    expect 2 "$command without a daemon"
    check "$command without a daemon" grep -qx "pixgrepd: $command: no pixgrepd watch is running" "$WORK/err"
done
run env -u XDG_RUNTIME_DIR pixgrepd pause
check "no place for a socket" grep -q "XDG_RUNTIME_DIR is not set" "$WORK/err"

mkdir "$photos"
for ((i = 1; i <= 5; i++)); do cp "$pictures/tiny-7x5.png" "$photos/$i.png" && echo $i >>"$photos/$i.png"; done
touch -d '1 hour ago' "$photos"/*
start "$photos"
check "the socket is the owner's alone" test "$(stat -c '%F %a' "$socket")" = "socket 600"
if [ "$(id -u)" -eq 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
    chmod 777 "$socket" && chmod 755 "$WORK" "$XDG_RUNTIME_DIR"
    setpriv --reuid=65534 --regid=65534 --clear-groups "$BUILD/tests/control_client" "$socket" >"$WORK/out" 2>&1 \
        <<<'{"call":"status"}'
    check "another person hears nothing" grep -q "has closed the socket\|Permission denied\|cannot" "$WORK/out"
    chmod 600 "$socket" && chmod 700 "$XDG_RUNTIME_DIR"
else
    echo "SKIP another person: not run as root with setpriv"
fi

# What a client hears.
ask '{"call":"hello","protocol":2}' '{"call":"status"}'
answers "hello and status" \
    '^\{"ok":true,"protocol":2,"version":"[0-9.]+","database":\{"device":[0-9]+,"inode":[0-9]+\},"model":"tiny","fingerprint":"[0-9a-f]{64}","dimension":[0-9]+,"precision":"(fp32|int8)","generation":"[^"]+","photos":5,"encoded":5,"background":(null|\{.*\})\}$' \
    '^\{"ok":true,"version":"[0-9.]+","pid":'"$daemon"',"clients":1,"state":"idle","paused":false,"photos":5,"roots":1,'
check "the database is the one" grep -q "\"inode\":$(stat -c %i "$XDG_DATA_HOME/pixgrep/index.db")" "$WORK/out"
ask '{"call":"tokenize","text":"a red square"}'
answers "tokenize" '^\{"ok":true,"ids":\[[0-9,]+\],"cut":0,"cut_words":""\}$'
ids=$(sed 's/.*"ids":\(\[[^]]*\]\).*/\1/' "$WORK/out")
ask "{\"call\":\"encode_text\",\"ids\":[$ids,$ids]}" "@$photos/1.png {\"call\":\"encode_image\"}"
answers "encode" '^\{"ok":true,"vectors":\[\[[-0-9.e,]+\],\[[-0-9.e,]+\]\]\}$' '^\{"ok":true,"vectors":\[\[[-0-9.e,]+\]\]\}$'
vector=$(sed -n '1s/.*"vectors":\[\(\[[^]]*\]\).*/\1/p' "$WORK/out")
check "the vector is that of --embed" test "$vector" = \
    "$(pixgrep --embed --json --text 'a red square' 2>/dev/null | sed 's/.*:\(\[[^]]*\]\).*/\1/')"
ask "{\"call\":\"search\",\"vectors\":[$vector,$vector],\"k\":2}"
answers "search" '^\{"ok":true,"hits":\[\[\[[0-9]+,-?0\.[0-9]+\],\[[0-9]+,-?0\.[0-9]+\]\],\[\[.*\]\]\],"bytes":[0-9]+,'
ask '{"call":"encode_text","packed":true,"texts":[{"text":"a red square"},{"text_base64":"YSByZWQgc3F1YXJl"}]}'
answers "words" '^\{"ok":true,"texts":\[\{"ids":\[[0-9,]+\],"cut":0,"cut_words":""\},\{.*\}\],"vectors":\["[A-Za-z0-9+/=]+","[A-Za-z0-9+/=]+"\]\}$'
packed=$(sed 's/.*"vectors":\["\([^"]*\)".*/\1/' "$WORK/out")
ask '{"call":"hello","protocol":2,"packed":true,"texts":[{"text":"a red square"}]}' '{"call":"hello","protocol":2,"texts":1}'
answers "hello and words" '^\{"ok":true,"protocol":2,.*,"background":.*,"texts":\[\{"ids":.*\}\],"vectors":\["'"${packed//+/\\+}"'"\]\}$' \
    '^\{"ok":false,"code":-3,"error":"texts is not a list"\}$'
ask '{"call":"hello","protocol":2,"texts":[{"text":"a red square"}],"search":{"k":2,"photos":1}}' \
    '{"call":"hello","protocol":2,"search":{"k":2}}' '{"call":"hello","protocol":2,"texts":[{"text":"a"}],"search":{"k":0}}'
answers "hello, words and a search" '^\{"ok":true,"protocol":2,.*,"vectors":.*,"search":\{"ok":true,"hits":\[\[.*\]\],.*,"photos":\[\{[^}]*\}\]\}\}$' \
    '^\{"ok":true,"protocol":2,.*,"background":(null|\{[^{}]*\})\}$' '^\{"ok":false,"code":-7,"error":"k is not between'
sed -n '1s/.*"search"://; 1s/}$//p' "$WORK/out" >"$WORK/ahead"
ask "{\"call\":\"search\",\"vectors\":[$vector],\"k\":2,\"photos\":1}"
check "that search is the same" cmp "$WORK/out" "$WORK/ahead"
ask '{"call":"encode_text","texts":[{"text":"a red square"}]}'
check "words: their tokens" grep -qF "\"ids\":$ids,\"cut\"" "$WORK/out"
ask "{\"call\":\"search\",\"vectors\":[$vector],\"k\":3}" "{\"call\":\"search\",\"vectors\":[\"$packed\"],\"k\":3}"
check "a packed vector is the same" test "$(sed -n 1p "$WORK/out")" = "$(sed -n 2p "$WORK/out")"
ask "{\"call\":\"select\",\"filter\":{\"folders\":[{\"path\":\"$photos/1.png\"}]}}" \
    "{\"call\":\"search\",\"vectors\":[\"$packed\"],\"k\":3,\"filter\":{\"folders\":[{\"path\":\"$photos/1.png\"}]}}" \
    "{\"call\":\"select\",\"filter\":{\"min_long\":100}}"
answers "a filter" '^\{"ok":true,"photos":1,"vectors":1,"undated":0\}$' '^\{"ok":true,"hits":\[\[\[[0-9]+,-?0\.[0-9]+\]\]\],' \
    '^\{"ok":true,"photos":0,"vectors":0,"undated":0\}$'
ask "{\"call\":\"search\",\"vectors\":[\"$packed\"],\"k\":3,\"photos\":2}"
answers "photos described" '"photos":\[\{"id":[0-9]+,"content":[0-9]+,"path":"'"$photos"'/[1-5].png","width":7,"height":5,"format":"png"\},\{"id":[^}]*\}\]\}$'
ask '{"call":"tokenize","text_base64":"YSByZWQgc3F1YXJl"}'
answers "a text in base64" "\"ids\":$(sed 's/[][]/\\&/g' <<<"$ids")"

# pixgrep says and prints the same, whether the daemon answers or not; it is asked whenever it can know.
mkdir "$WORK/lib"
long=$(printf 'word %.0s' {1..100})
echo broken >"$WORK/broken.png"
printf '%s\n' 'a red square' './1.png' 'square + 2:blue - ./2.png' ./none.png "$WORK/broken.png" circle >"$WORK/queries"
both() { # both BY ARGUMENT...: BY is who computes, "watch" or "here"
    local by=$1
    shift
    for way in daemon library; do
        place=$XDG_RUNTIME_DIR
        [ $way = daemon ] || place=$WORK/lib
        (cd "$photos" && XDG_RUNTIME_DIR=$place pixgrep "$@" <"$WORK/queries" >"$WORK/$way.out" 2>"$WORK/$way.err")
        echo "exit $?" >>"$WORK/$way.out"
    done
    check "pixgrep $*: the same output" cmp "$WORK/daemon.out" "$WORK/library.out"
    check "pixgrep $*: the same on standard error" cmp "$WORK/daemon.err" "$WORK/library.err"
    [ "$by" != any ] || return 0
    (cd "$photos" && pixgrep --explain "$@" <"$WORK/queries" >/dev/null 2>"$WORK/explained")
    case $by in
    watch) check "pixgrep $*: the daemon computes" grep -qx 'computed    by the running pixgrepd watch' "$WORK/explained" ;;
    here*) check "pixgrep $*: $by" grep -q "^computed    $by" "$WORK/explained" ;;
    esac
}
for query in 'square + 2:blue - 0.5:dog' './1.png + square - ./2.png' "$long" '' $'\xff\xfe'; do
    both any --json -k 3 "$query"
done
for query in 'a red square' './1.png'; do
    for how in --json -l -0 '-k 3' '-k 1000' '--min-score 0.1' '--min-score 2' '--sort path' '--collapse' '--ensemble' '--literal' \
        "--in $photos" '--since 2001' '--exact' '--no-autorotate --exact' '--precision int8' '--precision fp32' '--threads 1'; do
        # shellcheck disable=SC2086
        both any $how "$query"
    done
done
both watch 'a red square'
both watch ./1.png
both watch --ensemble square
both watch --like 1.png 2.png
both any --batch
both any --batch --json -k 2
both any "$WORK/broken.png"
both any ./none.png
both any --embed --text square 1.png "$WORK/broken.png"
both any --classify square,circle 1.png
ask '{"call":"hello","protocol":2}'
other=$(grep -q '"precision":"int8"' "$WORK/out" && echo fp32 || echo int8)
both 'here: its precision is another' --precision "$other" square
PIXGREP_ISA=portable both 'here: PIXGREP_ISA asks' square
pixgrepd index --quiet --db "$WORK/copy.db" "$photos" 2>/dev/null
both 'here: it keeps another index' --db "$WORK/copy.db" square
(cd "$photos" && XDG_RUNTIME_DIR=$WORK/lib pixgrep --explain square >/dev/null 2>"$WORK/explained")
check "without a daemon it says so" grep -qx 'computed    here: no pixgrepd watch is running' "$WORK/explained"

# What is no request: an answer that says so, and the next is heard.
ask '' 'nonsense' '[]' '{}' '{"call":"dance"}' '{"call":"hello","protocol":1}' '{"call":"hello"}' '{"call":"encode_text"}' \
    '{"call":"encode_text","ids":[[]]}' '{"call":"encode_text","ids":[[-1]]}' '{"call":"encode_text","ids":[[2147483647]]}' \
    '{"call":"encode_text","ids":[["a"]]}' '{"call":"encode_image"}' "@/dev/null {\"call\":\"encode_image\"}" \
    "@$WORK {\"call\":\"encode_image\"}" "@$SOURCE/LICENSE {\"call\":\"encode_image\"}" '{"call":"search","vectors":[[]],"k":1}' \
    '{"call":"search","vectors":[[1,0]],"k":1}' '{"call":"search","vectors":[[1e999]],"k":1}' \
    "{\"call\":\"search\",\"vectors\":[$vector],\"k\":0}" "{\"call\":\"search\",\"vectors\":[$vector],\"k\":99999999999}" \
    '{"call":"select"}' '{"call":"select","filter":{"colour":"red"}}' '{"call":"select","filter":{"folders":[{"path":"/a/"}]}}' \
    "{\"call\":\"search\",\"vectors\":[$vector],\"k\":1,\"filter\":[]}" '{"call":"rescan","folders":[{"path":"relative"}]}' '{"call":"tokenize"}' '{"call":"status","call":"pause"}' '{"call":"status"}'
wrong='^\{"ok":false,"code":-[0-9]+,"error":".+"\}$'
answers "nonsense" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" \
    "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" "$wrong" '^\{"ok":true,'
ask '+{"call":"st' 'atus"}'
answers "a line in two parts" '^\{"ok":true,'
"$BUILD/tests/control_client" "$socket" long 20000000 >"$WORK/out"
answers "a line without end" '^\{"ok":false,"code":-7,"error":"a line of more than [0-9]+ bytes"\}$'
mkfifo "$WORK/held"
"$BUILD/tests/control_client" "$socket" hold 100 <"$WORK/held" >"$WORK/holding" &
exec 8>"$WORK/held"
check "clients without end: it says so" it_comes_true grep -q '64: {"ok":false,"code":-9,"error":"too many clients"}' "$WORK/holding"
exec 8>&-
wait $!
check "and serves the next" it_comes_true eval 'ask "{\"call\":\"status\"}"; grep -q "^{\"ok\":true" "$WORK/out"'
for ((i = 0; i < 20; i++)); do
    ask '{"call":"tokenize","text":"a red square"}' &
    asking[i]=$!
done
wait "${asking[@]}"
check "it runs" kill -0 "$daemon"

# Pause, resume, rescan; index beside it reports as it would itself.
run pixgrepd pause
expect 0 "pause"
cp "$pictures/one-1x1.png" "$photos/"
run pixgrepd status
check "status tells of it" grep -qE '^daemon +idle, paused, [0-9]+ folders watched$' "$WORK/out"
check "paused, it looks at nothing" grep -q '"photos":5,' <(pixgrepd status --json)
run pixgrepd resume
expect 0 "resume"
check "resumed, it does" it_comes_true eval 'pixgrepd status --json | grep -q "\"photos\":6,"'
run pixgrepd index
expect 0 "index beside it"
check "index beside it: the same line" grep -qE "^$photos: 6 seen, 0 new, .* 6 unchanged; 0 encoded in " "$WORK/out"
mkdir "$WORK/more"
cp "$pictures/checker-300.png" "$WORK/more/"
echo broken >"$WORK/more/broken.jpg"
run pixgrepd index --report json "$WORK/more"
expect 1 "a new folder beside it"
check "a new folder beside it: the report" grep -qE \
    "^\{\"outcome\":\"complete\",\"reason\":null,\"seen\":2,\"new\":1,.*\"failed\":1,.*\"folders\":\[\{\"path\":\"$WORK/more\",.*\}\]\}$" "$WORK/out"
check "a new folder beside it: where the failures are" grep -q "1 failed for the first time; see: pixgrepd failures" "$WORK/err"
cp "$pictures/tiny-7x5.png" "$WORK/more/"
check "a new folder is watched" it_comes_true eval 'pixgrepd status --json | grep -q "\"photos\":8,"'
run pixgrepd rescan "$WORK/more"
expect 0 "rescan of a folder"
check "rescan of a folder: its line alone" grep -qE "^$WORK/more: 3 seen, .* 1 failed before, 2 unchanged; " "$WORK/out"
run pixgrepd index "$WORK/nowhere"
expect 2 "a folder that is not there"
check "a folder that is not there" grep -qx "pixgrepd: index: $WORK/nowhere: No such file or directory" "$WORK/err"
run pixgrepd index --hidden
expect 2 "options of its own"
check "options of its own" grep -q "another pixgrepd is writing" "$WORK/err"
run pixgrepd --db "$WORK/other.db" pause
expect 2 "another index"
check "another index" grep -q "keeps another index" "$WORK/err"
run pixgrepd index --db "$WORK/other.db" "$photos"
expect 0 "another index is written beside it"
pixgrepd pause
run pixgrepd index --time-limit 1s
expect 3 "index beside a paused one"
check "index beside a paused one" grep -qx "pixgrepd: index: stopped waiting; pixgrepd watch goes on" "$WORK/err"
check "nobody waits" it_comes_true eval 'ask "{\"call\":\"status\"}"; grep -q "\"clients\":1," "$WORK/out"'

# Those that were asked for by clients that have gone become one.
runs() { ask '{"call":"status"}' && grep -o '"runs":[0-9]*' "$WORK/out" | cut -d : -f 2; }
before=$(runs)
clients=()
for i in 1 2 3 4 5; do
    pixgrepd rescan >/dev/null 2>&1 &
    clients+=($!)
done
check "five wait" it_comes_true eval 'ask "{\"call\":\"status\"}"; grep -q "\"clients\":6," "$WORK/out"'
kill -9 "${clients[@]}"
check "they are gone" it_comes_true eval 'ask "{\"call\":\"status\"}"; grep -q "\"clients\":1," "$WORK/out"'
pixgrepd resume
run pixgrepd index
expect 0 "one more is scanned after them"
check "five scans became one: $before and $(runs) runs" test "$(runs)" -le $((before + 2))
pixgrepd pause
pixgrepd index >"$WORK/index.out" 2>"$WORK/err" &
waiting=$!
check "one waits" it_comes_true eval 'ask "{\"call\":\"status\"}"; grep -q "\"clients\":2" "$WORK/out"'
stop TERM
wait "$waiting"
code=$?
expect 3 "the daemon stops meanwhile"
check "the socket is gone" test ! -e "$socket"

# What a killed daemon leaves is not in the way; one that is alive keeps its place.
start
stop KILL
check "a killed one leaves its socket" test -S "$socket"
start
check "the next takes its place" it_comes_true pixgrepd resume
run pixgrepd watch --db "$WORK/other.db" --quiet "$photos" &
second=$!
check "one of another index goes without" it_comes_true eval 'grep -q "another pixgrepd listens there" "$WORK/err"'
kill "$second" $(pgrep -P "$second")
wait "$second"
check "the first keeps its socket" pixgrepd resume
stop TERM

# A drive that does not answer keeps the scanner waiting, and nobody else.
if strace -o /dev/null true 2>/dev/null; then
    strace -f -qq -o "$WORK/slow" -e trace=inotify_add_watch -e inject=inotify_add_watch:delay_enter=3000000 \
        pixgrepd watch --db "$WORK/slow.db" "$photos" >"$WORK/watch.out" 2>"$WORK/watch.err" &
    tracer=$!
    check "a slow drive: it listens" it_comes_true test -S "$socket"
    daemon=$(pgrep -P "$tracer")
    late=0
    for ((i = 0; i < 12; i++)); do
        timeout 2 "$BUILD/tests/control_client" "$socket" >"$WORK/out" <<<'{"call":"status"}' || late=$((late + 1))
        sleep 0.5
    done
    check "a slow drive: it was met" grep -q 'inotify_add_watch(.*"'"$photos"'"' "$WORK/slow"
    check "a slow drive: every status comes at once, but $late" test "$late" -eq 0
    kill -9 "$daemon"
    wait "$tracer" 2>/dev/null
else
    echo "SKIP a slow drive: strace is not installed or may not trace"
fi

# A picture that keeps its decoder for ever: once nobody waits for it, nobody else waits for long.
mkdir "$WORK/programs"
cp -r "$BUILD/bin" "$BUILD/libexec" "$BUILD/share" "$WORK/programs/"
cp "$BUILD/tests/rogue_decode" "$WORK/programs/libexec/pixgrep/pixgrep-decode"
PATH=$WORK/programs/bin:$PATH
echo "ROGUE sleep" >"$WORK/sleep.jpg"
rm -f "$photos"/*.jpg
start "$photos"
decoded() { "$BUILD/tests/control_client" "$socket" >/dev/null 2>&1 <<<"@$WORK/sleep.jpg {\"call\":\"encode_image\"}"; }
decodes() { pgrep -P "$daemon" pixgrep-decode; }
decoded &
check "a client that leaves: it is being decoded" it_comes_true decodes
kill "$!" $(pgrep -P "$!")
from=$SECONDS
ask '{"call":"tokenize","text":"a"}'
answers "a client that leaves: the next" '"ok":true'
check "a client that leaves: the next waits for $((SECONDS - from)) s" test $((SECONDS - from)) -lt 40
decoded &
check "a daemon that stops: it is being decoded" it_comes_true decodes
from=$SECONDS
stop TERM
check "a daemon that stops: in $((SECONDS - from)) s" test $((SECONDS - from)) -lt 40
finish
