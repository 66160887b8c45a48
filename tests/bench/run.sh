#!/usr/bin/env bash
# What `make bench` runs: what each stage costs on this machine, beside the machine's own limits, the targets and the
# programs that do the same, in one table.
#
#   tests/bench/run.sh BUILD [FOLDER]
#
# FOLDER (build/bench) keeps the library of photographs and the model from run to run.  The model is ViT-B/32, which
# takes the same time whatever its weights: WEIGHTS=FILE and VOCABULARY=FILE name yours; without, a checkpoint with random
# ones is made where the project's tools and PyTorch are at hand.  PEERS=no leaves the other programs out.
# SEARCH="COUNT..." are the sizes of the libraries that searches are timed in (100,000 and 1,000,000: 5 GB of disk).
# What cannot be measured is named and left out.
set -euo pipefail
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    sed -n '2,12s/^# \?//p' "$0" >&2
    exit 2
fi
here=$(dirname "$(realpath "$0")")
root=$(realpath "$here/../..")
build=$(realpath "$1")
mkdir -p "${2:-build/bench}"
folder=$(realpath "${2:-build/bench}")
export XDG_DATA_HOME=$folder/data XDG_CACHE_HOME=$folder/cache XDG_CONFIG_HOME=$folder/config LC_ALL=C
pixgrep=$build/bin/pixgrep pixgrepd=$build/bin/pixgrepd
model=$folder/ViT-B-32.pixm
cores=$(nproc)
gflop=8.232 # of one image: all tokens in 11 layers, in the last the class token alone
rows=""

say() { printf '\n== %s\n' "$1"; }
skip() { printf 'SKIP %s\n' "$1"; }
calc() { awk "BEGIN { x = $1; printf \"${2:-%.2f}\", x }"; }
# row WHAT MEASURED LIMIT RATIO TARGET: one line of the last table.
row() { rows+=$(printf '%-54s %9s %9s %6s  %s' "$@")$'\n'; }

say machine
echo "$cores cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), load $(cut -d' ' -f1-3 /proc/loadavg) at $(date -u +%H:%M) UTC"
busy=$(awk -v cores="$cores" '$1 > cores / 4' /proc/loadavg)
[ -z "$busy" ] || echo "the machine is busy with something else: what follows is too slow by some unknown factor"
[ -z "${PIXGREP_ISA:-}" ] || echo "PIXGREP_ISA=$PIXGREP_ISA"

say library
"$here/library.sh" "$folder/library"
photos=$(find "$folder/library" -name '*.jpg' | wc -l)
echo "$photos JPEGs of 12 megapixels, $(du -sh "$folder/library" | cut -f1)"

# Sets `weights` and `vocabulary`, or leaves `weights` empty.
find_weights() {
    weights=${WEIGHTS:-} vocabulary=${VOCABULARY:-}
    local tools=$root/../shared
    [ -n "$vocabulary" ] || vocabulary=$tools/reference/bpe_simple_vocab_16e6.txt.gz
    if [ -z "$weights" ] && [ -f "$tools/tools/make_checkpoint.py" ] && /usr/bin/python3 -c 'import torch' 2>/dev/null; then
        weights=$folder/weights/ViT-B-32.pt
        [ -f "$weights" ] || /usr/bin/python3 "$tools/tools/make_checkpoint.py" --arch ViT-B/32 --formats ts \
            --no-golden --out "$folder/weights" >/dev/null
    fi
}

say model
find_weights
if [ -n "$weights" ]; then
    rm -f "$model"
    /usr/bin/time -f '%e s, %M kB' "$pixgrepd" model import "$weights" --vocab "$vocabulary" --output "$model"
else
    skip "encode, index, query: no weights of ViT-B/32 (WEIGHTS=FILE), and no PyTorch to make some"
fi

say peaks
peak_f32="" peak_int8=""
if [ -x "$build/tests/bench_kernels" ] && kernels=$("$build/tests/bench_kernels" "$cores" 1600); then
    echo "$kernels"
    peak_f32=$(sed -n 's,.*peaks \([0-9.]*\) GFLOP/s.*,\1,p' <<<"$kernels")
    peak_int8=$(sed -n 's,.* \([0-9.]*\) GOP/s.*,\1,p' <<<"$kernels")
else
    skip "peaks: bench_kernels does not run"
fi

