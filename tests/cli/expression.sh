#!/usr/bin/env bash
# Words and pictures added and subtracted, as a person types them: the bundled model tiny over generated pictures, and over a
# few stamps of tuxpaint's where they are installed.
. "$(dirname "$0")/pixgrep.bash" || exit 1
photos=$WORK/photos
mkdir "$photos"
cp "$golden"/preprocess/images/*.png "$photos"
cp "$photos/rgb16.png" "$photos/IMG - Copy.png"
cp "$photos/rgb16.png" "$photos/new york city.png"
total=$(ls "$photos" | wc -l)
cd "$photos" || exit 1
must pixgrepd index "$photos" --model tiny

ask() { run pixgrep --model tiny -k 100 "$@"; }
# same WHAT: the last answer is the one kept in $WORK/kept, to the last digit.
same() { cmp -s "$WORK/out" "$WORK/kept" || wrong "$1"; }
keep() { cp "$WORK/out" "$WORK/kept"; }
# place NAME: of a picture in the last answer, from 1.
place() { grep -n "/$1\$" "$WORK/out" | cut -d : -f 1; }

# A term alone is what it always was, whatever it weighs.
ask a flag
said 0 ""
lines "$total"
keep
for words in "a flag" "3:a flag" "0.1:a flag" " a  flag "; do
    ask "$words"
    said 0 ""
    same "should be the same as: a flag"
done
ask 3:a flag
same "should be the same as: a flag"

# Minus changes the order, and one argument is the same as several.
ask a flag - a ball
said 0 ""
lines "$total"
check "subtracting changes the order" bash -c '! cmp -s <(cut -f 2 "$1") <(cut -f 2 "$2")' - "$WORK/out" "$WORK/kept"
check "scores go down" sort -c -s -r -g -k 1,1 "$WORK/out"
keep
ask "a flag - a ball"
said 0 ""
same "one argument should be the same as several"
ask "a flag -" "a ball"
same "two arguments should be the same as several"
ask a flag "- a ball"
same "a dash and a blank should begin no option"
ask a flag - -k 100 a ball
same "an option may stand anywhere"
ask -- a flag - a ball
same "after -- it should be the same"
ask --literal "a flag - a ball"
said 0 ""
check "--literal asks for something else" bash -c '! cmp -s "$1" "$2"' - "$WORK/out" "$WORK/kept"
keep
ask a flag - --literal a ball
said 0 ""
same "--literal should take all words"

# Pictures: both are found first, the subtracted one last.
ask ./tiny-7x5.png + ./interlaced.png
said 0 ""
check "both pictures come first" test "$(place tiny-7x5.png),$(place interlaced.png)" = 1,2 -o \
    "$(place tiny-7x5.png),$(place interlaced.png)" = 2,1
keep
ask --like tiny-7x5.png interlaced.png
said 0 ""
same "--like should be the same as +"
ask --like=tiny-7x5.png --like interlaced.png
same "--like may be repeated"
ask ./interlaced.png + "file://$photos/tiny-7x5.png"
same "the order of terms should not matter"
ask ./tiny-7x5.png - ./interlaced.png
said 0 ""
check "the subtracted picture is last" test "$(place interlaced.png)" -eq "$total"
keep
ask --like tiny-7x5.png - --like interlaced.png
same "- --like should subtract"
ask 2:./tiny-7x5.png - "2:./interlaced.png"
same "common weights should not matter"
ask "2:a flag" + ./interlaced.png - 0.5:a ball
said 0 ""
keep
ask "2:a flag + ./interlaced.png - 0.5:a ball"
same "a picture may stand inside an argument"
ask 4:a flag + 2:./interlaced.png - 1:a ball
same "only the ratio of weights should matter"
ask a flag --like interlaced.png tiny-7x5.png - snow
said 0 ""
lines "$total"

# Names with spaces and signs.
ask "./new york city.png" + a flag
said 0 ""
ask "./IMG - Copy.png"
said 0 ""
printed "1.000000	*"
ask "./new york city.png + a flag"
said 2 "pixgrep: ./new york city.png + a flag: cannot open: No such file or directory (+ and - join a picture outside its quotes)"
ask ./new york city.png
said 2 "pixgrep: 'york' follows the picture ./new without + or - between them (a name with spaces needs quotes)"
ask a flag - ./none.png
said 2 "pixgrep: ./none.png: cannot open: No such file or directory"
printed ""
ask --like checker-300.png none.png
said 2 "pixgrep: none.png: cannot open: No such file or directory"

# Hints: each term that is the name of a file too, and a name that signs take apart.
ask "2:rgb16.png" - a flag + checker-300.png
said 0 "pixgrep: searching for the words 'rgb16.png'; for the picture write ./rgb16.png
pixgrep: searching for the words 'checker-300.png'; for the picture write ./checker-300.png"
ask "IMG - Copy.png"
said 0 "pixgrep: searching for the words 'IMG - Copy.png'; for the picture write ./IMG - Copy.png"
ask --literal rgb16.png
said 0 ""

# Nothing to look for.
ask a flag - a flag
said 2 "pixgrep: the terms of the query cancel each other out: nothing is left to look for"
ask ./rgb16.png - ./rgb16.png
said 2 "pixgrep: the terms of the query cancel each other out: nothing is left to look for"

# A long term is cut and numbered; the forms of output are those of any query.
ask -k 1 a flag + "$(yes dog | head -40 | tr '\n' ' ')"
said 0 "pixgrep: term 2 of the query is too long for the model by * tokens and was cut before \"dog dog*\""
run pixgrep --model tiny -k 1 --json ./rgb16.png + 0.001:a flag
said 0 ""
printed '{"path":"*.png","score":0.999*,"width":*}'

# What subtracting means to tiny.
stamps=/usr/share/tuxpaint/stamps
names=(food/fruit/apple_red food/fruit/apple_green food/fruit/pineapple animals/mammals/dogs/dog
    animals/insects/mantis animals/insects/cartoon/butterfly plants/flowers/pigface vehicles/emergency/firetruck)
mkdir "$WORK/stamps"
for name in "${names[@]}"; do cp "$stamps/$name.png" "$WORK/stamps" 2>/dev/null; done
if [ "$(ls "$WORK/stamps" | wc -l)" -ne ${#names[@]} ]; then
    echo "SKIP what + and - do to pictures of things: tuxpaint-stamps-default is not installed"
    finish
fi
export XDG_DATA_HOME=$WORK/data2
must pixgrepd index "$WORK/stamps" --model tiny
ask an apple
said 0 ""
check "both apples come first" test $(($(place apple_red.png) + $(place apple_green.png))) -eq 3
ask an apple - red
said 0 ""
check "the green apple comes first" test "$(place apple_green.png)" -eq 1
check "the red one no longer does" test "$(place apple_red.png)" -gt 2
ask a fruit - an apple
said 0 ""
check "neither apple is among the first" test "$(place apple_red.png)" -gt 2 -a "$(place apple_green.png)" -gt 2
ask a dog + an insect
said 0 ""
check "a dog and insects come first" test "$(place dog.png)" -le 3 -a "$(place butterfly.png)" -le 3 -a \
    "$(place mantis.png)" -le 3
finish
