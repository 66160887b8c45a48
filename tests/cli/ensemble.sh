#!/usr/bin/env bash
# --ensemble: words in several sentences, kept in prompts.db; whatever is wrong with that file the answer is the same; --cache shows
# and forgets it.
. "$(dirname "$0")/pixgrep.bash" || exit 1
photos=$WORK/photos
mkdir "$photos"
cp "$golden"/preprocess/images/*.png "$photos"
cd "$WORK" || exit 1
must pixgrepd index --model tiny "$photos"
ask() { run pixgrep --model tiny -k 5 "$@"; }
kept=$XDG_CACHE_HOME/pixgrep/prompts.db

ask chess board
said 0 ""
cp "$WORK/out" "$WORK/bare"
check "words as they are are not kept" test ! -e "$kept"
run pixgrep --cache list
said 0 ""
printed ""
check "looking makes nothing" test ! -e "$kept"

ask --ensemble chess board
said 0 ""
lines 5
cp "$WORK/out" "$WORK/answer"
check "other words find otherwise" bash -c '! cmp -s "$1" "$2"' - "$WORK/answer" "$WORK/bare"
check "the file is for its owner" test "$(stat -c %a "$kept") $(stat -c %a "${kept%/*}")" = "600 700"
ask --ensemble chess board
said 0 ""
check "the second answer is the first" cmp "$WORK/out" "$WORK/answer"
ask --ensemble=short chess board
check "short is what it is without a name" cmp "$WORK/out" "$WORK/answer"
ask "--ensemble={}" chess board
check "a sentence of nothing else is the words" cmp "$WORK/out" "$WORK/bare"
printf 'a photo of a {}.\nthe {}\n' >"$WORK/own.txt"
ask --ensemble="$WORK/own.txt" "chess board" + "$photos/exact-224.png" - snow
said 0 ""
lines 5
run pixgrep --cache list
said 0 ""
lines 4
printed "20??-??-??	????????????	int8	2	snow
*int8	2	chess board
*int8	1	chess board
*int8	7	chess board"
run pixgrep --cache list --json
printed '{"text":"snow","model":"*","precision":"int8","templates":2,"used":"20??-??-??"}*'

# Terms that are too long are cut in the sentence, each time.
long=$(yes dog | head -40 | tr '\n' ' ')
for _ in 1 2; do
    ask --ensemble snow + "$long"
    said 0 'pixgrep: term 2 of the query is too long for the model by * tokens and was cut before "dog dog*'
done

# The same words elsewhere.
run pixgrep --embed --model tiny --ensemble --json --text "chess board"
said 0 ""
lines 1
run pixgrep --classify "chess board,snow" --ensemble --model tiny "$photos/exact-224.png"
said 0 ""
cp "$WORK/out" "$WORK/classified"
run pixgrep --classify "chess board,snow" --templates short --model tiny "$photos/exact-224.png"
said 0 ""
check "labels are kept, too" cmp "$WORK/out" "$WORK/classified"
run pixgrep --cache list
check "a text is kept once for its sentences" test "$(grep -c '	7	chess board$' "$WORK/out")" -eq 1

# Whatever is wrong with the file.
answers() {
    ask --ensemble chess board
    said 0 ""
    check "$1: the answer is the same" cmp "$WORK/out" "$WORK/answer"
}
echo "no database" >"$kept"
run pixgrep --cache list
said 2 "pixgrep: $kept: damaged; *pixgrep --cache clear removes it"
answers "damaged"
run pixgrep --cache list
said 0 ""
lines 1
truncate -s 6000 "$kept"
answers "cut off"
answers "begun anew"
rm "$kept"
mkdir "$kept"
answers "a folder in its place"
rmdir "$kept"
mkfifo "$kept"
answers "a FIFO in its place"
run pixgrep --cache clear
said 2 "pixgrep: $kept: not a regular file"
rm "$kept"
ln -s /dev/full "$kept"
answers "a device in its place"
rm "$kept"
XDG_CACHE_HOME=/proc/none answers "a place where nothing can be made"
run env -u XDG_CACHE_HOME -u HOME pixgrep --db "$XDG_DATA_HOME/pixgrep/index.db" --model "$BUILD/share/pixgrep/models/tiny.pixm" -k 5 --ensemble chess board
said 0 ""
check "without a home: the answer is the same" cmp "$WORK/out" "$WORK/answer"
(
    ulimit -f 0
    trap '' XFSZ
    pixgrep --model tiny -k 5 --ensemble chess board >/dev/null
) 2>"$WORK/err"
check "no room at all: nothing is said" test ! -s "$WORK/err"
rm -f "$kept"
answers "made again"
chmod 400 "$kept"
chmod 500 "${kept%/*}"
answers "read-only"
chmod 700 "${kept%/*}"
run pixgrep --cache clear
said 0 "pixgrep: $kept is removed"
check "nothing is left" test -z "$(ls -A "${kept%/*}")"
run pixgrep --cache clear
said 0 "pixgrep: there is no $kept"

# What is no set of sentences.
ask "--ensemble=$WORK/none.txt" a dog
said 2 "pixgrep: *$WORK/none.txt*"
ask "--ensemble={} and {}" a dog
said 2 "pixgrep: '{} and {}': a template has one {}*"
ask --ensemble= a dog
said 2 "pixgrep: --ensemble=: the value is empty*"
run pixgrep --cache
said 2 "pixgrep: option '--cache' needs a value*"
run pixgrep --cache show
said 2 "pixgrep: --cache: 'show' is neither list nor clear*"
run pixgrep --cache list dog
said 2 "pixgrep: 'dog': --cache takes list or clear alone*"
run pixgrep --cache clear --ensemble
said 2 "pixgrep: --ensemble does not go with --cache*"
finish
