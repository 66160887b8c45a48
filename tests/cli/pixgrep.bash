# Sourced by the tests of pixgrep: on top of support.sh, checks that look at the exit code, stdout and
# stderr of one run together.
. "$SOURCE/tests/cli/support.sh"
golden=$SOURCE/tests/golden
stdin=/dev/null # of the next runs

run() {
    ran="$*"
    "$@" >"$WORK/out" 2>"$WORK/err" <"$stdin"
    code=$?
}

wrong() {
    echo "FAILED: $ran: $1 (exit code $code)"
    sed 's/^/    stdout: /' "$WORK/out" | head -20
    sed 's/^/    stderr: /' "$WORK/err" | head -20
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
