#!/usr/bin/env bash
# pixgrep-fetch-model against a server on loopback that behaves badly.  The script runs from a tree of its own whose
# catalogue has small models; nothing else is different.
. "$(dirname "$0")/pixgrep.bash" || exit 1
command -v curl >/dev/null || skip "curl is not installed"
script=$BUILD/bin/pixgrep-fetch-model
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY PIXGREP_MIRROR
export PIXGREP_FETCH_PAUSE=0 PIXGREP_FETCH_TRIES=3 PIXGREP_FETCH_TIMEOUT=5

if command -v shellcheck >/dev/null; then
    check "shellcheck is content" shellcheck "$script"
else
    echo "SKIP shellcheck: it is not installed"
fi

# The command line, with the catalogue as it is installed.
run "$script" --help
said 0 ""
printed "usage: pixgrep-fetch-model *MIT licence*"
check "--help: at most 100 columns" test -z "$(grep -E '.{101}' "$WORK/out")"
for option in $(grep -oE '^ +--[a-z-]+' "$WORK/out"); do
    check "$option is in the manual" grep -qE "Fl -${option#--}( |$)" "$SOURCE/man/pixgrep-fetch-model.1"
done
run "$script" --version
said 0 ""
printed "pixgrep-fetch-model $("$BUILD/bin/pixgrepd" --version | cut -d ' ' -f 2)"
run "$script" --list
said 0 ""
lines 9
printed "RN50 *RN101 *RN50x4 *RN50x16 *RN50x64 *ViT-B/32 *ViT-B/16 *ViT-L/14 *ViT-L/14@336px *336 pixels *934 MB"
run "$script"
said 0 "*pixgrep-fetch-model ViT-B/32"
lines 9
check "the catalogue names OpenAI's files by their hash" test 9 -eq "$(awk 'length($4) == 64 &&
    $5 ~ "^https://openaipublic.azureedge.net/clip/models/" $4 "/(RN50(x[0-9]+)?|RN101|ViT-[BL]-[0-9]+(-336px)?).pt$"' \
    "$SOURCE/fetch/catalogue" | wc -l)"
usage() { # usage TEXT ARGUMENT...
    local text=$1
    shift
    run "$script" "$@"
    said 2 "pixgrep-fetch-model: $text (see: pixgrep-fetch-model --help)"
    printed ""
    check "$*: one line" test "$(wc -l <"$WORK/err")" -eq 1
}
usage "unknown option '--frob'" --frob
usage "unknown option '-q'" ViT-B/32 -q
usage "unexpected argument 'RN101': one model at a time" RN50 RN101
usage "a value is missing after '--from'" --from
usage "--mirror wants a value, not ''" --mirror= RN50
usage "--mirror wants an http:// or https:// address, not 'ftp://x'" --mirror ftp://x RN50
usage "--mirror wants an http:// or https:// address, not 'ftp://x'" --mirror ftp://me:secret@x RN50
usage "--mirror wants an http:// or https:// address, not 'x'" --mirror me:secret@x RN50
usage "--from needs no --mirror" --mirror http://x --from y
usage "--list stands alone" --list RN50
usage "empty argument" ''
usage "there is no model 'ViT-B/23'; is it ViT-B/32 or ViT-B/16?" ViT-B/23
usage "there is no model 'RN50x46'; is it RN50x4?" RN50x46
usage "there is no model 'rn'; is it RN50 or RN101 or RN50x4 or RN50x16 or RN50x64?" rn
usage "there is no model 'frob'; there are RN50 * ViT-L/14@336px" frob
usage "there is no model 'vocabulary'; there are RN50 *" vocabulary
usage "there is no model '?[[]1m'; there are *" $'\e[1m'
for variable in TRIES PAUSE TIMEOUT; do
    run env "PIXGREP_FETCH_$variable=many" "$script" ViT-B/32
    said 2 "*: PIXGREP_FETCH_$variable wants a number, not 'many' *"
