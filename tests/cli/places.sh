#!/usr/bin/env bash
# How folders are named, and what a name that leads nowhere does: nothing leaves the index by a slip of the finger.
. "$(dirname "$0")/support.sh"
photos=$WORK/photos

make() { # make FOLDER FIRST LAST: that many different pictures
    local i
    mkdir -p "$1"
    for ((i = $2; i <= $3; i++)); do printf 'P6\n2 2\n255\n%012d' "$i" >"$1/$i.ppm"; done
}
index() { # index CODE WHAT "FOLDER: NUMBER WORD, ...; ..." [ARGUMENT...]: what each line tells, but for zeroes
    local expected=$1 what=$2 wanted=$3
    shift 3
    run pixgrepd index "$@"
    expect "$expected" "$what"
    local told
    told=$(sed 's/ in [0-9][^ ]* *[a-z]*\( (.*)\)\{0,1\}$//; s/[0-9]* seen, //; s/\([ ,;]\) *0 [a-z ]*[a-z],\{0,1\}/\1/g; s/  */ /g; s/,*; *\([1-9]\)/, \1/; s/, ,/,/; s/[,;: ]*$//' "$WORK/out" | paste -sd'|')
    check "$what: '$told' is '$wanted'" test "$told" = "$wanted"
}
says() { # says WHAT TEXT: one line on standard error
    check "$1: '$2'" grep -qxF -- "$2" <(grep -v bundled "$WORK/err")
    check "$1: and nothing else" test "$(grep -vc bundled "$WORK/err")" = 1
}
same() { # same WHAT NUMBER: so many photos are there, and as many roots as before
    check "$1: $2 photos" test "$(pixgrep -l -k 1000 photo 2>/dev/null | wc -l)" = "$2"
    check "$1: one root" test "$(pixgrepd roots | cut -f 4)" = "$photos"
}

make "$photos/2019" 1 5
make "$photos/2020" 6 10
index 0 "first" "$photos: 10 new, 10 encoded" "$photos"

# No such folder, gone, a file, no permission: the root is there and loses nothing.
index 2 "misspelt" "" "$photos/2019x"
check "misspelt: told" grep -qxF "pixgrepd: index $photos/2019x: cannot be reached: No such file or directory: nothing is removed from the index" "$WORK/err"
same "misspelt" 10
index 2 "a file" "" "$photos/2019/1.ppm"
check "a file: told" grep -qF "pixgrepd: index $photos/2019/1.ppm: not a folder: nothing is removed" "$WORK/err"
same "a file" 10
mv "$photos/2019" "$WORK/2019"
index 2 "gone" "" "$photos/2019"
same "gone" 10
index 2 "gone, and another" "$photos/2020: 5 unchanged" "$photos/2019/" "$photos/2020"
same "gone, and another" 10
mv "$WORK/2019" "$photos/2019"
mv "$photos" "$WORK/away"
index 2 "a folder of a root that is away" "" "$photos/2019"
index 2 "a folder that was never of a root that is away" "" "$photos/2019x"
index 0 "the root away" ""
mv "$WORK/away" "$photos"
index 2 "misspelt, of no root" "" "$WORK/nowhere/photos"
says "misspelt, of no root" "pixgrepd: index: $WORK/nowhere/photos: No such file or directory"
index 2 "one of two misspelt" "" "$photos" "$WORK/nowhere"
index 2 "no name" "" ""
same "after all slips" 10

# One folder by many names.
for name in "$photos/" "$photos//" "$photos/." "$photos/2019/.." "$WORK/./photos" "$photos/../photos" "$photos/2019/../2020/.."; do
    index 0 "$name" "$photos: 10 unchanged" "$name"
done
for name in "$photos/2019/" "$photos/2020/../2019" "$photos/./2019//"; do
    index 0 "$name" "$photos/2019: 5 unchanged" "$name"
