#!/usr/bin/env bash
# pixgrepd model: importing, naming, choosing, verifying and removing a person's own models.
. "$(dirname "$0")/support.sh"
PATH=$(bare_programs):$PATH
golden=$SOURCE/tests/golden/models
models=$XDG_DATA_HOME/pixgrep/models

says() { # says WHAT TEXT: standard error has it
    check "$1: standard error says '$2', not '$(cat "$WORK/err")'" grep -qF -- "$2" "$WORK/err"
}
prints() { # prints WHAT PATTERN
    check "$1: standard output has '$2'" grep -q -- "$2" "$WORK/out"
}

run pixgrepd model list
expect 0 "no models"
check "no models: nothing is printed" test ! -s "$WORK/out"

run pixgrepd model import "$golden/vit-p32/vit-p32.pt"
expect 0 "import"
prints "import" "^vit-p32: imported from $golden/vit-p32/vit-p32.pt (.*)$"
prints "import" "775,873"
prints "import" "vocabulary *none"
prints "import" "now the current model"
says "import without a vocabulary" "pixgrepd model import --vocab"
check "import: one file" test -s "$models/vit-p32.pixm"
check "import: only for the user" test "$(stat -c %a "$models/vit-p32.pixm")" = 600

run pixgrepd model import "$golden/vit-p32/hf-f16" --name half --no-use
expect 0 "import a folder"
prints "--no-use" "pixgrepd model use half"
run pixgrepd model list
expect 0 "list"
check "list: two, the current one marked" test "$(cut -f 1 "$WORK/out" | tr '\n' ,)" = "  half,* vit-p32,"
check "list: of the same weights" test "$(cut -f 7 "$WORK/out" | sort -u | wc -l)" -eq 1
run pixgrepd model list --json
expect 0 "list --json"
sha256=$(sha256sum <"$golden/vit-p32/vit-p32.pt" | cut -c 1-64)
prints "list --json" "^{\"name\":\"half\",\"current\":false,\"bundled\":false,\"text\":false,\"fingerprint\":\"[0-9a-f]\{64\}\",\"precision\":\"int8\",\"fidelity\":{\"enough\":true,\"picture_least\":0.99[0-9]*,\"picture_mean\":0.99[0-9]*,\"text_least\":null,\"text_mean\":null,\"score_error\":null},\"source_sha256\":\"[0-9a-f]\{64\}\",\"error\":null}$"
prints "list --json" "^{\"name\":\"vit-p32\",\"current\":true,.*,\"source_sha256\":\"$sha256\",\"error\":null}$"
check "list --json: a line each" test "$(wc -l <"$WORK/out")" -eq 2
run pixgrepd model use half
expect 0 "use"
run pixgrepd model list
check "use" grep -q '^\* half' "$WORK/out"

run pixgrepd model import "$golden/vit-p14/hf-bf16" --name bf16
expect 0 "import another"
run pixgrepd model verify
expect 0 "verify"
check "verify: three lines" test "$(wc -l <"$WORK/out")" -eq 3
run pixgrepd model verify half
expect 0 "verify one"
prints "verify one" "^half: as imported, and so is the file it came from$"

# What import says it found.
run pixgrepd model import "$golden/vit-p32/vit-p32.pt" --name told --no-use
prints "what was found" "model *not one of OpenAI's sizes$"
prints "what was found" "activation *QuickGELU$"
prints "what was found" "parameters *775,873 (tensors: .*I64 3.*)$"
prints "what was found" "ignored *3 tensors of no part in the model$"
prints "what was found" "source *sha256 $sha256$"
prints "what was found" "size *3.7 MiB, made in [0-9.]* s$"
prints "what was found" "written to *$models/told.pixm$"
run pixgrepd model import "$golden/vit-p32/hf-f16" --name told --no-use --json
expect 0 "import --json"
check "import --json: one line" test "$(wc -l <"$WORK/out")" -eq 1
check "import --json: nothing else" test ! -s "$WORK/err"
prints "import --json" "^{\"name\":\"told\",\"current\":false,\"source\":\"$golden/vit-p32/hf-f16\",\"format\":\"safetensors\",\"architecture\":null,"
prints "import --json" "\"gelu\":\"quick\",\"gelu_known\":true,\"precision\":\"int8\",\"parameters\":775873,\"fidelity\":{\"enough\":true,\"picture_least\":0.99[0-9]*,\"picture_mean\":0.99[0-9]*,\"text_least\":null,\"text_mean\":null,\"score_error\":null},\"tensors\":\"F16 62\",\"ignored\":0,\"files\":1,\"weights\":\"model.safetensors\",\"not_used\":null,"
run pixgrepd model import "$golden/vit-p32/vit-p32.pt" --name exact --no-use --gelu exact
expect 0 "import --gelu exact"
prints "import --gelu exact" "activation *exact GELU (as chosen)$"
run pixgrepd model import "$golden/vit-p32/vit-p32.pt" --name told --no-use --gelu exact
expect 2 "another activation is another model"
says "another activation is another model" "a different model is named told"
catalogued=$WORK/catalogued
mkdir -p "$catalogued/share/pixgrep"
cp -r "$BUILD/bin" "$catalogued/"
echo "Test/32 96 2 $sha256 https://example.org/$sha256/Test-32.pt" >"$catalogued/share/pixgrep/catalogue"
run "$catalogued/bin/pixgrepd" model import "$golden/vit-p32/vit-p32.pt" --name told --no-use
prints "a file of the catalogue" "source *sha256 $sha256, OpenAI's own Test-32.pt$"
for name in told exact; do run pixgrepd model remove $name; done