done
if [ -w /dev/full ]; then
    "$script" --list >/dev/full 2>"$WORK/err"
    code=$? ran="--list >/dev/full"
    said 2 "*cannot write the output"
fi

# A tree with a catalogue of small models, and the server.
served=$WORK/served
tree="$WORK/a tree"
mkdir -p "$served" "$tree/bin" "$tree/share/pixgrep"
cp "$golden/models/vit-p32/vit-p32.pt" "$served/Tiny-32.pt"
cp "$SOURCE/LICENSE" "$served/merges.txt"
cp "$script" "$tree/bin/"
ln -s "$BUILD/bin/pixgrepd" "$tree/bin/"
hash_of() { sha256sum <"$1" | cut -c 1-64; }
tiny=$(hash_of "$served/Tiny-32.pt")
# add NAME FILE MEGABYTES: a row of the catalogue, at an address where nobody listens
add() {
    local sha256
    sha256=$(hash_of "$served/$2")
    echo "$1 96 $3 $sha256 http://127.0.0.1:1/good/$sha256/$2" >>"$tree/share/pixgrep/catalogue"
}
add Tiny/32 Tiny-32.pt 2
add vocabulary merges.txt 1

"$BUILD/tests/bad_server" "$served" >>"$WORK/server" &
server=$!
trap 'kill $server; chmod -R u+rwx "$WORK"; rm -rf "$WORK"' EXIT
for ((i = 0; i < 100; i++)); do
    [ -s "$WORK/server" ] && break
    sleep 0.1
done
base=http://127.0.0.1:$(head -1 "$WORK/server")

downloads=$XDG_CACHE_HOME/pixgrep/models
partial=$downloads/Tiny-32.pt.partial
pixm=$XDG_DATA_HOME/pixgrep/models/Tiny-32.pixm
merges=$XDG_DATA_HOME/pixgrep/vocab/merges.txt
shell=dash

# forget: nothing is imported, nothing was fetched but the vocabulary.
forget() {
    rm -rf "$XDG_CACHE_HOME" "$XDG_DATA_HOME/pixgrep/models"
    mkdir -p "$(dirname "$merges")"
    cp "$served/merges.txt" "$merges"
    echo - >>"$WORK/server"
}

# fetch ARGUMENT...: in the shell under test.
fetch() { run $shell "$tree/bin/pixgrep-fetch-model" "$@"; }

# afresh MANNER: with nothing kept, from the server in that manner.
afresh() {
    forget
    fetch --mirror "$base/$1" Tiny/32
}

# requests TEXT: what the server was asked since `forget`, a request a line: manner, file, start.
requests() {
    local asked
    asked=$(tac "$WORK/server" | sed '/^-$/,$d' | tac)
    [ "$asked" = "$1" ] || wrong "the server was asked '$asked', not '$1'"
}

# imported: the last run imported the model from the right bytes, and cleaned up.
imported() {
    said 0 "*" # of its vocabulary pixgrepd has something to say
    printed "Tiny-32: imported from *sha256 $tiny*now the current model*Tiny-32.pt,*was removed*Next: pixgrepd index ~/Pictures"
    check "$ran: the model verifies" "$BUILD/bin/pixgrepd" model verify Tiny-32
    check "$ran: nothing is left" test "$(ls "$downloads")" = lock
}

# failed PATTERN: exit 2, stderr of one line like it, nothing imported.
failed() {
    said 2 "pixgrep-fetch-model: $1"
    printed ""
    check "$ran: one line" test "$(wc -l <"$WORK/err")" -eq 1
    check "$ran: nothing is imported" test ! -e "$pixm"
    check "$ran: nothing has the file's name" test ! -e "$downloads/Tiny-32.pt"
}

kept() { check "$ran: $1 bytes are kept" test "$(stat -c %s "$partial")" -eq "$1"; }
none_kept() { check "$ran: no part is kept" test ! -e "$partial"; }

