#!/usr/bin/env bash
# Data takes one way down and one way back: a folder may include only the floors below it, a library's
# header only where that library lives, and the two programs link no codec.
set -u
cd "$SOURCE" || exit 1
failures=0
complain() { echo "layering: $*"; failures=$((failures + 1)); }

declare -A below=(
    [core/base]="" [core/text]="core/base" [core/tensor]="core/base" [core/weights]="core/base"
    [core/image]="core/base" [core/control]="core/base"
    [core/clip]="core/base core/text core/tensor core/weights"
    [storage]="core/base core/tensor"
    [indexer]="core/base core/text core/tensor core/weights core/clip core/control storage"
    [query]="core/base core/text core/tensor core/weights core/clip core/control storage"
)
declare -A home=(
    [sqlite3.h]=storage [uv.h]=indexer [zlib.h]=core/base [utf8proc.h]=core/text [jpeglib.h]=core/image
)

while IFS= read -r file; do
    folder=$(dirname "$file")
    while IFS= read -r include; do
        target=$(dirname "$include")
        [ "$target" = "$folder" ] || [ "$target" = . ] && continue
        case " ${below[$folder]} " in *" $target "*) continue ;; esac
        # The client of pixgrep-decode is the one part of core/image the programs see.
        case "$folder $include" in "indexer core/image/decoder.h" | "query core/image/decoder.h") continue ;; esac
        complain "$file includes \"$include\""
    done < <(sed -n 's/^#include "\(.*\)"$/\1/p' "$file")
    for header in "${!home[@]}"; do
        [ "${home[$header]}" = "$folder" ] || ! grep -q "^#include <$header>" "$file" ||
            complain "$file includes <$header>, which lives in ${home[$header]}"
    done
    if [ "$folder" != core/image ] && grep -qE '^#include <(vips/|libraw/|libexif/)' "$file"; then
        complain "$file includes a picture library's header"
    fi
    if grep -qE '(^|[^_[:alnum:]])v?fork\(' "$file"; then
        complain "$file calls fork: use posix_spawn"
    fi
done < <(find core storage indexer query -name '*.[ch]' | sort)

# core/ and storage/ never print, exit or abort; pixgrep-decode's main is a program.
while IFS= read -r line; do
    complain "prints, exits or aborts: $line"
done < <(grep -nE '(^|[^_[:alnum:]])(printf|puts|perror|exit|_exit|abort) ?\(|\(?(stdout|stderr)[,)]' \
    $(find core storage -name '*.c' ! -path core/image/main.c))

# SQL is constant: values are bound, never printed into it.  (The version a schema leads to is ours.)
while IFS= read -r line; do
    complain "prints into SQL: $line"
done < <(grep -nE 'printf ?\(.*"[^"]*\b(SELECT|INSERT|UPDATE|DELETE|ATTACH|REPLACE) ' $(find storage -name '*.c'))

for program in pixgrep pixgrepd; do
    codecs=$(ldd "$BUILD/bin/$program" | grep -oE 'lib(vips|jpeg|raw|exif|png|webp|tiff|heif|openblas|glib)[^ ]*' | sort -u)
    [ -z "$codecs" ] || complain "$program links" $codecs
done

if find core storage indexer query tests -name '*util*' | grep .; then
    complain "a file named util: split it by idea"
fi
[ "$failures" -eq 0 ] && echo "layering: every include goes down, no program links a codec"
exit "$((failures > 0))"
