# Sourced by the tests of this folder: a clean home, a library of generated pictures, checks that print
# what they saw.
: "${BUILD:?the build folder}" "${SOURCE:?the source folder}" "${REFERENCE:?the reference data, present or not}"
set -u
export LC_ALL=C.UTF-8
WORK=$(mktemp -d /tmp/pixgrep-cli-XXXXXX)
trap 'chmod -R u+rwx "$WORK" 2>/dev/null; rm -rf "$WORK"' EXIT
export HOME=$WORK/home XDG_DATA_HOME=$WORK/data XDG_CONFIG_HOME=$WORK/config XDG_CACHE_HOME=$WORK/cache
unset PIXGREP_VOCAB NO_COLOR XDG_RUNTIME_DIR NOTIFY_SOCKET WATCHDOG_USEC
mkdir -p "$HOME" "$XDG_DATA_HOME"
PATH=$BUILD/bin:$PATH
failures=0

# check WHAT CONDITION...: runs the condition, reports when it does not hold.
check() {
    local what=$1
    shift
    if ! "$@" >"$WORK/check.out" 2>&1; then
        echo "FAILED: $what"
        sed 's/^/    /' "$WORK/check.out"
        failures=$((failures + 1))
    fi
}

# it_comes_true CONDITION...: within $patience seconds.
patience=60
it_comes_true() {
    for ((wait = 0; wait < 20 * patience; wait++)); do
        "$@" && return
        sleep 0.05
    done
    return 1
}

# run COMMAND...: leaves stdout, stderr and the exit code in $WORK/out, $WORK/err, $code.
run() {
    "$@" >"$WORK/out" 2>"$WORK/err"
    code=$?
}

# expect CODE: the last run's exit code.
expect() {
    if [ "$code" -ne "$1" ]; then
        echo "FAILED: exit code $code instead of $1 ($2)"
        sed 's/^/    stdout: /' "$WORK/out" | head -20
        sed 's/^/    stderr: /' "$WORK/err" | head -20
        failures=$((failures + 1))
    fi
}

# The programs in a folder of their own, without the bundled model: for what is said when there is no model at all.
bare_programs() {
    [ -d "$WORK/bare" ] || { mkdir "$WORK/bare" && cp -r "$BUILD/bin" "$BUILD/libexec" "$WORK/bare/"; }
    echo "$WORK/bare/bin"
}

skip() {
    echo "SKIP $(basename "$0" .sh): $*"
    exit 77
}

finish() {
    [ "$failures" -eq 0 ] && echo "$(basename "$0" .sh): all checks hold"
    exit "$((failures > 0))"
}
