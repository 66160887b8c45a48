#!/usr/bin/env bash
# A search that a running pixgrepd watch computes prints what pixgrep would have printed alone: with every filter, and
# when the daemon dies, hangs, is slow, talks nonsense or is of another version.
. "$(dirname "$0")/pixgrep.bash" || exit 1
export PATH=$BUILD/tests:$PATH
photos=$WORK/photos alone=$WORK/alone daemon=0 spoiler=0
export XDG_RUNTIME_DIR=$WORK/run
mkdir -m 700 "$XDG_RUNTIME_DIR" "$alone" "$WORK/bad"
trap 'kill -CONT "$daemon" 2>/dev/null; kill -9 "$daemon" "$spoiler" 2>/dev/null; chmod -R u+rwx "$WORK"; rm -rf "$WORK"' EXIT
mkdir -p "$photos/trip/day" "$photos/Trip" "$photos/it's 100%_" "$photos/empty" "$photos"/$'\xff\xfe'
cd "$photos" || exit 1
must make_photo trip/one.jpg 640 480 1 "time=2023:05:17 13:45:10" "camera=NIKON Äpfel D70" place=48.86,2.35
must make_photo trip/day/two.jpg 480 640 2 "time=2022:12:31 23:59:59" "camera=Canon EOS" orientation=6
must make_photo Trip/three.jpg 500 500 3 "time=2024:02:29 00:00:00" place=-17,-179.9
must make_photo "it's 100%_/four.jpg" 900 400 4 place=89.95,10
must make_photo five.jpg 320 240 5 "time=1999:01:01 00:00:00"
must make_photo $'\xff\xfe/seven.jpg' 330 240 7
cp "$golden/preprocess/images/exact-224.png" six.png
ln -s "$photos/trip" "$WORK/journey"
touch -d '1 hour ago' trip/*.jpg trip/*/*.jpg ./*/*.jpg ./*.*

start() {
    : >"$WORK/watch.out"
    pixgrepd watch "$photos" >"$WORK/watch.out" 2>"$WORK/watch.err" &
    daemon=$!
    check "everything is looked at" it_comes_true grep -q ' watched$' "$WORK/watch.out"
}
start

# both ARGUMENT...: the same output, with the daemon and without.
both() {
    ran="pixgrep $*"
    pixgrep "$@" >"$WORK/there.out" 2>"$WORK/there.err" </dev/null
    local there=$? here
    XDG_RUNTIME_DIR=$alone pixgrep "$@" >"$WORK/here.out" 2>"$WORK/here.err" </dev/null
    here=$?
    check "$ran: the same exit code" test "$there" = "$here"
    check "$ran: the same output" cmp "$WORK/there.out" "$WORK/here.out"
    check "$ran: the same on standard error" cmp "$WORK/there.err" "$WORK/here.err"
}
computed() { # computed HOW: what --explain says of the search in $ran
    pixgrep --explain "$@" >/dev/null 2>"$WORK/explained" </dev/null
    sed -n 's/^computed *//p' "$WORK/explained"
}
# warm ARGUMENT...: and the daemon computes it.
warm() {
    both "$@"
    check "$*: the daemon computes" test "$(computed "$@")" = "by the running pixgrepd watch"
}

# Every filter, alone and together, with what passes and what does not.
filters=(
    "--in trip" "--in $photos/trip/" "--in ./empty/../trip//." "--in trip/day --in Trip" "--in six.png" "--in /"
    "--in $WORK/journey/day" "--in tri" "--in empty" "--in tri --in Trip" "--in"$'\t'"it's 100%_" "--in"$'\t'$'\xff\xfe'
    "--since 2022" "--since 2022 --until 2022" "--until 2022" "--since 2023-05-17T13:45:10" "--until 2023-05-16"
    "--since 2030" "--until 1900" "--camera nikon" "--camera äPFEL" "--camera canon" "--camera nobody"
    "--camera"$'\t'$'\xff' "--camera"$'\t'"a \"b\\" "--type jpeg" "--type jpg,png" "--type png --type raw" "--type heic"
    "--orientation landscape" "--orientation portrait,square" "--orientation square" "--min-size 0.3MP"
    "--min-size 640x480" "--min-size 480" "--min-size 100MP" "--near 48.86,2.35,1" "--near 48.8,2.3,0"
    "--near -17,179.9,200" "--near 90,-170,10" "--in trip --since 2023 --camera nikon --type jpeg --orientation landscape"
    "--in trip --since 2023 --orientation portrait" "--since 2020 --in empty"
)
split() { # the words of a filter: blanks part them, or a tab, where a word has blanks
    case $1 in
    *$'\t'*) IFS=$'\t' read -ra words <<<"$1" ;;
    *) read -ra words <<<"$1" ;;
    esac
}
for filter in "${filters[@]}"; do
    split "$filter"
    both --json "${words[@]}" 'a red square'
    both -k 2 "${words[@]}" ./five.jpg
