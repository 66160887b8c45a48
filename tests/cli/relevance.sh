#!/usr/bin/env bash
# How many photos a search prints: -k exactly so many, --min-score those that reach it, neither as many as match, and none, with the
# nearest on standard error, when nothing does.
. "$(dirname "$0")/pixgrep.bash" || exit 1
photos=$WORK/photos
mkdir "$photos"
cp "$golden"/preprocess/images/*.png "$photos"
total=$(ls "$photos" | wc -l)
cd "$WORK" || exit 1
must pixgrepd index --model tiny "$photos"
ask() { run pixgrep --model tiny "$@"; }
nothing="my grandmother's wedding in the rain"

# As many as match.
ask chess board
said 0 ""
best=$(wc -l <"$WORK/out")
check "a few match, not all" test "$best" -ge 1 -a "$best" -lt "$total"
cp "$WORK/out" "$WORK/matching"
ask -k "$total" chess board
said 0 ""
lines "$total"
check "they are the best ones" cmp <(head -n "$best" "$WORK/out") "$WORK/matching"
cp "$WORK/out" "$WORK/all"
ask -k 1 chess board
said 0 ""
lines 1
ask -k 1000 chess board
said 0 ""
check "-k takes all there are" cmp "$WORK/out" "$WORK/all"

# What is folded does not depend on who ends the results.
ask --collapse --alike 0.7 --format '{folded} {path}' chess board
said 0 ""
cp "$WORK/out" "$WORK/collapsed"
ask --collapse --alike 0.7 --format '{folded} {path}' -k "$(wc -l <"$WORK/out")" chess board
check "as with -k" cmp "$WORK/out" "$WORK/collapsed"

# Nothing.
ask "$nothing"
said 1 "pixgrep: nothing matches well: no photo scores 0.[0-9][0-9][0-9]; the nearest: 0.[0-9][0-9][0-9] $photos/*.png, 0.* $photos/*.png, 0.* $photos/*.png; -k N prints them anyway"
printed ""
check "in one line" test "$(wc -l <"$WORK/err")" -eq 1
ask --json "$nothing"
[ "$code" -eq 1 ] || wrong "should exit with 1"
printed ""
ask -k 2 "$nothing"
said 0 ""
lines 2

# A score to reach, with or without -k.
ask --min-score "$(sed -n 4p "$WORK/all" | cut -f 1 | cut -c 1-6)" chess board
check "an answer to --min-score is the head of all" cmp "$WORK/out" <(head -n "$(wc -l <"$WORK/out")" "$WORK/all")
ask --min-score -1 chess board
said 0 ""
check "-1 lets all pass" cmp "$WORK/out" "$WORK/all"
ask --min-score -1 -k 3 chess board
said 0 ""
lines 3
ask --min-score 0.99 -k 3 chess board
said 1 "pixgrep: nothing matches well: no photo scores 0.990; the nearest: *; a lower --min-score prints them anyway"
printed ""
ask --min-score -1 "$nothing"
said 0 ""
lines "$total"
for bad in 1.1 -2 "" x 0.5x 1e-1 nan " 0.1" 0x0; do
    ask --min-score "$bad" chess board
    said 2 "pixgrep: --min-score: '$bad' is not a score from -1 to 1; see pixgrep --help"
done
ask --min-score 0.1 --tokenize
said 2 "pixgrep: --min-score does not go with --tokenize*"

# A picture finds itself and what is like it; several terms are not compared with common words.
ask "$photos/exact-224.png"
said 0 ""
printed "1.000000	$photos/exact-224.png*"
check "and more than itself" test "$(wc -l <"$WORK/out")" -gt 1
ask "my grandmother's wedding" + in the rain
said 0 ""

# More than fifty that match.
mkdir "$photos/many"
for i in $(seq 60); do cp "$photos/exact-224.png" "$photos/many/$i.png"; done
must pixgrepd index --model tiny
ask "$photos/exact-224.png"
said 0 "pixgrep: these are the best 50; more match, -k N prints more"
lines 50
ask -k 60 "$photos/exact-224.png"
said 0 ""
lines 60
printf '%s\n' "$photos/exact-224.png" snow "$photos/exact-224.png" >"$WORK/queries"
stdin=$WORK/queries
ask --batch
said 0 "pixgrep: 3 answers are the best 50; more match, -k N prints more"
stdin=/dev/null

# Nobody knows what a score is worth: an index that no run has finished since it was brought up to date.
python=$(command -v python3)
if [ -z "$python" ] || ! "$python" -c 'import sqlite3' 2>/dev/null; then
    echo "SKIP an index without a background: there is no python3 with sqlite3"
    finish
fi
"$python" - "$XDG_DATA_HOME/pixgrep/index.db" <<'END'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    db.execute("DELETE FROM background")
END
ask "$nothing"
said 0 "pixgrep: this index does not know yet what its scores are worth, so there is no cut; run pixgrepd index"
lines 10
ask -k 3 "$nothing"
said 0 ""
lines 3
stdin=$WORK/queries
ask --batch
said 0 "pixgrep: this index does not know yet what its scores are worth, so there is no cut; run pixgrepd index"
stdin=/dev/null
must pixgrepd index --model tiny
ask "$nothing"
[ "$code" -eq 1 ] || wrong "should match nothing again"
finish
