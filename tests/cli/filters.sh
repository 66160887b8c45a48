#!/usr/bin/env bash
# What a photo's folder, time, camera, type, shape, size and place say, asked together with what it shows; the
# order of results; and photos that are the same, or nearly, shown once.
. "$(dirname "$0")/pixgrep.bash" || exit 1
export PATH=$BUILD/tests:$PATH
photos=$WORK/photos
mkdir -p "$photos/trip/day" "$photos/Trip" "$photos/it's 100%_" "$photos/empty" "$WORK/elsewhere"
cd "$photos" || exit 1
must make_photo trip/one.jpg 640 480 1 "time=2023:05:17 13:45:10" "camera=NIKON Äpfel D70" place=48.86,2.35
must make_photo trip/day/two.jpg 480 640 2 "time=2022:12:31 23:59:59" "camera=Canon EOS" orientation=6
must make_photo Trip/three.jpg 500 500 3 "time=2024:02:29 00:00:00" place=-17,-179.9
must make_photo "it's 100%_/four.jpg" 900 400 4 place=89.95,10
must make_photo five.jpg 320 240 5 "time=1999:01:01 00:00:00"
cp "$golden/preprocess/images/exact-224.png" six.png
must pixgrepd index "$photos"

# found NAMES OPTIONS...: which of the photos pass, by path.
found() {
    local names=$1
    shift
    run pixgrep --model tiny -k 50 -l --sort path "$@" ./five.jpg
    said 0 ""
    local got
    got=$(sed 's|.*/||; s|\..*||' "$WORK/out" | tr '\n' ' ')
    [ "$got" = "${names:+$names }" ] || wrong "should find '$names', not '$got'"
}
# nothing NOTE OPTIONS...
nothing() {
    local note=$1
    shift
    run pixgrep --model tiny -k 50 "$@" ./five.jpg
    said 1 "$note"
    printed ""
}
# refused NOTE OPTIONS...
refused() {
    local note=$1
    shift
    run pixgrep --model tiny "$@" ./five.jpg
    said 2 "pixgrep: $note; see pixgrep --help"
    printed ""
}
none="pixgrep: no photo passes the filters"

found "three five four six two one"

# Folders: bytes, not patterns; relative, absolute, with slashes and dots, through links, gone.
found "two one" --in trip
found "two one" --in "$photos/trip/"
found "two one" --in ./empty/../trip//.
found "two" --in trip/day
found "three" --in Trip
found "four" --in "it's 100%_"
found "three two one" --in trip --in Trip --in trip/day
found "six" --in six.png
found "three five four six two one" --in /
ln -s "$photos" "$WORK/link"
ln -s "$photos/trip" "$WORK/elsewhere/journey"
found "two one" --in "$WORK/link/trip"
found "two" --in "$WORK/elsewhere/journey/day"
nothing "pixgrep: --in tri: the index knows no photos there" --in tri
nothing "pixgrep: --in empty: the index knows no photos there" --in empty
nothing "pixgrep: --in $WORK/none/x: the index knows no photos there" --in "$WORK/none/x"
nothing "pixgrep: --in a\\\\nb: the index knows no photos there" --in $'a\nb'
run pixgrep --model tiny -k 50 -l --in tri --in Trip ./five.jpg
said 0 "pixgrep: --in tri: the index knows no photos there"
printed "$photos/Trip/three.jpg"
run pixgrep --model tiny -k 1 --in / --in "" ./five.jpg
said 2 "*--in*empty*"

# Times are the photos' own.
found "three two one" --since 2022
found "two" --since 2022 --until 2022
found "five two" --until 2022
found "three one" --since 2023-01-01
found "five two one" --until 2023-05
found "five two one" --until 2023-05-17
found "five two" --until 2023-05-16
found "one" --since "2023-05-17T13:45:10" --until "2023-05-17 13:45"
found "three" --since 2024-02-29
nothing "$none; 2 of unknown date were left out" --since 2025
nothing "$none; 1 of unknown date was left out" --since 2025 --type png
nothing "$none" --since 2025 --in trip
for bad in 2023-13 2023-02-30 yesterday 23 "2023-05-17T13:45Z" "2023' OR '1'='1"; do
    refused "--since: '$bad' is no year, month, day or time, such as *" --since "$bad"
    refused "--until: '$bad' is no year, *" --until "$bad"
