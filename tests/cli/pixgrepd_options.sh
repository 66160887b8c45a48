#!/usr/bin/env bash
# The command line of pixgrepd: help on stdout, wrong usage on stderr with the bad word, exit codes; and
# the commands that only read an index.
. "$(dirname "$0")/support.sh"

wrong() { # wrong TEXT ARGUMENT...: exit 2, nothing on stdout, one line on stderr with the text
    local text=$1
    shift
    run pixgrepd "$@"
    expect 2 "pixgrepd $*"
    check "pixgrepd $*: nothing on stdout" test ! -s "$WORK/out"
    check "pixgrepd $*: one line on stderr" test "$(wc -l <"$WORK/err")" -eq 1
    check "pixgrepd $*: '$text' in $(cat "$WORK/err")" grep -qF -- "$text" "$WORK/err"
}

help() { # help ARGUMENT...: exit 0, usage on stdout, nothing on stderr
    run pixgrepd "$@"
    expect 0 "pixgrepd $*"
    check "pixgrepd $*: usage on stdout" grep -q '^usage: pixgrepd' "$WORK/out"
    check "pixgrepd $*: nothing on stderr" test ! -s "$WORK/err"
    check "pixgrepd $*: at most 100 columns" test -z "$(grep -E '.{101}' "$WORK/out")"
}

help --help
for command in index status roots forget failures model "model import" "model list" "model use" \
    "model verify" "model remove"; do
    help $command --help
done
help index --follow --help --frob
run pixgrepd --version
expect 0 "--version"
check "--version" grep -qx 'pixgrepd [0-9.]*' "$WORK/out"

wrong "no command given"
wrong "unknown command 'frob'" frob
wrong "unknown command ''" ''
wrong "unknown option '--frob'" index --frob
wrong "unknown option '-q'" index -q
wrong "a value is missing after '--exclude'" index /tmp --exclude
wrong "--exclude wants a pattern, not ''" index /tmp --exclude ''
wrong "--exclude wants a pattern, not './'" index /tmp --exclude=./
wrong "no value is allowed in '--follow=1'" index --follow=1
wrong "not an option of this command: '--follow'" status --follow
wrong "--threads wants a number from 1 to 1024, not 'many'" index --threads many
wrong "--precision can be fp32 or int8, not 'int4'" index --precision int4
wrong "unexpected argument 'extra'" roots extra
wrong "missing 'DIR'" forget
wrong "unknown model command 'frob'" model frob
wrong "missing 'NAME'" model use
wrong "empty argument" index ''
wrong 'unknown command '\''a\x1b[1m\nb'\''' $'a\e[1m\nb'

# There is no index yet: said, and none is made.
wrong "there is no index" roots
wrong "there is no index" failures
wrong "there is no index" forget /tmp
wrong "there is no index" --db "$WORK/other.db" roots
run pixgrepd status
expect 0 "status without an index"
check "status says so" grep -q "there is none yet" "$WORK/out"
run pixgrepd status --json
expect 0 "status --json without an index"
check "status --json says so" grep -q '"exists":false,.*"photos":0,' "$WORK/out"
check "no index was made" test -z "$(find "$XDG_DATA_HOME" -name '*.db*')"
run env -u HOME -u XDG_DATA_HOME pixgrepd roots
expect 2 "no HOME"
check "no HOME: the error says what to set" grep -q "set HOME or XDG_DATA_HOME" "$WORK/err"

# An index with odd names in it.
pixgrepd model import "$SOURCE/tests/golden/models/vit-p32/vit-p32.pt" >/dev/null 2>&1
odd=$WORK/$'odd\xff\tfolder'
mkdir "$odd"
cp "$SOURCE/tests/golden/preprocess/images/one-1x1.png" "$odd/"
echo bad >"$odd/"$'bad\n.jpg'
run pixgrepd index "$odd"
expect 1 "index with a failure"
check "the failure is one line" test "$(wc -l <"$WORK/err")" -eq 1
check "its name is escaped" grep -qaF 'bad\n.jpg: ' "$WORK/err"
run pixgrepd roots
check "roots: four columns, the path escaped" test "$(awk -F '\t' '{ print NF, $1 }' "$WORK/out")" = "4 1"
check "roots: the path" grep -qaF $'odd\xff\\tfolder' "$WORK/out"
run pixgrepd roots --json
check "roots --json: bytes that are no UTF-8 in base64" grep -q '^{"path_base64":"[A-Za-z0-9+/=]*","photos":1,' "$WORK/out"
check "roots --json: the bytes are the path" test \
    "$(sed 's/.*"path_base64":"\([^"]*\)".*/\1/' "$WORK/out" | base64 -d)" = "$odd"
run pixgrepd failures --json
check "failures --json" grep -q '^{"path_base64":.*"stage":"decode","reason":".*","tries":1,"first_at":[0-9]*}$' "$WORK/out"
run pixgrepd status
check "status counts" grep -q '^model *1 of 1 photos encoded with vit-p32 (current)$' "$WORK/out"
run pixgrepd status --verbose
expect 0 "status --verbose"
for line in kernels cpu decoder; do
    check "status --verbose: $line" grep -q "^$line  *." "$WORK/out"
done
check "status --verbose: the decoder can be run" test -z "$(grep 'cannot be run' "$WORK/out")"
if grep -qw avx2 /proc/cpuinfo && [ -z "${PIXGREP_ISA:-}" ]; then
    check "status --verbose: the kernels are those of the processor" grep -q '^kernels *avx' "$WORK/out"
fi
run env PIXGREP_ISA=portable pixgrepd status --verbose
check "PIXGREP_ISA chooses the kernels" grep -q '^kernels *portable$' "$WORK/out"
run pixgrepd status --json --verbose
for key in index exists index_bytes photos photo_bytes contents missing failures roots models current_model current_model_error last_run_at \
    last_outcome kernels cpu decoder; do
    check "status --json: $key" grep -q "\"$key\":" "$WORK/out"
done

# Kernels that this processor does not have.
for command in index status; do
    argument=$([ $command = index ] && echo "$odd" || echo --verbose)
    run env PIXGREP_ISA=mmx pixgrepd $command "$argument"
    expect 2 "PIXGREP_ISA=mmx: $command"
    check "PIXGREP_ISA=mmx: $command: one line names variable, value and choice" test \
        "$(grep -c '^pixgrepd: .*PIXGREP_ISA: .*"mmx".*portable' "$WORK/err") $(wc -l <"$WORK/err")" = "1 1"
done

# What cannot be written is an error.
if [ -w /dev/full ]; then
    pixgrepd status >/dev/full 2>"$WORK/err"
    code=$?
    expect 2 "standard output is full"
    check "standard output is full" test "$(cat "$WORK/err")" = \
        "pixgrepd: cannot write the output: No space left on device"
    pixgrepd --help >/dev/full 2>"$WORK/err"
    code=$?
    expect 2 "standard output is full for help"
fi
wrong "not a pixgrep index" --db "$SOURCE/LICENSE" roots
wrong "not a folder" --db "$SOURCE/LICENSE/x" index "$odd"
finish