# The same in every shell.
behaves_badly() {
    echo "with $shell"

    afresh cut
    imported
    requests "cut Tiny-32.pt 0
cut Tiny-32.pt 700000
cut Tiny-32.pt 1400000"

    forget
    PIXGREP_FETCH_TRIES=1 fetch --mirror "$base/cut" Tiny-32.pt
    failed "cannot fetch $base/cut/$tiny/Tiny-32.pt: *; what came is kept, the same command goes on from there; *--mirror*--from*"
    kept 700000
    fetch --mirror "$base/norange" Tiny/32
    imported
    requests "cut Tiny-32.pt 0
norange Tiny-32.pt 700000
norange Tiny-32.pt 0"

    for manner in wrong long; do
        afresh "$manner"
        failed "$base/$manner/$tiny/Tiny-32.pt: removed what came: its SHA-256 is *, not $tiny; *"
        check "$ran: the hash it has is told" test -z "$(grep -F "is $tiny" "$WORK/err")"
        none_kept
        requests "$manner Tiny-32.pt 0"
    done

    afresh endless
    failed "$base/endless/$tiny/Tiny-32.pt: removed what came: over 6 MB, twice what the file has"
    none_kept

    # No network: the addresses of the catalogue, where nobody listens; a proxy has them.
    forget
    PIXGREP_FETCH_PAUSE=60 fetch Tiny/32
    failed "cannot fetch http://127.0.0.1:1/*: *onnect*; other ways: --mirror URL, or --from FILE with a file you have"
    none_kept
    http_proxy=$base fetch Tiny/32
    imported
    requests "good Tiny-32.pt 0"
}
for shell in dash bash "busybox sh"; do
    if command -v ${shell% *} >/dev/null; then
        behaves_badly
    else
        echo "SKIP $shell: it is not installed"
    fi
done
shell=dash

# Two tries are enough, for every second one brings a megabyte.
forget
PIXGREP_FETCH_TRIES=2 fetch --mirror "$base/cut/" tiny-32
imported

afresh stubborn
failed "cannot fetch *"
kept 700000

# What was complete but for its name.
forget
mkdir -p "$downloads"
cp "$served/Tiny-32.pt" "$partial"
fetch --mirror "$base/good" Tiny/32
imported
requests "good Tiny-32.pt 1804576"

# A part that is of another file, or longer than the whole.
for part in "head -c 1000000 /dev/zero" "head -c 2000000 /dev/zero"; do
    forget
    mkdir -p "$downloads"
    $part >"$partial"
    fetch --mirror "$base/good" Tiny/32
    imported
    requests "good Tiny-32.pt $($part | wc -c)
good Tiny-32.pt 0"
done

afresh missing
failed "cannot fetch $base/missing/$tiny/Tiny-32.pt: *404*"
none_kept
requests "missing Tiny-32.pt 0"

# Who may read what it prints need not know how a mirror is entered.
secret=http://me:secret@${base#http://}
for manner in missing wrong cut; do
    forget
    PIXGREP_FETCH_TRIES=1 fetch --mirror "$secret/$manner" Tiny/32
    failed "*$base/$manner/$tiny/Tiny-32.pt: *"
done

afresh down
failed "cannot fetch *503*"
requests "down Tiny-32.pt 0
down Tiny-32.pt 0
down Tiny-32.pt 0"

forget
PIXGREP_MIRROR=$base/redirect fetch --keep Tiny/32
said 0 "*"
check "--keep keeps the download" cmp "$served/Tiny-32.pt" "$downloads/Tiny-32.pt"
requests "redirect Tiny-32.pt 0
good Tiny-32.pt 0"

# A server that falls silent: in the middle, and before the first byte.
PIXGREP_FETCH_TIMEOUT=2 afresh hang
imported
PIXGREP_FETCH_TIMEOUT=2 afresh mute
failed "cannot fetch *"
requests "mute Tiny-32.pt 0"

# A server that comes back.
afresh busy
imported
requests "busy Tiny-32.pt 0
busy Tiny-32.pt 0
busy Tiny-32.pt 0"