say decode
decoding=$("$build/tests/bench_decode" "$folder/library/photos")
echo "$decoding"
read -r hash fast exact scale alone ratio < <(awk '$1 == "jpeg" { print $4, $5, $6, $7, $8, $9 }' <<<"$decoding")
row "12 MP JPEG, fast, one core: ms" "$fast" "$alone" "$ratio" "<= 1.2 of libjpeg-turbo alone"
row "12 MP JPEG, exact, one core: ms" "$exact" "" "" ""
row "12 MP JPEG, two workers" "$scale" "2x" "" ">= 1.9x"

# peak PRECISION: images a second that the processor could do.
peak() {
    local of=$peak_f32
    [ "$1" = fp32 ] || of=$peak_int8
    [ -z "$of" ] || calc "$of / $gflop" %.1f
}

# encode PRECISION TARGET: images and a text through the towers; sets `rate`, images a second in large batches.
encode() {
    local out text
    if ! out=$("$build/tests/bench_encode" "$model" "$1" "$cores" 2>&1); then
        skip "encode $1: $out"
        return 1
    fi
    echo "$out"
    local limit batch
    limit=$(peak "$1")
    for batch in 1 8 32; do
        rate=$(awk -v b="$batch:" '$2 == "images," && $4 == b { print $5 }' <<<"$out")
        row "$1 image tower, batch $batch: images/s" "$rate" "${limit:--}" "${limit:+$(calc "$rate / $limit")}" \
            "$([ "$batch" = 1 ] && echo "$3" || echo "$2")"
    done
    text=$(awk '$2 == "text" && $3 == "of" { print $6 }' <<<"$out")
    row "$1 text of 7 tokens, warm: ms" "$text" "" "" "$4"
    row "$1 text in 80 templates: ms" "$(awk '$2 == "text" && $3 == "in" { print $6 }' <<<"$out")" "" "" ""
    row "$1 1,000 labels in 80 templates: s" "$(awk '$3 == "labels" { print $7 }' <<<"$out")" "" "" ""
    "$here/profile.sh" "$build" "$model" "$1" || skip "profile of $1"
}

# The largest sum of the anonymous memory that the process and its children hold, in MB, while it runs.
watch_memory() {
    local pid=$1 largest=0 sum child value
    while [ -r "/proc/$pid/status" ]; do
        sum=0
        for child in "$pid" $(cat "/proc/$pid/task/"*/children 2>/dev/null); do
            value=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$child/status" 2>/dev/null) || true
            sum=$((sum + ${value:-0}))
        done
        [ "$sum" -le "$largest" ] || largest=$sum
        sleep 0.05
    done
    echo $((largest / 1024))
}

# index PRECISION RATE: all photos into a fresh index, twice for the time and once more for the memory.
index() {
    local best="" took start database=$folder/index.db alone
    for _ in 1 2; do
        rm -f "$database"*
        start=${EPOCHREALTIME/./}
        "$pixgrepd" index --quiet --precision "$1" --model "$model" --db "$database" "$folder/library"
        took=$((${EPOCHREALTIME/./} - start))
        [ -n "$best" ] && [ "$best" -le "$took" ] || best=$took
    done
    rate=$(calc "$photos * 1e6 / $best" %.1f)
    alone=$(calc "$cores * 1000 / ($hash + $fast + $cores * 1000 / $2)" %.1f)
    echo "$1: $rate photos/s; hash $hash ms and decoding $fast ms of one core, encoding $2 images/s of all: $alone photos/s"
    row "$1 index of 12 MP JPEGs: photos/s" "$rate" "$alone" "$(calc "$rate / $alone")" ">= 0.8 of hash, decode and encode alone"
    rm -f "$database"*
    "$pixgrepd" index --quiet --precision "$1" --model "$model" --db "$database" "$folder/library" &
    memory=$(watch_memory $!)
    wait $!
    echo "$1: $memory MB private at most, all processes together"
    row "$1 index, private memory: MB" "$memory" "" "" "< 250"
    start=${EPOCHREALTIME/./}
    "$pixgrepd" index --quiet --precision "$1" --model "$model" --db "$database" "$folder/library"
    row "$1 index, nothing changed: ms" $(((${EPOCHREALTIME/./} - start) / 1000)) "" "" ""
}

