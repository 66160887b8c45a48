#!/usr/bin/env bash
# What the image tower's time goes to, by Linux's perf: shares of one thread's samples.
#
#   tests/bench/profile.sh BUILD MODEL.pixm [PRECISION [THREADS]]
set -euo pipefail
if [ $# -lt 2 ] || [ $# -gt 4 ]; then
    sed -n '2,4s/^# \?//p' "$0" >&2
    exit 2
fi
bench=$1/tests/bench_encode model=$2 precision=${3:-int8} threads=${4:-1}
command -v perf >/dev/null || { echo "SKIP profile: perf is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
perf record -q -F 2000 -o "$work/perf" -- "$bench" "$model" "$precision" "$threads" images
perf report -i "$work/perf" --no-children --stdio --sort symbol 2>/dev/null | awk '
    $1 !~ /%$/ { next }
    {
        share = $1 + 0
        name = $3
        if (name ~ /^(vnni|word|int8|dot|narrow|matrix)_(tile|task)$|^(finish_of|ahead_of)$/) group = "int8 products"
        else if (name == "int8_finish") group = "scales, bias, GELU, residual"
        else if (name ~ /^quantise/) group = "quantising"
        else if (name == "layer_norm" || name == "layer_norm_task") group = "LayerNorm, quantising what it makes apart"
        else if (name ~ /^(softmax|pack_keys|attend|attend_task)$/) group = "attention"
        else if (name ~ /^f32_/) group = precision == "int8" ? "attention" : "float32 products, attention"
        else if (name ~ /^pix_vit_cut/) group = "patches"
        else group = "rest"
        sum[group] += share
    }
    END { for (group in sum) printf "%5.1f %%  %s\n", sum[group], group }' precision="$precision" | sort -rn