done
ln -s "$photos" "$WORK/link"
ln -s photos/2020 "$WORK/part"
index 0 "a link" "$photos: 10 unchanged" "$WORK/link"
index 0 "a link and a slash" "$photos: 10 unchanged" "$WORK/link/"
index 0 "a folder behind a link" "$photos/2019: 5 unchanged" "$WORK/link/2019"
index 0 "a link to a folder of a root" "$photos/2020: 5 unchanged" "$WORK/part"
index 0 "back from behind a link" "$photos: 10 unchanged" "$WORK/part/.."
index 0 "all of it at once" "$photos: 10 unchanged" "$photos/2019" "$WORK/link" "$photos/2020/" "$photos" "$WORK/part"
(cd "$photos/2019" && run pixgrepd index .. . ../2020) && index 0 "after relative names" "$photos: 10 unchanged"
same "one folder by many names" 10
index 2 "a link to nowhere" "" "$WORK/link/2021"
same "a link to nowhere" 10

# The folder behind a link is another from one day to the next.
mkdir "$WORK/monday" "$WORK/tuesday"
make "$WORK/monday" 21 22
make "$WORK/tuesday" 23 24
ln -sfn "$WORK/monday" "$WORK/today"
index 0 "monday" "$WORK/monday: 2 new, 2 encoded" "$WORK/today"
ln -sfn "$WORK/tuesday" "$WORK/today"
index 0 "tuesday" "$WORK/tuesday: 2 new, 2 encoded" "$WORK/today"
index 0 "every day" "$WORK/monday: 2 unchanged|$photos: 10 unchanged|$WORK/tuesday: 2 unchanged"
run pixgrepd forget "$WORK/monday"
run pixgrepd forget "$WORK/tuesday"

# A root that is a link's name no more: what was a folder is a link now, as after a move to a larger disk.
mv "$photos" "$WORK/larger"
ln -s "$WORK/larger" "$photos"
index 0 "a link in its place" "$photos: 10 unchanged"
index 0 "named by its name" "$photos: 10 unchanged" "$photos"
index 0 "named by its new name" "$photos: 10 unchanged" "$WORK/larger"
rm "$photos"
mv "$WORK/larger" "$photos"
same "a folder again" 10

# Folders around folders, in every order; a name that only begins alike is another.
make "$photos/2019/deep" 11 12
make "$WORK/photos more" 13 14
for order in "photos photos/2019 photos/2019/deep" "photos/2019/deep photos/2019 photos" "photos/2019 photos photos/2019/deep"; do
    XDG_DATA_HOME=$WORK/data-${order//[^a-z0-9]/-}
    mkdir -p "$XDG_DATA_HOME"
    for folder in $order; do
        run pixgrepd index "$WORK/$folder"
        expect 0 "$order: $folder"
    done
    same "$order" 12
    index 0 "$order: all" "$photos: 12 unchanged"
    index 0 "$order: another" "$WORK/photos more: 2 new, 2 encoded" "$WORK/photos more"
    rm "$photos/2019/deep/11.ppm"
    index 0 "$order: one removed" "$photos: 1 removed, 11 unchanged" "$photos"
    make "$photos/2019/deep" 11 11
done

# The root of everything, with all but one folder left out.
XDG_DATA_HOME=$WORK/root
mkdir "$XDG_DATA_HOME"
excludes=()
top=/${photos#/}
top=${top%%/"${photos#/*/}"}
for entry in /*; do [ "$entry" = "$top" ] || excludes+=(--exclude "$entry"); done
for entry in "$top"/* "$top"/.*; do [ "$entry" = "$WORK" ] || excludes+=(--exclude "$entry"); done
for entry in "$WORK"/*; do [ "$entry" = "$photos" ] || excludes+=(--exclude "$entry"); done
run pixgrepd index "${excludes[@]}" /
expect 0 "the root of everything"
check "the root of everything: all of it" grep -q "^/: 12 seen, 12 new," "$WORK/out"
run pixgrepd index "${excludes[@]}" "$photos"
check "a folder of everything" grep -q "^$photos: 12 seen,.* 12 unchanged" "$WORK/out"
check "there is one root" test "$(pixgrepd roots | cut -f 4)" = /
run pixgrepd index "$photos/2019x"
expect 2 "misspelt in everything"
check "misspelt in everything: nothing is removed" grep -q "$photos/2019x: cannot be reached: .*nothing is removed" "$WORK/err"
run pixgrepd move "$photos" "$WORK/elsewhere"
expect 0 "move from everything"
check "move from everything: one root" test "$(pixgrepd roots | cut -f 4)" = /
finish