# The vocabulary is fetched first, and as carefully.
forget
rm "$merges"
fetch --mirror "$base/wrong" Tiny/32
failed "$base/wrong/*/merges.txt: removed what came: *"
check "a wrong vocabulary is not kept" test -z "$(ls "$(dirname "$merges")")"
fetch --mirror "$base/good" Tiny/32
imported
check "the vocabulary is where pixgrepd looks for it" cmp "$served/merges.txt" "$merges"

# Weights that OpenAI's own package has fetched, the same but damaged, and a damaged download of our own.
forget
mkdir -p "$HOME/.cache/clip"
cp "$served/Tiny-32.pt" "$HOME/.cache/clip/"
fetch Tiny/32
said 0 "*"
printed "Tiny-32: imported from $HOME/.cache/clip/Tiny-32.pt*"
check "another program's file stays" test -e "$HOME/.cache/clip/Tiny-32.pt"
requests ""
forget
mkdir -p "$downloads"
echo more | tee -a "$HOME/.cache/clip/Tiny-32.pt" >"$downloads/Tiny-32.pt"
fetch --mirror "$base/good" Tiny/32
imported
rm -r "$HOME/.cache/clip"

# --from: no network, which file it is, the vocabulary beside it.
mine="$WORK/my files"
mkdir "$mine"
cp "$served/Tiny-32.pt" "$mine/some name.pt"
forget
rm "$merges"
cd "$mine" || exit 1
fetch --from "some name.pt"
failed "the vocabulary is neither beside ./some name.pt nor installed: put merges.txt there (http*)"
cp "$served/merges.txt" .
PIXGREP_MIRROR=nonsense run env -u HOME -u XDG_CACHE_HOME dash "$tree/bin/pixgrep-fetch-model" --from "some name.pt" --no-use
said 0 "*"
printed "Tiny-32: imported from *some name.pt*not current*Next: pixgrepd index --model Tiny-32 ~/Pictures"
check "--from: the file stays" test -e "some name.pt"
check "--from: no downloads" test ! -e "$downloads"
requests ""
forget
fetch --from="$mine/some name.pt" TINY32
said 0 "*"
forget
echo "Other/16 96 2 $(hash_of "$SOURCE/LICENSE") http://127.0.0.1:1/Other-16.pt" >>"$tree/share/pixgrep/catalogue"
fetch --from "some name.pt" other16
failed "./some name.pt is Tiny/32, not Other/16"
head -c 1000 "some name.pt" >cut.pt
fetch --from cut.pt Tiny/32
failed "./cut.pt is not Tiny/32, or not all of it: its SHA-256 is $(hash_of cut.pt), not $tiny"
fetch --from cut.pt
failed "./cut.pt is none of OpenAI's models, or not all of one: its SHA-256 is $(hash_of cut.pt); *pixgrepd model import"
fetch --from "$mine"
failed "--from: cannot read the file $mine"
cd "$WORK" || exit 1

# until_hanging: waits for what comes before the server falls silent; curl has a little of it in a buffer.
until_hanging() {
    for ((i = 0; i < 300; i++)); do
        [ -e "$partial" ] && [ "$(stat -c %s "$partial")" -ge 690000 ] && return
        sleep 0.1
    done
    echo "FAILED: nothing comes"
    failures=$((failures + 1))
}