done
refused "--since 2024 is later than --until 2023" --since 2024 --until 2023
refused "--since 2023 is later than --until 2022-12-31" --since 2023 --until 2022-12-31
refused "--since 2023-02 is later than --until 2023-01-31T23" --since 2023-02 --until 2023-01-31T23
nothing "$none" --since 2023-05-17T13 --until 2023-05-17T13:00 --in trip

# Cameras, types, shapes, sizes, places.
found "one" --camera nikon
found "one" --camera "äpf"
found "two one" --camera MAKER
nothing "$none" --camera "%"
nothing "$none" --camera "' OR 1=1; --"
nothing "$none" --camera $'\xff'
found "six" --type png
found "three five four six two one" --type PNG,jpg
found "six" --type heif --type png
refused "--type: 'doc' is not one of the types that are known: jpeg, jpg, png, *" --type doc
found "five four two one" --orientation landscape
found "three six" --orientation square
nothing "$none" --orientation portrait
found "three four six" --orientation square --min-size 1 --in Trip --in "it's 100%_" --in six.png \
    --orientation landscape
found "three four two one" --min-size 400
found "four" --min-size 900x400
found "two one" --min-size 480x640
found "four two one" --min-size 0.3MP
refused "--min-size: '10 by 10' is no size such as 12MP, 1920x1080 or 800 (the short side)" --min-size "10 by 10"
found "one" --near 48.8,2.3,20
found "three" --near " -17, 179.9, 30"
found "four" --near 90,-170,6
found "three four one" --near 0,0,20038
refused "--near: '91,0,1' is not LAT,LON,KM: *" --near 91,0,1
found "one" --in trip --since 2023 --camera d70 --type jpeg --orientation landscape --min-size 400 --near 48,2,200
for option in in since until camera type orientation min-size near sort alike; do
    run pixgrep --model tiny "--$option=" ./five.jpg
    said 2 "pixgrep: --$option=*"
done
run pixgrep --embed --in trip ./five.jpg
said 2 "pixgrep: --in does not go with --embed; see pixgrep --help"

# The order of what was found: k are chosen by score, whatever they are sorted by.
run pixgrep --model tiny -k 50 -l --sort date ./five.jpg
said 0 ""
printed "$photos/Trip/three.jpg
$photos/trip/one.jpg
$photos/trip/day/two.jpg
$photos/five.jpg
*"
run pixgrep --model tiny -k 2 -l ./five.jpg
sort "$WORK/out" >"$WORK/best"
run pixgrep --model tiny -k 2 -l --sort path ./five.jpg
said 0 ""
check "the two best, by path" cmp "$WORK/best" "$WORK/out"
refused "--sort: 'name' is not score, date or path" --sort name

# The same picture again: the same bytes, and as other programs would save it.
cp trip/one.jpg "$WORK/elsewhere/copy.jpg"
must make_photo "$WORK/elsewhere/coarse.jpg" 640 480 1 quality=60
must make_photo "$WORK/elsewhere/small.jpg" 320 240 1
must pixgrepd index "$WORK/elsewhere"
run pixgrep --model tiny -k 50 --json --collapse ./trip/one.jpg
said 0 ""
lines 6
printed '{"path":"'"$photos"'/trip/one.jpg","score":*,"folded":3}
*"folded":0}'
run pixgrep --model tiny -k 1 --json --collapse ./trip/one.jpg
printed '{"path":"'"$photos"'/trip/one.jpg",*,"folded":3}'
run pixgrep --model tiny -k 2 -l --collapse ./trip/one.jpg
lines 2
run pixgrep --model tiny -k 50 --json --collapse --alike identical ./trip/one.jpg
lines 8
printed '{"path":"'"$photos"'/trip/one.jpg",*,"folded":1}
*'
run pixgrep --model tiny -k 50 --collapse --alike 1 ./trip/one.jpg
lines 8
run pixgrep --model tiny -k 50 --json --collapse --alike 0.5 ./trip/one.jpg
lines 1
printed '*,"folded":8}'
run pixgrep --model tiny -k 50 --json --collapse --in "$WORK/elsewhere" ./trip/one.jpg
lines 1
printed '*,"folded":2}'
refused "--alike: '2' is not a score from -1 to 1" --collapse --alike 2
refused "--alike: below 0.5 pictures are not alike" --collapse --alike 0.4
refused "--alike goes with --collapse" --alike 0.9

# A drive that is away.
mv "$photos/trip/day" "$WORK/day"
must pixgrepd index "$photos"
nothing "pixgrep: --in trip/day: all photos there are missing; is their drive there?" --in trip/day
finish
