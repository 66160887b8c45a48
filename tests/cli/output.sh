#!/usr/bin/env bash
# --format, --html, --preview and --explain, with names of all kinds.
. "$(dirname "$0")/pixgrep.bash" || exit 1
photos=$WORK/$'photos <b>&"\'\n'
mkdir "$photos"
cp "$golden/preprocess/images/exact-224.png" "$photos/plain.png"
cp "$golden/preprocess/images/checker-300.png" "$photos/<img src=x onerror=alert(1)>\"'&.png"
cp "$golden/preprocess/images/off-224x229.png" "$photos/"$'-\xff\xe9 %41\ttab.png'
cp "$golden/preprocess/images/wide-1000x40.png" "$photos/{score} \\n.png"
cd "$WORK" || exit 1
must pixgrepd index --model tiny "$photos"
ask() { run pixgrep --model tiny "$@"; }

# --format.
ask -k 4 --format '{rank}\t{score} {name}' chess board
said 0 ""
lines 4
check "ranks count" cmp <(cut -f 1 "$WORK/out") <(seq 4)
check "scores are those of a line" cmp <(cut -f 2 "$WORK/out" | cut -d ' ' -f 1) <(pixgrep --model tiny -k 4 chess board | cut -f 1)
check "a name is not read as a template" grep -qF '{score} \\n.png' "$WORK/out"
ask -k 1 --format '[{width}x{height}|{type}|{taken}|{lat}|{query}]' "$photos/plain.png"
said 0 ""
check "facts and the query" grep -qxF "[224x224|png|||${photos//$'\n'/\\n}/plain.png]" "$WORK/out"
ask -k 4 -0 --format '{dir}/{name}\n{id}' chess board
said 0 ""
check "-0 is raw" cmp <(tr '\0' '\n' <"$WORK/out" | grep -a '^[0-9]*$' | sort) <(seq 4)
check "a raw name is itself" grep -qaF $'\xff\xe9 %41\ttab.png' "$WORK/out"
ask --format '{size}' chess board
said 2 "pixgrep: --format: there is no field {size}, only score, rank, path, *"
ask --format '{path' chess board
said 2 "pixgrep: --format: '{path' is not closed*"
ask --format '{path}' --json chess board
said 2 "pixgrep: --format does not go with --json and -l*"
ask -k 2 --format '' chess board
said 0 ""
printed ""
lines 2