# Signals: what came is kept, and the same command goes on.  env lets a background job be interrupted.
interrupt() { # interrupt SIGNAL CODE
    forget
    PIXGREP_FETCH_TIMEOUT=60 env --default-signal=INT,HUP,TERM dash "$tree/bin/pixgrep-fetch-model" \
        --mirror "$base/hang" Tiny/32 >"$WORK/stopped.out" 2>"$WORK/stopped.err" &
    local pid=$! size
    until_hanging
    if [ "$1" = INT ]; then
        fetch --mirror "$base/good" Tiny/32
        said 2 "pixgrep-fetch-model: another pixgrep-fetch-model is at work (*)"
    fi
    kill -s "$1" $pid
    wait $pid
    code=$? ran="SIG$1"
    mv "$WORK/stopped.out" "$WORK/out"
    mv "$WORK/stopped.err" "$WORK/err"
    said "$2" "pixgrep-fetch-model: stopped; the same command goes on from here"
    printed ""
    size=$(stat -c %s "$partial")
    check "$ran: only the part is left" test "$(ls "$downloads" | tr '\n' ' ')" = "Tiny-32.pt.partial lock "
    fetch --mirror "$base/good" Tiny/32
    imported
    requests "hang Tiny-32.pt 0
good Tiny-32.pt $size"
}
interrupt INT 130
interrupt HUP 129
interrupt TERM 143

# A signal that comes before the script knows which process curl is, ends curl all the same: it holds no lock.
sed 's/^    child=\$!/    sleep 1\n&/' "$script" >"$tree/bin/slow"
check "the slow script is another one" test -n "$(cmp "$script" "$tree/bin/slow")"
forget
dash "$tree/bin/slow" --mirror "$base/hang" Tiny/32 >"$WORK/out" 2>"$WORK/err" &
early=$!
for ((i = 0; i < 100; i++)); do
    [ -e "$partial.reply" ] && break
    sleep 0.05
done
kill $early
wait $early
code=$? ran="SIGTERM at once"
said 143 "pixgrep-fetch-model: stopped; the same command goes on from here"
fetch --mirror "$base/good" Tiny/32
imported

# Killed: curl still holds the lock while it writes.
forget
PIXGREP_FETCH_TIMEOUT=60 dash "$tree/bin/pixgrep-fetch-model" --mirror "$base/hang" Tiny/32 >/dev/null 2>&1 &
killed=$!
until_hanging
curl=$(cat /proc/$killed/task/$killed/children)
kill -9 $killed
wait $killed 2>/dev/null
fetch --mirror "$base/good" Tiny/32
failed "another *"
kill $curl
for ((i = 0; i < 100; i++)); do
    [ -e "/proc/${curl% }" ] || break
    sleep 0.1
done
fetch --mirror "$base/good" Tiny/32
imported

# What the machine lacks.
if [ -w /dev/full ]; then
    forget
    mkdir -p "$downloads"
    ln -s /dev/full "$partial"
    fetch --mirror "$base/good" Tiny/32
    failed "cannot write $partial: *; is the disk full? *"
fi
forget
mkdir -p "$XDG_CACHE_HOME/pixgrep"
echo >"$downloads"
fetch --mirror "$base/good" Tiny/32
failed "cannot make the folder $downloads"
if [ "$(id -u)" -ne 0 ]; then
    rm "$downloads"
    mkdir "$downloads"
    chmod 500 "$downloads"
    fetch --mirror "$base/good" Tiny/32
    failed "cannot write to $downloads; XDG_CACHE_HOME chooses another folder"
    chmod 700 "$downloads"
fi
forget
run env -u HOME -u XDG_DATA_HOME dash "$tree/bin/pixgrep-fetch-model" Tiny/32
failed "there is no place for models: set HOME or XDG_DATA_HOME"
run env -u HOME -u XDG_CACHE_HOME dash "$tree/bin/pixgrep-fetch-model" Tiny/32
failed "there is no place for downloads: set HOME or XDG_CACHE_HOME"
mkdir "$WORK/bare"
for tool in awk cut dirname flock mkdir readlink rm sed sha256sum touch tr wc cat env; do
    ln -s "$(command -v $tool)" "$WORK/bare/"
