#!/usr/bin/env bash
# A million files that hold a thousand different pictures: what a first walk, a rescan in which nothing changed, and one with a
# few changes cost, and how long watch takes until it answers, and until all is looked at and watched.  Usage: scale.sh BUILD [FILES [FOLDER]]; FOLDER is on a file system with so many inodes to spare.
set -eu
build=$(realpath "$1")
files=${2:-1000000}
folder=$(mktemp -d "${3:-/tmp}/pixgrep-scale-XXXXXX")
trap 'rm -rf "$folder"' EXIT
export HOME=$folder/home XDG_DATA_HOME=$folder/data XDG_CONFIG_HOME=$folder/config XDG_CACHE_HOME=$folder/cache
free=$(df --output=iavail "$folder" | tail -1)
[ "$free" -gt $((files / 500 + 10000)) ] || { echo "SKIP scale: $free inodes are free"; exit 77; }

# A thousand pictures, hard links to them (a thousand a folder; a file system may not have more than 65,000 of one file).
mkdir -p "$folder/originals" "$folder/photos"
for ((i = 0; i < 1000; i++)); do
    printf 'P6\n2 2\n255\n%012d' "$i" >"$folder/originals/$i.ppm"
done
for ((d = 0; d < files / 1000; d++)); do
    cp -rl "$folder/originals" "$folder/photos/$(printf %05d "$d")"
done

# measure NAME ARGUMENT...: one run of pixgrepd: seconds, those of its processors, files a second, the most memory, what it said.
measure() {
    local name=$1
    shift
    /usr/bin/time -f '%e %U %S %M' -o "$folder/time" "$build/bin/pixgrepd" "$@" >"$folder/out" 2>/dev/null || true
    read -r seconds user system memory <"$folder/time"
    awk -v name="$name" -v s="$seconds" -v c="$user $system" -v m="$memory" -v f="$files" \
        'BEGIN { split(c, t); printf "%-32s %8.1f s, %6.1f s of processor %10.0f files/s %8.1f MiB\n",
                 name, s, t[1] + t[2], f / (s > 0 ? s : 0.01), m / 1024 }'
    sed 's/^[^:]*: /    /' "$folder/out"
}
echo "$files files, 1,000 different pictures"
measure "first walk" index "$folder/photos"
measure "rescan, nothing changed" index
measure "rescan, nothing changed" index
rm "$folder/photos/00000"/1?.ppm
mv "$folder/photos/00001" "$folder/photos/moved"
printf 'P6\n2 2\n255\n%012d' 5000 >"$folder/originals/new"
mv "$folder/originals/new" "$folder/photos/00002/0.ppm"
measure "10 gone, 1,000 moved, 1 changed" index

# watch NAME COMMAND...: one start of the daemon: seconds until it answers and until all is watched, its processor time, the most
# memory, what it said.
watch() {
    local name=$1 answers
    shift
    export XDG_RUNTIME_DIR=$folder/run
    mkdir -p "$XDG_RUNTIME_DIR" && chmod 700 "$XDG_RUNTIME_DIR"
    : >"$folder/out"
    start=$EPOCHREALTIME
    "$@" "$build/bin/pixgrepd" watch >"$folder/out" 2>"$folder/err" &
    daemon=$!
    since() { awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }
    until "$build/bin/pixgrepd" status --json 2>/dev/null | grep -q '"pid":[1-9]'; do sleep 0.05; done
    answers=$(since)
    until grep -q ' watched$' "$folder/out"; do sleep 0.05 && kill -0 $daemon; done
    awk -v name="$name" -v a="$answers" -v s="$(since)" -v f="$files" -v t="$(getconf CLK_TCK)" '
        FILENAME ~ /stat$/ { c = ($14 + $15) / t }
        /^VmHWM/ { m = $2 }
        END { printf "%-32s %8.1f s, %6.1f s of processor %10.0f files/s %8.1f MiB; answers after %.1f s\n",
                     name, s, c, f / (s > 0 ? s : 0.01), m / 1024, a }' "/proc/$daemon/stat" "/proc/$daemon/status"
    sed 's/^/    /' "$folder/out" "$folder/err"
}
unwatch() {
    kill $daemon
    wait $daemon || true
}
watch "watch, nothing changed" env
printf 'P6\n2 2\n255\n%012d' 6000 >"$folder/originals/new"
touch -d '1 hour ago' "$folder/originals/new"
start=$EPOCHREALTIME
mv "$folder/originals/new" "$folder/photos/00003/one-more.ppm"
until grep -q ': 1 new; ' "$folder/out"; do sleep 0.02 && kill -0 $daemon; done
echo "    one photo more is in the index after $(since) s; most memory $(awk '/^VmHWM/ { printf "%.1f", $2 / 1024 }' /proc/$daemon/status) MiB"
unwatch
if unshare -r true 2>/dev/null; then
    # shellcheck disable=SC2016
    watch "watch, where $((files / 2000)) folders may be" unshare -r sh -c \
        "echo $((files / 2000)) >/proc/sys/user/max_inotify_watches"' && exec "$0" "$@"'
    unwatch
fi
du -m "$XDG_DATA_HOME/pixgrep" | awk '{ print "index: " $1 " MiB" }'
