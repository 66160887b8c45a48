# Sourced by the tests of pixgrep: on top of support.sh, checks that look at the exit code, stdout and
# stderr of one run together.
: "${BUILD:?}" "${SOURCE:?}" "${REFERENCE:?}"
. "$(dirname "${BASH_SOURCE[0]}")/support.sh" || exit 1
golden=$SOURCE/tests/golden
stdin=/dev/null # of the next runs

run() {
    ran="$*"
    "$@" >"$WORK/out" 2>"$WORK/err" <"$stdin"
    code=$?
}

wrong() {
    echo "FAILED: $ran: $1 (exit code $code)"
    head -20 "$WORK/out" | cat -v | cut -c 1-300 | sed 's/^/    stdout: /'
    head -20 "$WORK/err" | cat -v | cut -c 1-300 | sed 's/^/    stderr: /'
    failures=$((failures + 1))
}

# said CODE PATTERN: the exit code, and all of stderr like a pattern of [[ ]]; "" is silence.
said() {
    if [ "$code" -ne "$1" ]; then
        wrong "should exit with $1"
    elif [[ $(<"$WORK/err") != $2 ]]; then
        wrong "stderr should be like '$2'"
    fi
}

# printed PATTERN: all of stdout, without its last newline, like a pattern.
printed() {
    [[ $(<"$WORK/out") == $1 ]] || wrong "stdout should be like '$1'"
}

# lines N: how many stdout has.
lines() {
    [ "$(wc -l <"$WORK/out")" -eq "$1" ] || wrong "stdout should have $1 lines"
}

# must COMMAND...: a step without which the rest means nothing.
must() {
    run "$@"
    if [ "$code" -ne 0 ]; then
        wrong "should succeed"
        exit 1
    fi
}