# query PRECISION: cold processes, page cache warm, 10,000 photos; the median, and the best of 25.
query() {
    local database=$folder/ten-thousand-$1.db ask="$pixgrep --precision $1 --model $model --db $folder/ten-thousand-$1.db"
    local picture=("$folder"/library/photos/*.jpg) what=("by words" "by a picture") i=0 median best
    [ -f "$database" ] || "$build/tests/bench_fill" "$database" "$model" "$1" 10000
    hyperfine -N --warmup 3 --runs 25 --export-csv "$folder/times.csv" \
        "$ask 'a dog on a beach'" "$ask '${picture[0]}'" >/dev/null 2>&1
    while read -r median best; do
        echo "$1: cold query ${what[i]}: $median ms, at best $best ms"
        row "$1 cold query ${what[i]}, 10,000 photos: ms" "$median" "" "" "$([ $i -ne 0 ] || echo '<= 40')"
        i=$((i + 1))
    done < <(awk -F, 'FNR > 1 { printf "%.1f %.1f\n", $4 * 1000, $7 * 1000 }' "$folder/times.csv")
}

if [ -n "$weights" ]; then
    for precision in fp32 int8; do
        say "$precision"
        if [ $precision = fp32 ]; then
            encode fp32 ">= 0.80 of the peak" "" "<= 8" || continue
        else
            encode int8 ">= 0.65 of the peak" ">= 0.50 of the peak" "<= 2.5" || continue
        fi
        index $precision "$rate"
        if command -v hyperfine >/dev/null; then query $precision; else skip "query: hyperfine is not installed"; fi
    done
fi

# search COUNT TARGET: warm searches in one process, beside what memory gives and what others take.
search() {
    local library=$folder/search-$1 out ms reading name
    out=$("$build/tests/bench_search" "$library" "$1" 512)
    echo "$out"
    ms=$(sed -n 's/^search: \([0-9.]*\) ms for the best 10 of 1 query .*/\1/p' <<<"$out")
    reading=$(sed -n 's/^memory: \([0-9.]*\) ms .*/\1/p' <<<"$out")
    row "exact top 10 of $1 x 512, warm: ms" "$ms" "$reading" \
        "$(sed -n 's/^bandwidth: a search reads at \([0-9.]*\) .*/\1/p' <<<"$out")" "<= $2, and 0.8 of memory's bandwidth"
    for kind in "10 of 16 queries" "100 of 1 query"; do
        row "exact top $kind of $1 x 512: ms" \
            "$(sed -n "s/^search: \([0-9.]*\) ms for the best $kind .*/\1/p" <<<"$out")" "" "" ""
    done
    row "the same without the .pixv file: ms" "$(sed -n 's/^without: \([0-9.]*\) ms .*/\1/p' <<<"$out")" "" "" ""
    [ "${PEERS:-yes}" != no ] || return 0
    for name in numpy faiss "$folder/npm/node_modules/sqlite-vec-linux-x64/vec0.so"; do
        search_peer "$1" "$(basename "$name" .so)" /usr/bin/python3 "$here/peers/search.py" "$name" "$library" 512 "$cores"
    done
    mkdir -p "$folder/npm"
    cd "$folder/npm"
    search_peer "$1" usearch node "$here/peers/search.js" "$library" 512 "$cores"
    cd "$root"
}

search_peer() {
    local count=$1 name=${2/vec0/sqlite-vec} out
    shift 2
    if out=$("$@" 2>&1); then
        echo "$name: $out ms"
        row "peer: $name, top 10 of $count x 512: ms" "$out" "" "" ""
    else
        skip "$name: $(tail -1 <<<"$out") (Debian: python3-numpy python3-faiss; npm install --prefix $folder/npm usearch sqlite-vec)"
    fi
}

# cold COUNT TARGET: a process that answers one query, and what it takes beyond one that only encodes the words.
cold() {
    local database=$folder/cold-$1.db words="'a dog on a beach'" asked encoded
    [ -f "$database" ] || "$build/tests/bench_fill" "$database" "$model" fp32 "$1"
    hyperfine -N --warmup 3 --runs 25 --export-csv "$folder/times.csv" \
        "$pixgrep --model $model --db $database -k 10 $words" "$pixgrep --model $model --embed --text $words" >/dev/null 2>&1
    { read -r asked && read -r encoded; } < <(awk -F, 'FNR > 1 { printf "%.1f\n", $4 * 1000 }' "$folder/times.csv")
    echo "$1 photos: $asked ms, of which $encoded ms encode the words"
    row "cold query, $1 photos, beyond encoding: ms" "$(calc "$asked - $encoded" %.1f)" "" "" "<= $2"
}

# warm COUNT TARGET: the same process where pixgrepd watch runs, and alone; the usual index and model, int8.
warm() {
    local home=$folder/warm-$1 words="'a dog on a beach'" place daemon there alone i
    local -x XDG_DATA_HOME=$home
    mkdir -p "$home/pixgrep/models"
    ln -sf "$model" "$home/pixgrep/models/ViT-B-32.pixm"
    echo ViT-B-32 >"$home/pixgrep/models/current"
    [ -f "$home/pixgrep/index.db" ] || "$build/tests/bench_fill" "$home/pixgrep/index.db" "$model" int8 "$1"
    place=$(mktemp -d)
    XDG_RUNTIME_DIR=$place "$pixgrepd" watch >"$place/out" 2>/dev/null &
    daemon=$!
    for ((i = 0; i < 600; i++)); do # its first look at everything would be measured, too
        grep -qs ' watched$' "$place/out" && break
        sleep 0.1
    done
    there=$(XDG_RUNTIME_DIR=$place median_of "$pixgrep -k 10 $words") || there=
    alone=$(XDG_RUNTIME_DIR='' median_of "$pixgrep -k 10 $words") || alone=
    kill "$daemon"
    wait "$daemon" || true
    rm -rf "$place"
    echo "$1 photos, int8: $there ms where pixgrepd watch runs, $alone ms alone"
    row "warm query by the daemon, $1 photos: ms" "$there" "" "" "<= $2"
    row "the same query without it: ms" "$alone" "" "" ""
}

median_of() {
    hyperfine -N --warmup 5 --runs 50 --export-csv "$folder/times.csv" "$1" >/dev/null 2>&1 &&
        awk -F, 'FNR > 1 { printf "%.1f\n", $4 * 1000 }' "$folder/times.csv"
}

for count in ${SEARCH:-100000 1000000}; do
    say "search among $count"
    target=$(calc "$count > 100000 ? $count * 25 / 1e6 : 3" %.0f)
    search "$count" "$target"
    if [ -n "$weights" ] && command -v hyperfine >/dev/null; then
        cold "$count" "$(calc "10 + $count * 50 / 1e6" %.0f)"
        [ "$count" -ne 100000 ] || warm "$count" 6
    fi
done

# peer NAME COMMAND...: images a second of the vision tower alone, elsewhere.
peer() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then
        echo "$name: $out images/s"
        row "peer: $name: images/s" "$out" "" "" ""
    else
        skip "$name: $(tail -1 <<<"$out")"
    fi
}