# --html.
sheet="$WORK/out put.html"
ask -k 4 --html "$sheet" "chess <board> & \"co\""
said 0 ""
lines 4
check "the page is whole" test "$(tail -n 1 "$sheet")" = "</html>"
check "it is UTF-8" iconv -f UTF-8 -t UTF-8 "$sheet"
check "it has every picture" test "$(grep -c '<figure>' "$sheet")" -eq 4
check "inside itself" test "$(grep -o 'src="[^"]\{22\}' "$sheet" | sort | uniq -c | tr -s ' ')" = ' 4 src="data:image/png;base64,'
check "the query is shown" grep -qF '<h2>chess &#60;board&#62; &#38; &#34;co&#34;</h2>' "$sheet"
check "names cannot break out" test "$(grep -cE '<img src=x|<b>&"|alert\(1\)>"' "$sheet")" -eq 0
check "a hostile name is shown" grep -qF '&#60;img src=x onerror=alert(1)&#62;&#34;&#39;&#38;.png' "$sheet"
check "nothing is fetched, nothing runs" test "$(grep -ciE '<script|https?://|@import|<link|javascript:' "$sheet")" -eq 0
addresses() { grep -o 'href="file://[^"]*"' "$sheet" | sed 's/^href="file:\/\///; s/"$//' | sort -u |
    while IFS= read -r address; do printf '%b\0' "${address//%/\\x}"; done | LC_ALL=C sort -z; }
check "the links are the files" cmp <(addresses) <(find "$photos" -name '*.png' -print0 | LC_ALL=C sort -z)
check "only what is plain stands in them" test "$(grep -oE 'href="[^"]*"' "$sheet" | grep -cvE '^href="file://[A-Za-z0-9/._~%-]*"$')" -eq 0
grep -o 'base64,[^"]*' "$sheet" | head -n 1 | cut -d , -f 2 | base64 -d >"$WORK/first.png"
check "a thumbnail is a picture" pixgrep --crop --size 32 "$WORK/first.png"
check "no other file is left" test -z "$(find "$WORK" -maxdepth 1 -name '*.tmp')"

rm "$photos/plain.png"
cp "$sheet" "$WORK/before.html"
ask -k 4 --html "$sheet" chess board
said 0 ""
check "a photo that is gone has its reason" grep -q '<span class="gone">cannot open: No such file or directory</span>' "$sheet"
ask --html "$sheet" "my grandmother&#39;s wedding" in the rain
check "no photos are a remark" test "$code $(grep -c 'Nothing matches well' "$sheet")" = "$([ "$code" -eq 1 ] && echo "1 1" || echo "0 0")"
cp "$WORK/before.html" "$sheet"
ask --html "$sheet" ./none.png
said 2 "pixgrep: ./none.png: *"
check "a search that fails leaves the page alone" cmp "$sheet" "$WORK/before.html"
ask --html "$WORK/none/a.html" chess board
said 2 "pixgrep: *$WORK/none/a.html*"
mkfifo "$WORK/pipe"
for place in "$WORK/pipe" "$photos"; do
    ask --html "$place" chess board
    said 2 "pixgrep: *: not a regular file"
    printed ""
done
ln -s "$sheet" "$WORK/link.html"
ask -k 1 --html "$WORK/link.html" chess board
said 0 ""
check "a link stays a link" test -L "$WORK/link.html" -a "$(grep -c '<figure>' "$sheet")" -eq 1
printf 'chess board\nsnow\n' >"$WORK/queries"
stdin=$WORK/queries
ask --batch -k 2 --html "$sheet"
said 0 ""
check "a batch has a part for each query" cmp <(sed -n 's/^<h2>\(.*\)<\/h2>$/\1/p' "$sheet") "$WORK/queries"
stdin=/dev/null

# --explain says the same on standard error, and nothing else on standard output.
ask -k 3 chess board
cp "$WORK/out" "$WORK/answer"
ask -k 3 --explain chess board
said 0 "model       tiny ????????????, *, 192 dimensions
term        + 1 words chess board
  tokens    3298 * 3299
computed    here: *
search      * bytes of vectors read, * scored exactly, the best 3 kept
background  the average of 4 photos scores *
            the best photo for common words scores *
cut         the best scores *, the last of them *
            3 shown, whatever they score
time        model * ms, index * ms, encoding * ms, search * ms, output * ms"
check "the answer is the same" cmp "$WORK/out" "$WORK/answer"
cut=$(grep '^cut  ' "$WORK/err")
for key in date path; do
    ask -k 3 --sort $key --explain chess board
    check "the best is the best, sorted by $key" grep -qxF "$cut" "$WORK/err"
done
ask --json --explain 2:snow - "$photos/"$'-\xff\xe9 %41\ttab.png'
check "terms have their signs and weights" grep -qF 'term        + 2 words snow' "$WORK/err"
check "names are escaped" grep -qaF '%41\ttab.png' "$WORK/err"
check "the cut is told" grep -qE '^ {12}[0-9]+ shown, from -?0\.[0-9]{6} on$' "$WORK/err"
ask -k 1 --ensemble --explain snow
check "prompts are told" test "$(grep -c '^  prompt    .*snow' "$WORK/err")" -eq 7
check "nothing was kept" grep -qx 'cache       0 of the texts were kept' "$WORK/err"
ask -k 1 --ensemble --explain snow
check "then it was" grep -qx 'cache       1 of the texts were kept' "$WORK/err"
echo damaged >"$XDG_CACHE_HOME/pixgrep/prompts.db"
ask -k 1 --ensemble --explain snow
check "one that was damaged is in use again" grep -qx 'cache       0 of the texts were kept' "$WORK/err"
XDG_CACHE_HOME=/proc/none ask -k 1 --ensemble --explain snow
check "why it cannot be is told" grep -q '^cache       not used: .*/proc/none' "$WORK/err"

# --preview, with a chafa that tells what it is given.
ask --preview chess board
said 2 "pixgrep: --preview draws on a terminal, and standard output is none"
ask --preview --json chess board
said 2 "pixgrep: --preview does not go with --json and -0*"
if ! script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    echo "SKIP --preview: script is not installed or cannot open a terminal"
    finish
fi
terminal() { # COMMAND: on a terminal, in the order of what is seen
    run script -qec "$1" /dev/null
    tr -d '\r' <"$WORK/out" >"$WORK/seen"
}
mkdir "$WORK/tools" "$WORK/no tools"
cat >"$WORK/tools/chafa" <<'END'
#!/bin/sh
for word in "$@"; do echo "chafa: $word"; done
[ -z "$CHAFA_FAILS" ] || exit 3
head -c 4 /dev/fd/3 | tail -c 3
echo " $(wc -c </dev/fd/3) bytes"
END
chmod +x "$WORK/tools/chafa"
for tool in sh head tail wc env script; do ln -s "$(command -v $tool)" "$WORK/tools/"; done
ln -s "$BUILD/bin/pixgrep" "$WORK/tools/pixgrep"
terminal "env PATH='$WORK/no tools' '$BUILD/bin/pixgrep' --model tiny --preview chess board"
check "without chafa it says so" grep -qx "pixgrep: --preview draws with chafa, which is not installed (Debian: apt install chafa)" "$WORK/seen"
terminal "PATH='$WORK/tools' '$BUILD/bin/pixgrep' --model tiny --preview -k 4 chess board"
check "every photo that is there is drawn" test "$(grep -c '^PNG [1-9][0-9]* bytes$' "$WORK/seen")" -eq 3
check "no name is given to chafa" cmp <(grep '^chafa: ' "$WORK/seen" | sort -u) <(printf 'chafa: %s\n' --animate=off --size=40x16 /dev/fd/3)
check "a drawing follows its line" awk '/^ +-?[01]\.[0-9][0-9][0-9][0-9] /{ row = NR } /^chafa: --size/ && NR != row + 1 { exit 1 }' "$WORK/seen"
check "what is gone is told" grep -q "^pixgrep: no preview of .*plain.png: cannot open: No such file or directory$" "$WORK/seen"
terminal "CHAFA_FAILS=1 PATH='$WORK/tools' '$BUILD/bin/pixgrep' --model tiny --preview -k 4 snow"
check "a chafa that fails is told once" test "$(grep -c '^pixgrep: no preview of ' "$WORK/seen")" -eq 1
if command -v chafa >/dev/null; then
    export photo=$photos/$'-\xff\xe9 %41\ttab.png'
    terminal 'pixgrep --model tiny --preview -k 1 "$photo"'
    check "the real one draws" grep -q $'\033\[' "$WORK/seen"
    check "and does not complain" test "$(grep -c '^pixgrep: ' "$WORK/seen")" -eq 0
else
    echo "SKIP the real chafa: it is not installed"
fi
finish
