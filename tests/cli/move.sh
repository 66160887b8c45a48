#!/usr/bin/env bash
# An index follows photos to another folder, and to another machine, without encoding them again; it can be
# searched where nothing can be written.
. "$(dirname "$0")/support.sh"
pictures=$SOURCE/tests/golden/preprocess/images
total=$(ls "$pictures" | wc -l)
mkdir "$WORK/old" && cp -rp "$pictures" "$WORK/old/photos"
echo nothing >"$WORK/old/photos/bad.jpg"
run pixgrepd index "$WORK/old/photos"
expect 1 "index"

# To another folder, of which a link tells where it was.
mv "$WORK/old/photos" "$WORK/new"
ln -s "$WORK/new" "$WORK/old/photos"
run pixgrepd move "$WORK/old/photos/" "$WORK/new"
expect 0 "move"
check "all are moved" grep -qFx "$WORK/new: $total photos are here now" "$WORK/out"
rm "$WORK/old/photos"
run pixgrepd roots
check "one root" test "$(cut -f 4 "$WORK/out")" = "$WORK/new"
run pixgrepd index
expect 0 "index in the new place"
check "nothing to do" grep -q "^$WORK/new: .* 0 new, 0 changed, 0 moved, 0 duplicates, 0 removed, 0 returned, 0 failed, 1 failed before, $total unchanged; 0 encoded" "$WORK/out"
check "nothing is told" test -z "$(grep -F "$WORK/new" "$WORK/err")"
run pixgrep -l -k 100 "anything"
check "found in the new place" test "$(grep -c "^$WORK/new/" "$WORK/out")" = "$total"

# To another machine: the file is copied, the folder is elsewhere there and comes later.
mkdir -p "$WORK/other/pixgrep"
cp "$XDG_DATA_HOME/pixgrep/index.db" "$WORK/other/pixgrep/"
export XDG_DATA_HOME=$WORK/other
run pixgrepd move "$WORK/new" "$WORK/machine/photos"
expect 0 "move on another machine"
check "says that the folder is not there" grep -q "there is no such folder yet" "$WORK/err"
mkdir "$WORK/machine" && cp -rp "$WORK/new" "$WORK/machine/photos"
run pixgrepd index
expect 0 "index on another machine"
check "on another machine: nothing to do" grep -q "^$WORK/machine/photos: .* $total unchanged; 0 encoded" "$WORK/out"

# Part of a root, to a place of its own.
mkdir "$WORK/machine/photos/part" && mv "$WORK/machine/photos"/*.png "$WORK/machine/photos/part/"
run pixgrepd index
part=$(ls "$WORK/machine/photos/part" | wc -l)
mv "$WORK/machine/photos/part" "$WORK/machine/part"
run pixgrepd move "$WORK/machine/photos/part" "$WORK/machine/part"
expect 0 "move a part"
check "the part" grep -qF "$WORK/machine/part: $part photos are here now" "$WORK/out"
run pixgrepd index
expect 0 "index with the part"
check "the part is a root" grep -q "^$WORK/machine/part: .* $part unchanged; 0 encoded" "$WORK/out"
check "and is not missed" grep -q "^$WORK/machine/photos: .* 0 removed" "$WORK/out"

for wrong in "$WORK/nowhere $WORK/a" "$WORK/machine/part $WORK/machine/part/below" "$WORK/machine /"; do
    # shellcheck disable=SC2086 # two words
    run pixgrepd move $wrong
    expect 2 "move $wrong"
    check "move $wrong: one line" test "$(wc -l <"$WORK/err")" = 1
done

# What the index knows under a name that a link took leads there by that name still.
mkdir "$WORK/linked"
cp "$WORK/machine/part"/*.png "$WORK/linked/"
echo broken >"$WORK/linked/bad.jpg"
run pixgrepd index "$WORK/linked"
expect 1 "to be linked"
mv "$WORK/linked" "$WORK/led-to"
ln -s led-to "$WORK/linked"
run pixgrepd failures "$WORK/linked"
check "the failure of the link" grep -qF "$WORK/linked/bad.jpg" "$WORK/out"
run pixgrepd failures --retry "$WORK/linked/bad.jpg"
expect 0 "retry by the link"
run pixgrepd forget "$WORK/linked"
expect 0 "forget by the link"
check "forget by the link" grep -qxF "$WORK/linked: $part photos forgotten" "$WORK/out"
run pixgrepd forget "$WORK/linked"
expect 2 "forget it twice"
check "forget it twice: what it leads to is named" grep -qF "$WORK/led-to: nothing of it is in the index" "$WORK/err"

# Where nothing can be written: as another user, or on a read-only file system when root may mount one.
search_read_only() {
    local before after
    before=$(cd "$1" && ls -la && sha256sum index.db)
    run pixgrep --db "$1/index.db" -l -k 100 anything
    expect 0 "search $2"
    check "search $2: all are found" test "$(wc -l <"$WORK/out")" = "$total"
    after=$(cd "$1" && ls -la && sha256sum index.db)
    check "search $2: nothing is left behind" test "$before" = "$after"
    run pixgrepd status --db "$1/index.db"
    expect 0 "status $2"
    run pixgrepd index --db "$1/index.db" "$WORK/machine/photos"
    expect 2 "index $2"
    check "index $2: one line that says why" test "$(grep -v 'bundled model' "$WORK/err" | wc -l)" = 1
}
mkdir "$WORK/medium" && cp "$XDG_DATA_HOME/pixgrep/index.db" "$WORK/medium/"
if mount -t tmpfs none "$WORK/medium" 2>/dev/null; then
    cp "$XDG_DATA_HOME/pixgrep/index.db" "$WORK/medium/"
    mount -o remount,ro "$WORK/medium"
    search_read_only "$WORK/medium" "on a read-only file system"
    umount "$WORK/medium"
elif [ "$(id -u)" -ne 0 ]; then
    chmod 500 "$WORK/medium"
    chmod 400 "$WORK/medium/index.db"
    search_read_only "$WORK/medium" "in a read-only folder"
    chmod 700 "$WORK/medium"
else
    echo "SKIP read-only medium: may not mount here"
fi
finish
