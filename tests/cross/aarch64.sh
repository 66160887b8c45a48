#!/usr/bin/env bash
# The kernels of 64-bit ARM, built by a cross compiler and run by an emulator: all of them, then only
# those of a CPU without dot products.  Wants gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user.
set -eu
cd "${SOURCE:-$(dirname "$0")/../..}"
compiler=aarch64-linux-gnu-gcc
for program in $compiler qemu-aarch64; do
    command -v $program >/dev/null || { echo "SKIP aarch64: $program is not installed"; exit 77; }
done
work=$(mktemp -d /tmp/pixgrep-test-XXXXXX)
trap 'rm -rf "$work"' EXIT

build() { # build UNIT SOURCE...
    local unit=$1
    shift
    $compiler -std=c17 -O2 -ffp-contract=off -D_GNU_SOURCE -Wall -Wextra -Werror \
        -DPIX_GOLDEN_DIR='""' -DPIX_REFERENCE_DIR='""' -DPIX_BUILD_DIR='""' -I. -Itests/cross \
        "tests/test_$unit.c" core/tensor/*.c core/base/{bytes,error,threads}.c "$@" -o "$work/$unit" -lpthread -lm
}
run() { # run UNIT CPU
    echo "== $1 on $2"
    qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu "$2" "$work/$1"
}
# No emulator has seccomp, but every call of the sandbox's list has its number there.
$compiler -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -I. -c core/image/sandbox.c -o "$work/sandbox.o"
for unit in isa pool layers matmul; do
    build $unit
    run $unit max
done
run matmul cortex-a72
build scan storage/scan*.c
run scan max
run scan cortex-a72
build frame storage/{frame,rotation}.c
run frame max
run isa max | grep -q 'runs i8mm' # else its kernels were not among those tested
