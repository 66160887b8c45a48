#!/usr/bin/env bash
# Makes a library of JPEGs of 12 megapixels, 2 to 4 MB each, from the photographs of Debian's package mate-backgrounds:
# enlarged or cropped to 4000 x 3000, with the noise of a sensor, as a camera would save them.
#
#   tests/bench/library.sh FOLDER
#
# FOLDER/photos gets 22 different ones; FOLDER/many four more of each, which differ by a few bytes behind the picture, so
# that nothing recognises them.  What is there is left as it is.  Needs the package libvips-tools.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,9s/^# \?//p' "$0" >&2; exit 2; }
sources=/usr/share/backgrounds/mate/nature
names=(Aqua Blinds Dune FreshFlower Garden GreenMeadow LadyBird RainDrops Storm TwoWings YellowFlower)
if [ ! -d "$sources" ] || ! command -v vips >/dev/null; then
    echo "library: needs Debian's packages mate-backgrounds and libvips-tools" >&2
    exit 2
fi
mkdir -p "$1"
if [ ! -d "$1/photos" ]; then
    work=$(mktemp -d "$1/making-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/photos"
    vips gaussnoise "$work/noise.v" 4000 3000 --sigma 9
    for name in "${names[@]}"; do
        vips thumbnail "$sources/$name.jpg" "$work/photo.v" 4000 --height 3000 --size both --crop centre
        vips add "$work/photo.v" "$work/noise.v" "$work/noisy.v"
        vips flip "$work/noisy.v" "$work/flipped.v" horizontal
        vips jpegsave "$work/noisy.v" "$work/photos/$name.jpg" --Q 92 --subsample-mode on
        vips jpegsave "$work/flipped.v" "$work/photos/$name-flipped.jpg" --Q 92 --subsample-mode on
    done
    mv "$work/photos" "$1/photos"
fi
if [ ! -d "$1/many" ]; then
    mkdir "$1/many.part"
    for photo in "$1"/photos/*.jpg; do
        for copy in 1 2 3 4; do
            { cat "$photo" && echo "$copy"; } >"$1/many.part/$copy-${photo##*/}"
        done
    done
    mv "$1/many.part" "$1/many"
fi
