#!/usr/bin/env bash
# A night of pixgrepd watch, compressed: the library changes all the time, drives come and go, the daemon is killed, stopped,
# flooded and lied to, questions are asked throughout; and what must be true is checked whenever everything has come to rest.
# MINUTES=20 by default; SEED=N repeats the same events in the same order.  `make soak`.
. "$(dirname "$0")/../cli/support.sh"
for tool in python3 sqlite3; do
    command -v $tool >/dev/null || skip "$tool is not installed"
done
export XDG_RUNTIME_DIR=$WORK/run MOUNTS=no
mkdir -m 700 "$XDG_RUNTIME_DIR"
run cmake --install "$BUILD" --prefix "$WORK/installed"
expect 0 "cmake --install"
cp "$BUILD/tests/rogue_decode" "$WORK/installed/libexec/pixgrep/pixgrep-decode" || exit 1

# A name space in which drives can be mounted; root is told to heed permissions.
apart=()
if [ "$(id -u)" -eq 0 ] && unshare -m mount -t tmpfs none /mnt 2>/dev/null; then
    apart=(unshare -m)
    MOUNTS=yes
elif unshare -rm mount -t tmpfs none /mnt 2>/dev/null; then
    apart=(unshare -rm)
    MOUNTS=yes
fi
heedful=()
if [ "$(id -u)" -eq 0 ] || [ $MOUNTS = yes ]; then
    heedful=(setpriv "--bounding-set=-dac_override,-dac_read_search")
    "${apart[@]}" "${heedful[@]}" true 2>/dev/null || heedful=()
fi
PYTHONDONTWRITEBYTECODE=1 "${apart[@]}" python3 "$(dirname "$0")/soak" "$WORK/installed/bin" "$WORK" "$BUILD/tests/make_photo" \
    "${heedful[@]}"
code=$?
[ -z "${KEEP:-}" ] || cp "$WORK"/watch.* "$WORK/journal" "$WORK/fresh.db" "$XDG_DATA_HOME/pixgrep/"index.db* "$KEEP/"
exit $code