# Of several files in a folder one is used, and the others are told.
folder=$WORK/published
mkdir "$folder"
cp "$golden"/vit-p32/hf-f16/* "$folder/"
cp "$golden/vit-p32/vit-p32.pt" "$folder/pytorch_model.bin"
run pixgrepd model import "$folder" --no-use
expect 0 "a folder with two"
prints "a folder with two" "weights *model.safetensors; not used: pytorch_model.bin$"
run pixgrepd model verify published
expect 0 "verify of a folder"
printf x | dd of="$folder/model.safetensors" bs=1 seek=100000 conv=notrunc status=none
run pixgrepd model verify published
expect 2 "verify of a folder that changed"
says "verify of a folder that changed" "$folder/model.safetensors: the file published was imported from has changed"
run pixgrepd model remove published
rm "$folder/model.safetensors"

# What only says PyTorch and has OpenAI's names may be open_clip's.
if [ -r "$REFERENCE/models/vit-p14/vit-p14.open_clip.pt" ]; then
    run pixgrepd model import "$REFERENCE/models/vit-p14/vit-p14.open_clip.pt" --name assumed --no-use
    expect 0 "an open_clip checkpoint"
    prints "an open_clip checkpoint" "activation *QuickGELU, assumed; if it was trained with the other: --gelu exact$"
    prints "an open_clip checkpoint" "ignored *[0-9]* tensors\? of no part"
    run pixgrepd model remove assumed
    run pixgrepd model import "$REFERENCE/models/vit-p32/vit-p32.legacy.pth" --name legacy --no-use
    expect 0 "torch.save as before 1.6"
    head -c 1000000 "$REFERENCE/models/vit-p32/vit-p32.legacy.pth" >"$WORK/cut.pth"
    run pixgrepd model import "$WORK/cut.pth"
    expect 2 "torch.save as before 1.6, cut"
    says "torch.save as before 1.6, cut" "cut.pth: truncated torch.save file: 1000000 of 1719510 bytes"
    run pixgrepd model remove legacy
else
    echo "SKIP open_clip and old PyTorch: the reference data is not here"
fi

# An open_clip_config.json counts also beside a module, which OpenAI publishes without one; that of
# another model is refused.
mkdir "$WORK/beside"
cp "$golden/vit-p32/vit-p32.pt" "$WORK/beside/"
open_clip() { # open_clip EMBED_DIM
    echo "{\"model_cfg\":{\"embed_dim\":$1,\"vision_cfg\":{\"image_size\":96,\"layers\":2,\"width\":64,\"patch_size\":32},
        \"text_cfg\":{\"vocab_size\":512,\"width\":128,\"heads\":2,\"layers\":2}}}" >"$WORK/beside/open_clip_config.json"
}
open_clip 32
run pixgrepd model import "$WORK/beside" --no-use
expect 0 "a config beside a module"
prints "a config beside a module" "activation *exact GELU (open_clip_config.json)$"
run pixgrepd model remove beside
open_clip 9999
run pixgrepd model import "$WORK/beside" --no-use
expect 2 "the config of another model"
says "the config of another model" "beside/vit-p32.pt: the size of an embedding is 9999 by the config beside it or by default, but 32 by the tensors"

# What is no CLIP model is refused in one line that says what it is or lacks.
refuses() { # refuses FILE TEXT
    run pixgrepd model import "$1"
    expect 2 "import of $1"
    says "import of $1" "$2"
    check "import of $1: one line, not '$(cat "$WORK/err")'" test "$(wc -l <"$WORK/err")" -eq 1
}
safetensors() { # safetensors FILE NAME...: with tensors of one byte each
    local file=$1 header='' count=0
    shift
    for name; do
        header=$header,$(printf '"%s":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}' "$name" $count $((count + 1)))
        count=$((count + 1))
    done
    header="{${header#,}}"
    local size=${#header}
    { printf "\\x$(printf %02x $((size % 256)))\\x$(printf %02x $((size / 256)))\\0\\0\\0\\0\\0\\0%s" "$header" &&
        head -c $count /dev/zero; } >"$file"
}
safetensors "$WORK/classifier.safetensors" conv1.weight bn1.weight layer1.0.conv1.weight fc.weight
refuses "$WORK/classifier.safetensors" "not a CLIP model: it has no text tower"
safetensors "$WORK/llama.safetensors" model.embed_tokens.weight model.layers.0.self_attn.q_proj.weight lm_head.weight
refuses "$WORK/llama.safetensors" "not a CLIP model: it has no text tower"
mkdir "$WORK/encoder"
safetensors "$WORK/encoder/model.safetensors" text_model.embeddings.token_embedding.weight
echo '{"model_type":"clip_text_model"}' >"$WORK/encoder/config.json"
refuses "$WORK/encoder" "$WORK/encoder/"
mkdir "$WORK/siglip" "$WORK/halves"
safetensors "$WORK/siglip/model.safetensors" vision_model.head.probe text_model.head.weight
echo '{"model_type":"siglip"}' >"$WORK/siglip/config.json"
refuses "$WORK/siglip" "$WORK/siglip/config.json: model_type is \"siglip\", not \"clip\""
cp "$golden"/vit-p32/hf-f16/* "$WORK/halves/"
echo '{"image_mean":[0.5,0.5,0.5]}' >"$WORK/halves/preprocessor_config.json"
refuses "$WORK/halves" "preprocessor_config.json: image_mean is [0.5,0.5,0.5], but pixgrep has [0.48145466,0.4578275,0.40821073]"
printf 'GGUF\3\0\0\0' >"$WORK/x.gguf"
refuses "$WORK/x.gguf" "a GGUF model"
printf '\010\007\022\007pytorch\032\0052.0.1' >"$WORK/x.onnx"
refuses "$WORK/x.onnx" "an ONNX model"
tar -cf "$WORK/x.pt" -C "$SOURCE" LICENSE
refuses "$WORK/x.pt" "a tar archive"
printf '\n  <!DOCTYPE html>\n<title>404</title>' >"$WORK/ViT-B-32.pt"
refuses "$WORK/ViT-B-32.pt" "a web page (a download that failed?)"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 605\n' >"$WORK/encoder/model.safetensors"
refuses "$WORK/encoder" "run git lfs pull"
head -c 100000 "$golden/vit-p32/hf-f16/model.safetensors" >"$WORK/cut.safetensors"
refuses "$WORK/cut.safetensors" "truncated safetensors file: 100000 of 1560445 bytes"
refuses "$golden/vit-p32/hf-f16/config.json" "a JSON text; give the weights, or the folder they are in"
refuses "$SOURCE/tests/cli" "a folder without model.safetensors, pytorch_model.bin or another file of weights"

# The store keeps each model's vectors.
photos=$WORK/photos
mkdir "$photos"
cp "$SOURCE"/tests/golden/preprocess/images/off-*.png "$photos/"
run pixgrepd index "$photos"
expect 0 "index with bf16"
run pixgrepd index --model vit-p32 "$photos"
expect 0 "index with vit-p32"
prints "index with vit-p32" " 3 unchanged; 3 encoded"
run pixgrepd index --model "$models/half.pixm" "$photos"
expect 0 "the same weights under another name"
prints "the same weights under another name" " 3 unchanged; 0 encoded"
run pixgrepd status
check "status: both models" test "$(grep -c '^model *3 of 3 photos encoded with' "$WORK/out")" -eq 2

# What cannot be done.
run pixgrepd model use nosuch
expect 2 "use of an unknown model"
says "use of an unknown model" "nosuch"
run pixgrepd index --model nosuch "$photos"
expect 2 "index with an unknown model"
says "index with an unknown model" "nosuch"
run pixgrepd model import "$WORK/nowhere.pt"
expect 2 "import of nothing"
says "import of nothing" "nowhere.pt"
run pixgrepd model import "$photos/off-224x229.png"
expect 2 "import of a picture"
run pixgrepd model import "$golden/vit-p32/vit-p32.pt" --name ../evil
expect 2 "a name that leaves the folder"
check "a name that leaves the folder" test ! -e "$models/../evil.pixm"
run pixgrepd model import "$golden/vit-p32/vit-p32.pt" --name other --no-use --vocab "$SOURCE/LICENSE"
expect 0 "a vocabulary that does not fit"
says "a vocabulary that does not fit" "text cannot be encoded: $SOURCE/LICENSE: "
prints "a vocabulary that does not fit" "vocabulary *none"
run pixgrepd model import "$golden/vit-p32/vit-p32.pt" --name other --no-use --vocab "$SOURCE/LICENSE" --json
expect 0 "a vocabulary that does not fit, --json"
says "a vocabulary that does not fit, --json" "pixgrepd: model import: text cannot be encoded: $SOURCE/LICENSE: "
prints "a vocabulary that does not fit, --json" "\"vocabulary\":null,\"no_vocabulary\":\"text cannot"
run pixgrepd model remove other
expect 0 "remove a model that is not current"
odd=$WORK/$(printf 'odd\351')
mkdir "$odd"
cp "$golden"/vit-p32/hf-f16/* "$odd/"
mv "$odd/model.safetensors" "$odd/$(printf 'w\351.safetensors')"
cp "$SOURCE/LICENSE" "$odd/merges.txt"
run pixgrepd model import "$odd" --name other --no-use --json
expect 0 "a name that is not UTF-8"
prints "a name that is not UTF-8" "\"weights_base64\":\"d+kuc2FmZXRlbnNvcnM=\",\"not_used\":null"
says "a vocabulary beside that does not fit" "text cannot be encoded: "
run pixgrepd model remove other
head -c 1000000 "$golden/vit-p32/vit-p32.pt" >"$WORK/cut.pt"
run pixgrepd model import "$WORK/cut.pt"
expect 2 "a file that is cut"
check "failed imports leave no file" test "$(ls "$models" | grep -c pixm)" -eq 3

# Damage is found; a model can be imported again over the damaged one.
size=$(stat -c %s "$models/bf16.pixm")
printf 'x' | dd of="$models/bf16.pixm" bs=1 seek=$((size / 2)) conv=notrunc status=none
run pixgrepd model verify bf16
expect 2 "verify of a damaged file"
says "verify of a damaged file" "bf16.pixm"
run pixgrepd model verify
expect 2 "verify of all, one damaged"
says "verify of all, one damaged" "not every model is as it was imported"
prints "verify of all, one damaged" "^bf16: .*bf16.pixm: "
check "verify of all, one damaged: the others are checked" \
    test "$(grep -c ': as imported, and so is the file it came from$' "$WORK/out")" -eq 2
run pixgrepd model import "$golden/vit-p14/hf-bf16" --name bf16
expect 0 "import again"
run pixgrepd model verify bf16
expect 0 "verify after importing again"
cp "$golden/vit-p32/vit-p32.pt" "$WORK/mine.pt"
run pixgrepd model import "$WORK/mine.pt"
expect 0 "import of a copy"
echo more >>"$WORK/mine.pt"
run pixgrepd model verify mine
expect 2 "verify of a source that changed"
says "verify of a source that changed" "$WORK/mine.pt: the file mine was imported from has changed"
run pixgrepd model verify
expect 2 "verify of all, one source changed"
prints "verify of all, one source changed" "^mine: .*the file mine was imported from has changed$"
prints "verify of all, one source changed" "^vit-p32: as imported"
run pixgrepd model verify --no-source mine
expect 0 "verify --no-source"
prints "verify --no-source" "^mine: as imported$"
run pixgrepd model verify --no-source
expect 0 "verify --no-source of all"
check "verify --no-source of all" test "$(grep -c ': as imported$' "$WORK/out")" -eq 4
printf x | dd of="$models/mine.pixm" bs=1 seek=$((size / 2)) conv=notrunc status=none
run pixgrepd model verify --no-source mine
expect 2 "verify --no-source of a damaged file"
says "verify --no-source of a damaged file" "mine.pixm: its contents are not what import wrote"
cp "$golden/vit-p32/vit-p32.pt" "$WORK/mine.pt"
run pixgrepd model import "$WORK/mine.pt"
expect 0 "import again over a damaged file"
rm "$WORK/mine.pt"
run pixgrepd model verify mine
expect 0 "verify without its source"
prints "verify without its source" "is gone"

# A current model that is gone or damaged is told, and does not keep status from the rest.
unusable() { # unusable WHAT TEXT: status says so
    run pixgrepd status
    expect 0 "status, $1"
    prints "status, $1" "^model     the current one cannot be used: .*$2"
    prints "status, $1" "^model     3 of 3 photos encoded with half$"
    run pixgrepd status --json
    expect 0 "status --json, $1"
    prints "status --json, $1" "\"current_model_error\":\".*$2"
}
mv "$models/mine.pixm" "$WORK/"
unusable "the current model is gone" "the model in use, mine, is gone"
prints "status --json, the current model is gone" '"current_model":"mine"'
for what in list verify; do
    run pixgrepd model $what
    expect 2 "$what, the current model is gone"
    says "$what, the current model is gone" "the model in use, mine, is gone"
    prints "$what, the current model is gone" "vit-p32"
done
head -c 1000 "$WORK/mine.pixm" >"$models/mine.pixm"
unusable "the current model is damaged" "mine.pixm: "
run pixgrepd model list --json
expect 2 "list --json, the current model is damaged"
prints "list --json, the current model is damaged" "^{\"name\":\"mine\",\"current\":true,\"bundled\":null,\"text\":null,\"fingerprint\":null,\"precision\":null,\"fidelity\":null,\"source_sha256\":null,\"error\":\".*mine.pixm: .*\"}$"
mv "$WORK/mine.pixm" "$models/"
echo ../mine >"$models/current"
unusable "no model's name is current" "current: not a model's name"
run pixgrepd model verify
expect 2 "verify, no model's name is current"
prints "verify, no model's name is current" "^mine: as imported"
run pixgrepd model use mine
expect 0 "use again"
run pixgrepd status --json
prints "status --json" '"current_model":"mine","current_model_error":null'

run pixgrepd model remove mine
expect 0 "remove"
check "remove: no file is left" test ! -e "$models/mine.pixm"
run pixgrepd model remove mine
expect 2 "remove twice"
run pixgrepd index "$photos"
expect 2 "no current model after its removal"
says "no current model after its removal" "pixgrepd model"

# A ModifiedResNet is a model like any other.
run pixgrepd model import "$golden/rn-tiny/rn-tiny.pt"
expect 0 "import of a ResNet"
prints "import of a ResNet" "vision *ResNet, 1-1-2-1 blocks of width 16$"
prints "import of a ResNet" "pictures *64 x 64 pixels -> 64 numbers$"
prints "import of a ResNet" "1,541,657"
run pixgrepd model verify rn-tiny
expect 0 "verify of a ResNet"
run pixgrepd index "$photos"
expect 0 "index with a ResNet"
prints "index with a ResNet" " 3 unchanged; 3 encoded"
run pixgrep -l -k 10 "$photos/off-224x229.png"
expect 0 "query with a ResNet"
check "query with a ResNet: all photos" test "$(wc -l <"$WORK/out")" -eq 3
check "query with a ResNet: the picture itself comes first" \
    test "$(head -n 1 "$WORK/out")" = "$photos/off-224x229.png"
head -c 2000000 "$golden/rn-tiny/rn-tiny.pt" >"$WORK/rn-cut.pt"
run pixgrepd model import "$WORK/rn-cut.pt"
expect 2 "a ResNet that is cut"
says "a ResNet that is cut" "rn-cut.pt: "
check "a ResNet that is cut: one line" test "$(wc -l <"$WORK/err")" -eq 1

# With a real vocabulary, text works.
if [ -r "$REFERENCE/models/vit-tiny/vit-tiny.pt" ]; then
    run pixgrepd model import "$REFERENCE/models/vit-tiny/vit-tiny.pt" --vocab "$REFERENCE/bpe_simple_vocab_16e6.txt.gz"
    expect 0 "import with a vocabulary"
    prints "import with a vocabulary" "vocabulary *$REFERENCE/bpe_simple_vocab_16e6.txt.gz"
    check "import with a vocabulary: no complaint" test ! -s "$WORK/err"
    run pixgrepd model list
    prints "list" "^\* vit-tiny.*text and pictures"
    run env PIXGREP_VOCAB="$REFERENCE/bpe_simple_vocab_16e6.txt.gz" pixgrepd model import "$REFERENCE/models/vit-tiny/vit-tiny.pt"
    expect 0 "import with PIXGREP_VOCAB"
    prints "import with PIXGREP_VOCAB" "vocabulary *$REFERENCE/bpe_simple_vocab_16e6.txt.gz"
else
    echo "SKIP a real vocabulary: the reference data is not here"
fi
finish