if [ "${PEERS:-yes}" != no ]; then
    say "peers: the same tower, batch 32 and 1, $cores threads"
    if /usr/bin/python3 -c 'import torch' 2>/dev/null; then
        for batch in 32 1; do
            peer "PyTorch, batch $batch" /usr/bin/python3 "$here/peers/torch_vit.py" --threads "$cores" --batch $batch
            peer "PyTorch, OpenBLAS told of the CPU, batch $batch" env OPENBLAS_CORETYPE=SkylakeX \
                /usr/bin/python3 "$here/peers/torch_vit.py" --threads "$cores" --batch $batch
        done
    else
        skip "PyTorch: Debian's python3-torch is not installed"
    fi
    if [ -d "$folder/onnx/node_modules/onnxruntime-node" ]; then
        [ -f "$folder/onnx/vit-int8.onnx" ] || /usr/bin/python3 "$here/peers/export_vit.py" "$folder/onnx"
        cd "$folder/onnx"
        for kind in f32 int8; do
            for batch in 32 1; do
                peer "ONNX Runtime $kind, batch $batch" node "$here/peers/onnx_vit.js" vit-$kind.onnx "$cores" $batch
            done
        done
    else
        skip "ONNX Runtime: npm install --prefix $folder/onnx --ignore-scripts onnxruntime-node"
    fi
fi

say "all together, load $(cut -d' ' -f1-3 /proc/loadavg) at $(date -u +%H:%M) UTC"
printf '%-54s %9s %9s %6s  %s\n' what measured limit ratio target
printf %s "$rows"
[ -z "$busy" ] || echo "(measured on a busy machine)"
