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

for test in isa pool layers matmul; do
    $compiler -std=c17 -O2 -ffp-contract=off -D_GNU_SOURCE -Wall -Wextra -Werror \
        -DPIX_GOLDEN_DIR='""' -DPIX_REFERENCE_DIR='""' -DPIX_BUILD_DIR='""' -I. -Itests/cross \
        tests/test_$test.c core/tensor/*.c core/base/{error,threads}.c -o "$work/$test" -lpthread -lm
    for cpu in max cortex-a72; do
        echo "== $test on $cpu"
        qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu $cpu "$work/$test"
    done
done