done
forget
PATH=$WORK/bare run "$(command -v dash)" "$tree/bin/pixgrep-fetch-model" --mirror "http://me:secret@127.0.0.1:1" Tiny/32
failed "curl is not installed (apt-get install curl); or get http://127.0.0.1:1/*/Tiny-32.pt in another way and use --from FILE"
PATH=$WORK/bare run "$(command -v dash)" "$tree/bin/pixgrep-fetch-model" Tiny/32
failed "curl is not installed (apt-get install curl); or get http*/Tiny-32.pt in another way and use --from FILE"
rm "$WORK/bare/flock"
PATH=$WORK/bare run "$(command -v dash)" "$tree/bin/pixgrep-fetch-model" Tiny/32
failed "flock is not installed (apt-get install util-linux)"
mv "$tree/bin/pixgrepd" "$WORK/"
PATH=$WORK/bare run "$(command -v dash)" "$tree/bin/pixgrep-fetch-model" Tiny/32
failed "pixgrepd is neither beside pixgrep-fetch-model nor in PATH"
fetch --mirror "$base/good" Tiny/32
imported
mv "$WORK/pixgrepd" "$tree/bin/"
mkdir "$WORK/links"
ln -s "$tree/bin/pixgrep-fetch-model" "$WORK/links/"
forget
run "$WORK/links/pixgrep-fetch-model" --mirror "$base/good" Tiny/32
imported

# An import that fails keeps the download.
forget
mkdir "$XDG_DATA_HOME/pixgrep/models"
ln -s /dev/null/nowhere "$XDG_DATA_HOME/pixgrep/models/Tiny-32.pixm.tmp"
fetch --mirror "$base/good" Tiny/32
said 2 "pixgrepd: *Tiny-32 was not imported; $downloads/Tiny-32.pt is kept, and the same command tries again *"
rm "$XDG_DATA_HOME/pixgrep/models/Tiny-32.pixm.tmp"
fetch Tiny/32
imported
requests "good Tiny-32.pt 0"

# Another model of that name is left alone, and told before anything is fetched.
forget
"$BUILD/bin/pixgrepd" model import "$golden/models/vit-p14/hf-bf16" --name Tiny-32 >/dev/null 2>&1
fetch --mirror "$base/good" Tiny/32
said 2 "pixgrep-fetch-model: a different model is named Tiny-32; to make room: pixgrepd model remove Tiny-32"
requests ""

# A damaged model is another one, too, when the weights it came from say so.
printf x | dd of="$pixm" bs=1 seek=1000000 conv=notrunc status=none
fetch --mirror "$base/good" Tiny/32
said 2 "pixgrep-fetch-model: a different model is named Tiny-32; *"
requests ""
head -c 1000 "$pixm" >"$WORK/cut.pixm"
mv "$WORK/cut.pixm" "$pixm"
fetch --mirror "$base/good" Tiny/32
imported

# A model with words: left alone when it is there, whatever became of the weights; made whole when it is not.
forget
rm "$merges"
cp "$SOURCE/models/tiny/tiny.pt" "$served/words.pt"
cp "$SOURCE/models/tiny/vocabulary.txt.gz" "$served/"
: >"$tree/share/pixgrep/catalogue"
add Words words.pt $(($(stat -c %s "$served/words.pt") / 1000000 + 1))
add vocabulary vocabulary.txt.gz 1
words() {
    fetch --mirror "$base/good" "$@" words
    said 0 ""
    printed "words: imported from *vocabulary *vocabulary.txt.gz*Next: pixgrepd index ~/Pictures"
    check "words are understood" "$BUILD/bin/pixgrep" --embed --text "a dog"
}
words --keep
echo more >>"$downloads/words.pt"
fetch words
said 0 ""
printed "words is already imported, whole and the current model"
"$BUILD/bin/pixgrepd" model import "$golden/models/vit-p32/vit-p32.pt" >/dev/null 2>&1
fetch words
said 0 ""
printed "words is already imported and whole; to make it the current one: pixgrepd model use words"
printf x | dd of="${pixm%/*}/words.pixm" bs=1 seek=1000000 conv=notrunc status=none
words
rm -r "${pixm%/*}" "$XDG_DATA_HOME/pixgrep/vocab"
"$BUILD/bin/pixgrepd" model import "$served/words.pt" >/dev/null 2>&1
words
finish
