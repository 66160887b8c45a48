#!/usr/bin/env bash
# make install puts all that pixgrep needs below one prefix, which can be staged with DESTDIR and moved afterwards; its
# manual pages are clean mdoc.
. "$(dirname "$0")/pixgrep.bash" || exit 1
command -v make >/dev/null || skip "make is not installed"
picture=$golden/preprocess/images/exact-224.png

must make --no-print-directory -C "$SOURCE" --old-file=all install BUILD="$BUILD" DESTDIR="$WORK/a stage" PREFIX=/opt/pix
(cd "$WORK/a stage" && find . -type f | LC_ALL=C sort) >"$WORK/installed"
check "all is there, in its place" diff "$WORK/installed" - <<'END'
./opt/pix/bin/pixgrep
./opt/pix/bin/pixgrep-fetch-model
./opt/pix/bin/pixgrepd
./opt/pix/lib/systemd/user/pixgrep-index.service
./opt/pix/lib/systemd/user/pixgrep-index.timer
./opt/pix/lib/systemd/user/pixgrep-watch.service
./opt/pix/libexec/pixgrep/pixgrep-decode
./opt/pix/share/doc/pixgrep/LICENSE
./opt/pix/share/doc/pixgrep/LICENSES/Apache-2.0.txt
./opt/pix/share/doc/pixgrep/THIRD_PARTY.md
./opt/pix/share/man/man1/pixgrep-fetch-model.1
./opt/pix/share/man/man1/pixgrep.1
./opt/pix/share/man/man1/pixgrepd.1
./opt/pix/share/man/man7/pixgrepd-control.7
./opt/pix/share/pixgrep/catalogue
./opt/pix/share/pixgrep/models/tiny.pixm
./opt/pix/share/pixgrep/templates/long.txt
./opt/pix/share/pixgrep/templates/short.txt
END
check "anybody may read it" test -z "$(find "$WORK/a stage" -type f ! -perm -444)"
check "anybody may run what is a program" test 4 -eq "$(find "$WORK/a stage" -type f -perm -555 | wc -l)"
for page in "$WORK/a stage/opt/pix/share/man/"*/*; do
    if command -v mandoc >/dev/null; then
        run mandoc -T lint -W warning "$page"
        said 0 ""
        printed ""
    else
        echo "SKIP lint of $(basename "$page"): mandoc is not installed"
    fi
done

# Units for a person's own service manager, which run what was installed.
units=$WORK/a\ stage/opt/pix/lib/systemd/user
check "the units name the program" test 2 -eq "$(grep -l "^ExecStart=/opt/pix/bin/pixgrepd " "$units"/*.service | wc -l)"
if command -v systemd-analyze >/dev/null; then
    mkdir "$WORK/units"
    sed "s|/opt/pix/bin|$BUILD/bin|" "$units/pixgrep-watch.service" >"$WORK/units/pixgrep-watch.service"
    sed "s|/opt/pix/bin|$BUILD/bin|" "$units/pixgrep-index.service" >"$WORK/units/pixgrep-index.service"
    cp "$units/pixgrep-index.timer" "$WORK/units/"
    for unit in "$WORK/units"/*; do
        run env SYSTEMD_UNIT_PATH="$WORK/units:" XDG_RUNTIME_DIR="$WORK" systemd-analyze --user --man=no verify "$unit"
        said 0 ""
        printed ""
    done
else
    echo "SKIP the units: systemd-analyze is not installed"
fi

# Elsewhere, and called by links from outside.
mv "$WORK/a stage/opt/pix" "$WORK/a prefix"
mkdir "$WORK/links"
ln -s "$WORK/a prefix/bin/"* "$WORK/links/"
for bin in "$WORK/a prefix/bin" "$WORK/links"; do
    run "$bin/pixgrepd" model list
    said 0 ""
    printed "\* tiny	*	bundled"
    for templates in "--ensemble" "--templates=long"; do
        run "$bin/pixgrep" --classify square,cat,dog $templates "$picture"
        said 0 "pixgrep: using the bundled model tiny (*)"
        lines 3
        printed "$picture	[01].*	@(square|cat|dog)*"
    done
    run "$bin/pixgrep-fetch-model" --list
    said 0 ""
    lines 9
    for program in pixgrep pixgrepd pixgrep-fetch-model; do
        run "$bin/$program" --version
        said 0 ""
        printed "$program $("$BUILD/bin/pixgrep" --version | cut -d ' ' -f 2)"
    done
done
finish
