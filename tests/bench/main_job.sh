#!/usr/bin/env bash
# What the main job costs on this machine: import, index, query, and PyTorch's vision tower in the same run.
#
#   tests/bench/main_job.sh BUILD WEIGHTS VOCABULARY PHOTOS
#
# Uses an index and a model folder of its own.  Needs hyperfine and time; PyTorch only if installed.
set -eu
[ $# -eq 4 ] || { sed -n '2,6s/^# \?//p' "$0" >&2; exit 2; }
build=$(realpath "$1") weights=$(realpath "$2") vocabulary=$(realpath "$3") photos=$(realpath "$4")
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_DATA_HOME=$work/data XDG_CACHE_HOME=$work/cache XDG_CONFIG_HOME=$work/config
pixgrep=$build/bin/pixgrep pixgrepd=$build/bin/pixgrepd

echo "machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)"
echo "photos:  $(find "$photos" -type f | wc -l) files, $(du -shL "$photos" | cut -f1)"
echo
/usr/bin/time -f '    %e s, %M kB peak' "$pixgrepd" model import "$weights" --vocab "$vocabulary"
echo
/usr/bin/time -f '    %e s, %M kB peak (mapped weights counted)' "$pixgrepd" index "$photos" || [ $? -eq 1 ]
echo
echo "again, unchanged:"
/usr/bin/time -f '    %e s, %M kB peak' "$pixgrepd" index "$photos"
echo
echo "index file: $(du -k "$XDG_DATA_HOME/pixgrep/index.db" | cut -f1) kB"
picture=$(find "$photos" -iname '*.jpg' | head -1)
hyperfine -N --warmup 2 --runs 15 --ignore-failure --export-csv "$work/times.csv" \
    "$pixgrep 'a dog on a beach'" "$pixgrep -k 50 --json $picture" "$pixgrep --version" >/dev/null 2>&1
echo "cold process, page cache warm, median of 15:"
awk -F, 'NR > 1 { printf "    %6.1f ms  %s\n", $4 * 1000, $1 }' "$work/times.csv"
echo
if /usr/bin/python3 -c 'import torch' 2>/dev/null; then
    echo "vision tower alone, PyTorch $(/usr/bin/python3 -c 'import torch; print(torch.__version__)'), 2 threads, batch 32:"
    echo "    $(/usr/bin/python3 "$here/peers/torch_vit.py") images/s as installed"
    echo "    $(OPENBLAS_CORETYPE=SkylakeX /usr/bin/python3 "$here/peers/torch_vit.py") images/s with OPENBLAS_CORETYPE=SkylakeX"
fi
