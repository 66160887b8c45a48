#!/usr/bin/env bash
# make demo, on a small folder with names of all kinds: what it prints, the sheet it writes, the commands it ends with, and what
# it says when it cannot go on.  No network, nothing built, nothing written elsewhere.
. "$(dirname "$0")/pixgrep.bash" || exit 1
demo() { run env -u PHOTOS bash "$SOURCE/tools/demo" --build "$BUILD" --output "$WORK/out put" "$@"; }
sheet="$WORK/out put/sheet.html"

demo "$WORK/none"
said 2 "demo: $WORK/none: no such folder, or it may not be read"
run env PHOTOS=$'/none\n\xff' bash "$SOURCE/tools/demo"
said 2 "demo: \$'/none\\\\n\\\\377': no such folder, or it may not be read"
demo --frob
said 2 "demo: unknown option --frob"
mkdir -p "$WORK/empty" "$WORK/elsewhere/empty"
cd "$WORK" || exit 1
CDPATH=$WORK/elsewhere demo empty
[ "$code" -eq 2 ] || wrong "an empty folder should be an error"
check "an empty folder is told of" grep -qx "demo: there are no pictures in $WORK/empty" "$WORK/err"
rm -r "$WORK/out put"

photos=$WORK/$'it\'s <b>"my" & photos\xc3\xa9'
mkdir "$photos"
cp "$golden/preprocess/images/exact-224.png" "$photos/plain.png"
cp "$golden/preprocess/images/checker-300.png" "$photos/two  spaces.png"
cp "$golden/preprocess/images/off-224x229.png" "$photos/<img src=x> & \"quotes\" 'n all.png"
cp "$golden/preprocess/images/tiny-7x5.png" "$photos/"$'new\nline.png'
cp "$golden/preprocess/images/one-1x1.png" "$photos/"$'\xff\xe9 latin.png'
echo "no picture" >"$photos/bad.jpg"

demo "$photos"
[ "$code" -eq 0 ] || wrong "should succeed"
check "the file that failed is told of" grep -q "bad.jpg: " "$WORK/err"
check "nothing else is" test "$(wc -l <"$WORK/err")" -eq 1
queries=$(grep -c '^[a-z]' "$WORK/out")
check "several queries are answered" test "$queries" -ge 5
check "each with its five best" test "$(grep -cE '^  -?[01]\.[0-9]{3}  ' "$WORK/out")" -eq $((5 * queries))
check "a plain name is plain" grep -qE '^  -?[01]\.[0-9]{3}  two  spaces\.png$' "$WORK/out"
check "a newline is no newline" grep -qF "\$'new\\nline.png'" "$WORK/out"
check "other bytes are escaped" grep -qF "\$'\\377\\351 latin.png'" "$WORK/out"
check "the sheet is named" grep -qF "file://${WORK}/out%20put/sheet.html" "$WORK/out"

check "the sheet is whole" test "$(tail -n 1 "$sheet")" = "</html>"
check "the sheet is UTF-8" iconv -f UTF-8 -t UTF-8 "$sheet"
check "five pictures a query" test "$(grep -o '<img src="file:///' "$sheet" | wc -l)" -eq $((5 * queries))
check "a heading a query" test "$(grep -c '^<h2>' "$sheet")" -eq "$queries"
check "names cannot break out" test "$(grep -cE '<img src=x>|<b>"my"' "$sheet")" -eq 0
check "a hostile name is shown" grep -qF "&lt;img src=x&gt; &amp; &quot;quotes&quot; 'n all.png" "$sheet"
check "nothing is fetched, nothing runs" test "$(grep -ciE '<script|https?:|@import|<link' "$sheet")" -eq 0
decoded() { # every address of the sheet as bytes, NUL-ended
    grep -o 'src="file://[^"]*"' "$sheet" | sed 's/^src="file:\/\///; s/"$//' | sort -u |
        while IFS= read -r address; do printf '%b\0' "${address//%/\\x}"; done | LC_ALL=C sort -z
}
check "the addresses are the files" cmp <(decoded) <(find "$photos" -name '*.png' -print0 | LC_ALL=C sort -z)

check "nothing is written elsewhere" test -z "$(find "$HOME" "$XDG_DATA_HOME" "$WORK/config" "$WORK/cache" -mindepth 1 2>/dev/null)"
check "no other file is left" test -z "$(find "$WORK/out put" -type f ! -name 'index.*' ! -name sheet.html)"
check "the model's name is enough" grep -q -- "--model tiny 'a dog'$" "$WORK/out"
command=$(sed -n 's/^  ask these pictures *//p' "$WORK/out")
run bash -c "cd / && $command -k 3"
said 0 ""
lines 3

# Again: nothing is encoded anew, and a relative folder is the same one.
cd "$WORK" || exit 1
demo "./$(basename "$photos")/"
[ "$code" -eq 0 ] || wrong "should succeed again"
check "nothing is encoded again" grep -q '; 0 encoded in ' "$WORK/out"
check "silent" test ! -s "$WORK/err"

# A model of the person's own that is called tiny is not meant.
"$BUILD/bin/pixgrepd" model import "$golden/models/vit-p32/vit-p32.pt" --name tiny >/dev/null 2>&1
demo "$photos"
[ "$code" -eq 0 ] || wrong "should succeed beside another tiny"
check "the bundled model is still asked" grep -q '; 0 encoded in ' "$WORK/out"
command=$(sed -n 's/^  ask these pictures *//p' "$WORK/out")
run bash -c "cd / && $command -k 3"
said 0 ""
lines 3

# An index that cannot be looked at is not taken for one with pictures.
mkdir -p "$WORK/broken/bin"
ln -s "$BUILD/share" "$WORK/broken/"
cat >"$WORK/broken/bin/pixgrepd" <<END
#!/bin/sh
[ "\$1" != status ] || { echo "no status" >&2; exit 2; }
exec "$BUILD/bin/pixgrepd" "\$@"
END
chmod +x "$WORK/broken/bin/pixgrepd"
ln -s "$BUILD/bin/pixgrep" "$WORK/broken/bin/"
demo --build "$WORK/broken" "$photos"
said 2 "*no status"
finish