done
for filter in "--in trip" "--since 2022" "--camera nikon" "--type jpeg" "--orientation portrait" "--min-size 480" "--near 48.86,2.35,1"; do
    split "$filter"
    warm "${words[@]}" square
    warm "${words[@]}" ./five.jpg
    both "${words[@]}" --collapse --sort date -k 3 'square + ./five.jpg'
    both "${words[@]}" --min-score 0.1 square
    both "${words[@]}" -l -0 -k 1000 square
done
warm square
warm -k 3 square
warm -k 2000 square
warm -k 1 'square + circle'
warm --collapse -k 2 square
warm --min-score 0.1 --sort date square
for ((i = 0; i < 3; i++)); do # the last filter is remembered
    warm --in trip square
    warm --type jpeg square
done
printf '%s\n' square ./five.jpg 'circle + 2:square' >"$WORK/lines"
for way in "$XDG_RUNTIME_DIR" "$alone"; do
    XDG_RUNTIME_DIR=$way pixgrep --batch --json --type jpeg -k 2 <"$WORK/lines" >"$WORK/batch.${way##*/}" 2>"$WORK/err"
done
check "--batch with a filter" cmp "$WORK/batch.run" "$WORK/batch.alone"
check "--batch with a filter: answers" test "$(wc -l <"$WORK/batch.run")" -eq 3

# What is remembered of a filter is forgotten when the index changes.
must make_photo trip/eight.jpg 640 480 8 "time=2023:06:01 00:00:00" "camera=NIKON Z"
touch -d '1 hour ago' trip/eight.jpg
check "a photo more" it_comes_true eval 'pixgrep -k 50 -l --in trip square | grep -q eight'
warm -k 50 -l --in trip square
rm trip/eight.jpg
check "and gone again" it_comes_true eval '! pixgrep -k 50 -l --in trip square | grep -q eight'
warm -k 50 -l --in trip square
mv trip "$WORK/away" # a photo that is missing, and back: no new row tells of it
check "away" it_comes_true eval '! pixgrep -k 50 -l --type jpeg square | grep -q one.jpg'
both -k 50 -l --type jpeg square
mv "$WORK/away" trip
check "and back" it_comes_true eval 'pixgrep -k 50 -l --type jpeg square | grep -q one.jpg'
warm -k 50 -l --type jpeg square

# A daemon that cannot be trusted changes nothing, and nobody hears of it who does not ask.
spoil() { # spoil MANNER N
    rm -f "$WORK/bad/pixgrep.sock"
    bad_daemon "$WORK/bad/pixgrep.sock" "$WORK/run/pixgrep.sock" "$1" "$2" >"$WORK/spoiler" &
    spoiler=$!
    check "$1: listens" it_comes_true grep -q listening "$WORK/spoiler"
}
unspoil() {
    kill "$spoiler"
    wait "$spoiler" 2>/dev/null
}
long=$(printf 'word %.0s' {1..100})
for manner in half gone garbage empty refuse endless slow version; do
    for number in 1 2 3 4; do # hello with the words, select, search; with a picture one more
        [ $manner != version ] || [ $number -eq 1 ] || continue
        spoil $manner $number
        XDG_RUNTIME_DIR=$WORK/bad both --type jpeg square
        XDG_RUNTIME_DIR=$WORK/bad both --type jpeg ./five.jpg
        XDG_RUNTIME_DIR=$WORK/bad both -k 3 "$long"
        how=$(XDG_RUNTIME_DIR=$WORK/bad computed --type jpeg ./five.jpg)
        case $manner/$number in
        slow/*) check "$manner $number: $how" test "$how" = "by the running pixgrepd watch" ;;
        refuse/[234]) ;; # it refuses this, and answers what comes next
        version/1) check "$manner: $how" grep -qx "here: its version is another: X.*" <<<"$how" ;;
        *) check "$manner $number: $how" grep -q "^here: " <<<"$how" ;;
        esac
        unspoil
    done
done
spoil gone 2 # words without a filter are answered with hello
for argument in square '-k 3 square' '-k 1000 square' '--sort date square'; do
    read -ra words <<<"$argument"
    XDG_RUNTIME_DIR=$WORK/bad both "${words[@]}"
done
check "one answer is enough" test "$(grep -c spoiled "$WORK/spoiler")" = 0
for argument in '-k 1001 square' '--type jpeg square' '--collapse square' 'square + circle' './five.jpg'; do
    read -ra words <<<"$argument"
    XDG_RUNTIME_DIR=$WORK/bad both "${words[@]}"
done
check "and not of these" test "$(grep -c spoiled "$WORK/spoiler")" = 5
unspoil
kill -STOP "$daemon"
both --type jpeg square
check "one that hangs" test "$(computed square)" = "here: no answer from the socket"
kill -CONT "$daemon"
check "and goes on" it_comes_true eval '[ "$(computed square)" = "by the running pixgrepd watch" ]'
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
both --type jpeg square
check "one that is dead" test "$(computed square)" = "here: no pixgrepd watch is running"
finish
