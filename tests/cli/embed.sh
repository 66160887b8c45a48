#!/usr/bin/env bash
# pixgrep --embed as a script uses it: one line for each input, in order, and the exit code tells of failures.
. "$(dirname "$0")/pixgrep.bash" || exit 1
cd "$golden/preprocess/images" || exit 1

PATH=$(bare_programs):$PATH run pixgrep --embed --json exact-224.png
said 2 "pixgrep: *pixgrepd model import*"
printed ""

must pixgrepd model import "$golden/models/vit-p32/vit-p32.pt"

run pixgrep --embed --json exact-224.png tiny-7x5.png
said 0 ""
lines 2
printed '{"input":"exact-224.png","vector":\[*\]}
{"input":"tiny-7x5.png","vector":\[*\]}'

run pixgrep --embed --json exact-224.png none.png --text "a cat" tiny-7x5.png
said 2 "pixgrep: 2 inputs failed"
lines 4
printed '{"input":"exact-224.png","vector":\[*
{"input":"none.png","error":"cannot open: No such file or directory"}
{"input":"a cat","error":"*"}
{"input":"tiny-7x5.png","vector":\[*'

run pixgrep --embed exact-224.png none.png
said 2 "pixgrep: none.png: cannot open: No such file or directory
pixgrep: 1 input failed"
printed "exact-224.png	*
none.png	"

printf 'tiny-7x5.png\nnone.png\n' >"$WORK/list"
stdin=$WORK/list
run pixgrep --embed --json exact-224.png - --threads 1
said 2 "pixgrep: 1 input failed"
lines 3
stdin=/dev/null

# A picture that is not one costs its own line only.
echo "not a picture" >"$WORK/text.jpg"
run pixgrep --embed --json "$WORK/text.jpg" exact-224.png
said 2 "pixgrep: 1 input failed"
printed '{"input":"'"$WORK"'/text.jpg","error":"*"}
{"input":"exact-224.png","vector":\[*'

# The same weights by path; all of it without a home.
model=$XDG_DATA_HOME/pixgrep/models/vit-p32.pixm
run env -u HOME -u XDG_DATA_HOME pixgrep --embed --json --model "$model" exact-224.png
said 0 ""
lines 1

run bash -c 'pixgrep --embed --json exact-224.png >/dev/full'
said 2 "pixgrep: cannot write the output: No space left on device"
finish
