#!/bin/bash
# Full-size models against PyTorch: makes each checkpoint with made-up weights, computes its results
# with PyTorch and compares ours.  Not part of `make check`: it needs python3-torch (installed by apt
# when missing), minutes, and up to 6 GB of memory and of space in TMPDIR.
#
#     BUILD=build/release SOURCE=. tests/full/full_size.sh [all | ARCHITECTURE...]
set -euo pipefail

tool=$SOURCE/../shared/tools/make_checkpoint.py
if [ ! -f "$tool" ]; then
    echo "SKIP full size: $tool is not here"
    exit 77
fi
if ! /usr/bin/python3 -c 'import torch' 2>/dev/null; then
    root=$([ "$(id -u)" = 0 ] || echo sudo)
    echo "installing python3-torch"
    $root apt-get install -y --no-install-recommends python3-torch >/dev/null
fi

if [ $# = 0 ]; then
    set -- ViT-B/32 ViT-B/16 ViT-L/14 RN50
elif [ "$*" = all ]; then
    set -- RN50 RN101 RN50x4 RN50x16 RN50x64 ViT-B/32 ViT-B/16 ViT-L/14 ViT-L/14@336px
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/pixgrep-full-XXXXXX")
trap 'rm -rf "$work"' EXIT

# PyTorch goes through OpenBLAS too, whose own choice of a kernel may be fifteen times slower.
torch=(env)
if [ -z "${OPENBLAS_CORETYPE:-}" ] && grep -q avx512vl /proc/cpuinfo; then
    torch+=(OPENBLAS_CORETYPE=SkylakeX)
elif [ -z "${OPENBLAS_CORETYPE:-}" ] && grep -q avx2 /proc/cpuinfo; then
    torch+=(OPENBLAS_CORETYPE=Haswell)
fi

failed=0
for architecture in "$@"; do
    echo "== $architecture"
    "${torch[@]}" /usr/bin/python3 "$tool" --arch "$architecture" --out "$work/model"
    for checkpoint in "$work"/model/*.pt "$work"/model/hf; do
        [ -e "$checkpoint" ] || continue # a ResNet has no Hugging Face layout
        "$BUILD/tests/full_compare" "$checkpoint" "$work/model/golden" >"$work/out" || failed=1
        grep -v '^|' "$work/out" || true
        sed -n "s,^|,| $architecture |,p" "$work/out" >>"$work/rows"
    done
    rm -rf "$work/model"
done
echo
echo "| model | format | parameters | import | .pixm | pictures off by | texts off by | logits off by | images/s |"
echo "|---|---|---|---|---|---|---|---|---|"
cat "$work/rows"
exit $failed
