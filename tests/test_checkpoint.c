#include "tests/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/files.h"
#include "core/weights/checkpoint.h"
#include "tests/archives.h"

/* files that are right: the goldens hold the same numbers in several formats */

static pix_checkpoint *opened(const char *path) {
    pix_checkpoint *checkpoint;
    pix_error error;
    assert_ok(pix_checkpoint_open(path, &checkpoint, &error), &error);
    return checkpoint;
}

static size_t elements_of(const pix_tensor_info *info) {
    size_t elements = 1;
    for (int i = 0; i < info->rank; i++)
        elements *= (size_t)info->shape[i];
    return elements;
}

/* The caller frees it. */
static float *values_of(pix_checkpoint *checkpoint, const pix_tensor_info *info) {
    pix_error error;
    float *values = malloc(elements_of(info) * sizeof *values + 1);
    assert_ok(pix_checkpoint_read(checkpoint, info, values, &error), &error);
    return values;
}

static float round_to_bfloat16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits += 0x7FFF + (bits >> 16 & 1);
    bits &= 0xFFFF0000;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Every tensor of `got` is in `expected` with equal shape and numbers; and the other way round but
 * for three scalars. */
static void assert_same_model(const char *got_path, const char *expected_path, bool bfloat16) {
    pix_checkpoint *got = opened(got_path), *expected = opened(expected_path);
    size_t scalars = 0;
    for (size_t i = 0; i < pix_checkpoint_count(expected); i++) {
        const pix_tensor_info *want = pix_checkpoint_info(expected, i);
        const pix_tensor_info *info = pix_checkpoint_find(got, want->name);
        if (!info) {
            assert_int_equal(want->rank, 0);
            scalars++;
            continue;
        }
        assert_int_equal(info->rank, want->rank);
        for (int k = 0; k < want->rank; k++)
            assert_int_equal(info->shape[k], want->shape[k]);
        float *a = values_of(got, info), *b = values_of(expected, want);
        for (size_t k = 0; k < elements_of(want); k++)
            if (a[k] != (bfloat16 ? round_to_bfloat16(b[k]) : b[k]))
                fail_msg("%s[%zu] is %g instead of %g", want->name, k, (double)a[k], (double)b[k]);
        free(a);
        free(b);
    }
    assert_int_equal(pix_checkpoint_count(got) + scalars, pix_checkpoint_count(expected));
    pix_checkpoint_close(got);
    pix_checkpoint_close(expected);
}

static void a_torchscript_archive_has_the_names_of_a_state_dict(void **state) {
    (void)state;
    pix_checkpoint *checkpoint = opened(test_golden("models/vit-p32/vit-p32.pt"));
    assert_string_equal(pix_checkpoint_format(checkpoint), "TorchScript archive");
    assert_string_equal(pix_checkpoint_path(checkpoint), test_golden("models/vit-p32/vit-p32.pt"));
    assert_int_equal(pix_checkpoint_count(checkpoint), 65);
    const pix_tensor_info *conv1 = pix_checkpoint_find(checkpoint, "visual.conv1.weight");
    assert_non_null(conv1);
    assert_string_equal(conv1->dtype, "F16");
    assert_int_equal(conv1->rank, 4);
    assert_int_equal(conv1->shape[0], 64);
    assert_int_equal(conv1->shape[3], 32);
    const pix_tensor_info *size = pix_checkpoint_find(checkpoint, "input_resolution");
    assert_non_null(size);
    assert_string_equal(size->dtype, "I64");
    assert_int_equal(size->rank, 0);
    float value;
    pix_error error;
    assert_ok(pix_checkpoint_read(checkpoint, size, &value, &error), &error);
    assert_true(value == 96);
    assert_null(pix_checkpoint_find(checkpoint, "visual.conv1"));
    const pix_checkpoint_hints *hints = pix_checkpoint_hint(checkpoint);
    assert_false(hints->exact_gelu);
    assert_int_equal(hints->vision_heads, 0);
    assert_int_equal(hints->end_token, -1);
    assert_true(hints->layer_norm_eps == 1e-5);
    pix_checkpoint_close(checkpoint);
}

static void hugging_face_and_torchscript_files_hold_the_same_model(void **state) {
    (void)state;
    const char *hugging_face = test_golden("models/vit-p32/hf-f16");
    assert_same_model(hugging_face, test_golden("models/vit-p32/vit-p32.pt"), false);
    pix_checkpoint *checkpoint = opened(hugging_face);
    assert_string_equal(pix_checkpoint_format(checkpoint), "safetensors");
    const pix_checkpoint_hints *hints = pix_checkpoint_hint(checkpoint);
    assert_false(hints->exact_gelu);
    assert_int_equal(hints->vision_heads, 1);
    assert_int_equal(hints->text_heads, 2);
    assert_int_equal(hints->end_token, 511);
    pix_checkpoint_close(checkpoint);
}

static void every_format_of_the_reference_holds_the_same_model(void **state) {
    (void)state;
    if (!test_exists(test_reference("models/vit-p14/vit-p14.pt")))
        test_skip("the reference data is not here");
    const char *p14 = test_reference("models/vit-p14/vit-p14.pt");
    const char *p32 = test_reference("models/vit-p32/vit-p32.pt");
    assert_same_model(test_reference("models/vit-p14/hf-f32"), p14, false);
    assert_same_model(test_reference("models/vit-p14/hf-f32/model.safetensors"), p14, false);
    assert_same_model(test_reference("models/vit-p14/hf-bf16"), p14, true);
    assert_same_model(test_reference("models/vit-p14/vit-p14.strided.pth"), p14, false);
    assert_same_model(test_reference("models/vit-p14/vit-p14.open_clip.pt"), p14, false);
    assert_same_model(test_reference("models/vit-p32/vit-p32.state_dict.pth"), p32, false);
    assert_same_model(test_reference("models/vit-p32/vit-p32.legacy.pth"), p32, false);
    /* The old config's end token, 2, means the highest id. */
    pix_checkpoint *old = opened(test_reference("models/vit-p14/hf-f32"));
    assert_int_equal(pix_checkpoint_hint(old)->end_token, -1);
    pix_checkpoint_close(old);
}

static void the_digest_is_that_of_the_weights_file(void **state) {
    (void)state;
    const char *path = test_golden("models/vit-p32/hf-f16");
    pix_checkpoint *checkpoint = opened(path);
    pix_bytes content = {0}, list = {0};
    pix_error error;
    uint8_t expected[PIX_SHA256_BYTES], digest[PIX_SHA256_BYTES];
    assert_ok(pix_file_read(pix_checkpoint_path(checkpoint), 1 << 24, &content, &error), &error);
    pix_sha256 hash;
    pix_sha256_init(&hash);
    pix_sha256_add(&hash, content.data, content.size);
    pix_sha256_finish(&hash, expected);
    assert_ok(pix_checkpoint_sha256(checkpoint, digest, &list, &error), &error);
    assert_memory_equal(digest, expected, sizeof digest);
    char hex[PIX_SHA256_HEX], line[PIX_SHA256_HEX + 32];
    pix_hex(digest, sizeof digest, hex);
    (void)snprintf(line, sizeof line, "%s  model.safetensors", hex);
    assert_int_equal(list.size, strlen(line) + 1);
    assert_string_equal(list.data, line);
    pix_bytes_free(&list);
    pix_bytes_free(&content);
    pix_checkpoint_close(checkpoint);
}

/* PyTorch archives made by hand */

typedef struct layout {
    const char *type;
    const char *key;
    int64_t stored, offset;
    int rank;
    int64_t shape[9], stride[9];
} layout;

static const layout two_by_three = {"FloatStorage", "0", 6, 0, 2, {2, 3}, {3, 1}};

static void put_tensor(pix_bytes *pickle, const layout *l) {
    put_opcodes(pickle, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_text(pickle, "storage");
    put_opcodes(pickle, "ctorch\n");
    put_opcodes(pickle, l->type);
    put_opcodes(pickle, "\n");
    put_text(pickle, l->key);
    put_text(pickle, "cuda:0");
    put_integer(pickle, l->stored);
    put_opcodes(pickle, "tQ");
    put_integer(pickle, l->offset);
    put_opcodes(pickle, "(");
    for (int i = 0; i < l->rank; i++)
        put_integer(pickle, l->shape[i]);
    put_opcodes(pickle, "t(");
    for (int i = 0; i < l->rank; i++)
        put_integer(pickle, l->stride[i]);
    put_opcodes(pickle, "t\x89"
                        "ccollections\nOrderedDict\n)RtR");
}

static void begin_module(pix_bytes *pickle) {
    put_opcodes(pickle, "c__torch__.any.___torch_mangle_7\nM\n)\x81}(");
}

/* The path, in a static buffer, of an archive with this pickle and a storage of the six floats
 * 0 to 5. */
static const char *write_archive(const pix_bytes *pickle, const char *byte_order) {
    static char path[128];
    static const float numbers[] = {0, 1, 2, 3, 4, 5};
    if (path[0] == '\0')
        (void)snprintf(path, sizeof path, "%s/hand.pt", test_folder());
    zip_writer zip = {0};
    zip_add(&zip, "archive/data.pkl", pickle->data, pickle->size);
    zip_add(&zip, "archive/data/0", numbers, sizeof numbers);
    zip_add_deflated(&zip, "archive/data/packed", numbers, sizeof numbers);
    if (byte_order)
        zip_add(&zip, "archive/byteorder", byte_order, strlen(byte_order));
    zip_finish(&zip);
    test_write_file(path, zip.file.data, zip.file.size);
    zip_free(&zip);
    return path;
}

static void check_refused(const char *path, pix_status status, const char *text) {
    pix_checkpoint *checkpoint;
    pix_error error = {0};
    assert_int_equal(pix_checkpoint_open(path, &checkpoint, &error), status);
    assert_null(checkpoint);
    if (!strstr(error.text, text) || !strstr(error.text, path) || strchr(error.text, '\n'))
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", error.text, text, path);
}

static void pickle_refused(pix_bytes *pickle, pix_status status, const char *text) {
    check_refused(write_archive(pickle, NULL), status, text);
    pix_bytes_free(pickle);
}

static void layout_refused(const layout *l, pix_status status, const char *text) {
    pix_bytes pickle = {0};
    begin_module(&pickle);
    put_text(&pickle, "x");
    put_tensor(&pickle, l);
    put_opcodes(&pickle, "ub.");
    pickle_refused(&pickle, status, text);
}

/* Opens an archive with one tensor x and checks its numbers. */
static void check_layout(const layout *l, const float *expected, size_t count) {
    pix_bytes pickle = {0};
    begin_module(&pickle);
    put_text(&pickle, "x");
    put_tensor(&pickle, l);
    put_opcodes(&pickle, "ub.");
    pix_checkpoint *checkpoint = opened(write_archive(&pickle, "little"));
    const pix_tensor_info *info = pix_checkpoint_find(checkpoint, "x");
    assert_non_null(info);
    assert_int_equal(elements_of(info), count);
    float *values = values_of(checkpoint, info);
    assert_memory_equal(values, expected, count * sizeof *expected);
    free(values);
    pix_checkpoint_close(checkpoint);
    pix_bytes_free(&pickle);
}

static void offsets_and_strides_are_honoured(void **state) {
    (void)state;
    check_layout(&two_by_three, (const float[]){0, 1, 2, 3, 4, 5}, 6);
    layout l = {"FloatStorage", "0", 6, 0, 2, {3, 2}, {1, 3}};
    check_layout(&l, (const float[]){0, 3, 1, 4, 2, 5}, 6);
    l = (layout){"FloatStorage", "0", 6, 1, 1, {3}, {2}};
    check_layout(&l, (const float[]){1, 3, 5}, 3);
    l = (layout){"FloatStorage", "0", 6, 5, 0, {0}, {0}};
    check_layout(&l, (const float[]){5}, 1);
    l = (layout){"FloatStorage", "0", 6, 4, 2, {2, 3}, {0, 0}};
    check_layout(&l, (const float[]){4, 4, 4, 4, 4, 4}, 6);
    l = (layout){"FloatStorage", "0", 6, 0, 3, {2, 1, 2}, {1, 9000, 3}};
    check_layout(&l, (const float[]){0, 3, 1, 4}, 4);
    l = (layout){"FloatStorage", "0", 6, 0, 3, {1, 2, 2}, {0, 2, 1}};
    check_layout(&l, (const float[]){0, 1, 2, 3}, 4);
    l = (layout){"FloatStorage", "0", 6, 0, 2, {0, 3}, {3, 1}};
    check_layout(&l, NULL, 0);
    l = (layout){"FloatStorage", "gone", 0, 0, 1, {0}, {1}}; /* PyTorch leaves empty files out */
    check_layout(&l, NULL, 0);
}

static void tensors_outside_their_storage_are_refused(void **state) {
    (void)state;
    layout l = two_by_three;
    l.offset = 1;
    layout_refused(&l, PIX_EFORMAT, "tensor x: reaches beyond the 6 elements of its storage");
    l = two_by_three;
    l.offset = INT64_MAX;
    layout_refused(&l, PIX_EFORMAT, "tensor x: reaches beyond");
    l = two_by_three;
    l.stride[0] = 4;
    layout_refused(&l, PIX_EFORMAT, "tensor x: reaches beyond");
    l.stride[0] = INT64_MAX;
    layout_refused(&l, PIX_EFORMAT, "tensor x: reaches beyond");
    l.stride[0] = -3;
    layout_refused(&l, PIX_EFORMAT, "tensor x: malformed or negative stride");
    l = two_by_three;
    l.shape[0] = -2;
    layout_refused(&l, PIX_EFORMAT, "tensor x: malformed shape");
    l = two_by_three;
    l.offset = -1;
    layout_refused(&l, PIX_EFORMAT, "tensor x: malformed offset");
    l = two_by_three;
    l.stored = 7;
    layout_refused(&l, PIX_EFORMAT, "archive/data/0 has 24 bytes of 28");
    l.stored = INT64_MAX;
    layout_refused(&l, PIX_EFORMAT, "tensor x: malformed storage");
    l.stored = -1;
    layout_refused(&l, PIX_EFORMAT, "tensor x: malformed storage");
    l = two_by_three;
    l.type = "DoubleStorage";
    layout_refused(&l, PIX_EFORMAT, "has 24 bytes of 48");
    l.type = "QInt8Storage";
    layout_refused(&l, PIX_EUNSUPPORTED, "tensor x: storage type torch QInt8Storage");
    l = two_by_three;
    l.key = "1";
    layout_refused(&l, PIX_EFORMAT, "its storage is not in the archive");
    l.key = "../data.pkl";
    layout_refused(&l, PIX_EFORMAT, "its storage is not in the archive");
    l.key = "packed";
    layout_refused(&l, PIX_EUNSUPPORTED, "archive/data/packed is compressed");
    l = (layout){"FloatStorage", "0", 6, 0, 9, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {0}};
    layout_refused(&l, PIX_EUNSUPPORTED, "tensor x: 9 dimensions");
    /* One number repeated for ever. */
    l = (layout){"FloatStorage", "0", 6, 0, 2, {1 << 20, 1 << 20}, {0, 0}};
    layout_refused(&l, PIX_ELIMIT, "tensor x: more than");
}

static void what_pytorch_would_call_is_refused_by_name(void **state) {
    (void)state;
    pix_bytes pickle = {0};
    put_opcodes(&pickle, "\x80\2cos\nsystem\n");
    put_text(&pickle, "touch /tmp/pwned");
    put_opcodes(&pickle, "\x85R.");
    pickle_refused(&pickle, PIX_EUNSUPPORTED,
                   "archive/data.pkl: pickle asks for the global os system at byte 2");
    begin_module(&pickle);
    put_text(&pickle, "x");
    put_opcodes(&pickle, "ctorch._utils\n_rebuild_qtensor\n)Rub.");
    pickle_refused(&pickle, PIX_EUNSUPPORTED, "tensor x is made by torch._utils _rebuild_qtensor");
    begin_module(&pickle);
    put_text(&pickle, "a\n\x1b[1m");
    put_tensor(&pickle, &two_by_three);
    put_opcodes(&pickle, "ub.");
    pickle_refused(&pickle, PIX_EFORMAT, "not printable");
    put_opcodes(&pickle, "].");
    pickle_refused(&pickle, PIX_EFORMAT, "holds a list, neither a module nor a state dict");
    put_opcodes(&pickle, "}.");
    pickle_refused(&pickle, PIX_EFORMAT, "holds no tensors");
}

static void shared_modules_have_two_names_and_a_cycle_ends(void **state) {
    (void)state;
    pix_bytes pickle = {0};
    put_opcodes(&pickle, "c__torch__\nTop\n)\x81q\7}("); /* the top is memo 7 */
    put_text(&pickle, "a");
    put_opcodes(&pickle, "c__torch__\nSub\n)\x81q\10}(");
    put_text(&pickle, "weight");
    put_tensor(&pickle, &two_by_three);
    put_text(&pickle, "parent");
    put_opcodes(&pickle, "h\7ub");
    put_text(&pickle, "b");
    put_opcodes(&pickle, "h\10");
    put_text(&pickle, "training");
    put_opcodes(&pickle, "\x89ub.");
    pix_checkpoint *checkpoint = opened(write_archive(&pickle, NULL));
    assert_int_equal(pix_checkpoint_count(checkpoint), 2);
    assert_non_null(pix_checkpoint_find(checkpoint, "a.weight"));
    assert_non_null(pix_checkpoint_find(checkpoint, "b.weight"));
    pix_checkpoint_close(checkpoint);
    pix_bytes_free(&pickle);
}

static void a_name_that_stands_for_two_tensors_is_refused(void **state) {
    (void)state;
    pix_bytes pickle = {0};
    begin_module(&pickle);
    put_text(&pickle, "x");
    put_tensor(&pickle, &two_by_three);
    put_text(&pickle, "x");
    put_tensor(&pickle, &two_by_three);
    put_opcodes(&pickle, "ub.");
    pickle_refused(&pickle, PIX_EFORMAT, "there are two tensors named x");
}

static void modules_nested_too_deep_or_too_often_are_refused(void **state) {
    (void)state;
    enum { DEEP = 100 };
    pix_bytes pickle = {0};
    for (int i = 0; i < DEEP; i++) {
        begin_module(&pickle);
        put_text(&pickle, "m");
    }
    put_opcodes(&pickle, "N");
    for (int i = 0; i < DEEP; i++)
        put_opcodes(&pickle, "ub");
    put_opcodes(&pickle, ".");
    pickle_refused(&pickle, PIX_ELIMIT, "modules are nested more than 64 deep");

    /* Each module holds the one before it twice: 2^40 names. */
    put_opcodes(&pickle, "N");
    for (int i = 0; i < 40; i++) {
        put_opcodes(&pickle, "q\1");
        put_opcodes(&pickle, "0");
        begin_module(&pickle);
        put_text(&pickle, "a");
        put_opcodes(&pickle, "h\1");
        put_text(&pickle, "b");
        put_opcodes(&pickle, "h\1ub");
    }
    put_opcodes(&pickle, ".");
    pickle_refused(&pickle, PIX_ELIMIT, "more than 1048576 modules and attributes");
}

static void a_zip_that_is_no_checkpoint_says_why(void **state) {
    (void)state;
    pix_bytes pickle = {0};
    begin_module(&pickle);
    put_text(&pickle, "x");
    put_tensor(&pickle, &two_by_three);
    put_opcodes(&pickle, "ub.");
    check_refused(write_archive(&pickle, "big"), PIX_EUNSUPPORTED, "not little-endian");
    pix_bytes_free(&pickle);

    char path[128];
    (void)snprintf(path, sizeof path, "%s/x.zip", test_folder());
    zip_writer zip = {0};
    zip_add(&zip, "readme.txt", "hello", 5);
    zip_finish(&zip);
    test_write_file(path, zip.file.data, zip.file.size);
    check_refused(path, PIX_EUNSUPPORTED, "a zip archive of 1 files without a data.pkl");
    test_write_file(path, zip.file.data, zip.file.size - 1);
    check_refused(path, PIX_EFORMAT, "truncated zip archive");
    zip_free(&zip);

    zip_add(&zip, "a/data.pkl", "N.", 2);
    zip_add(&zip, "b/data.pkl", "N.", 2);
    zip_finish(&zip);
    test_write_file(path, zip.file.data, zip.file.size);
    check_refused(path, PIX_EFORMAT, "both a/data.pkl and b/data.pkl");
    zip_free(&zip);
}

/* Hugging Face folders made by hand */

/* A folder with one tensor, enough to be a Hugging Face model, and this config (NULL: none). */
static const char *hf_folder(const char *header, const char *config) {
    static char folder[96];
    char path[128];
    pix_bytes file = {0};
    (void)snprintf(folder, sizeof folder, "%s", test_folder());
    put_number(&file, strlen(header), 8);
    put_opcodes(&file, header);
    for (int i = 0; i < 64; i++)
        put_number(&file, (uint64_t)i, 1);
    (void)snprintf(path, sizeof path, "%s/model.safetensors", folder);
    test_write_file(path, file.data, file.size);
    (void)snprintf(path, sizeof path, "%s/config.json", folder);
    if (config)
        test_write_file(path, config, strlen(config));
    pix_bytes_free(&file);
    return folder;
}

#define U8(name, shape, from, to)                                                                  \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"
#define ONE_TENSOR "{" U8("vision_model.embeddings.class_embedding", "[4]", "0", "4") "}"

static void a_hugging_face_model_comes_with_its_config(void **state) {
    (void)state;
    pix_checkpoint *checkpoint =
        opened(hf_folder(ONE_TENSOR, "{\"vision_config\":{\"num_attention_heads\":16},"
                                     "\"text_config\":{\"num_attention_heads\":20}}"));
    assert_int_equal(pix_checkpoint_hint(checkpoint)->vision_heads, 16);
    assert_int_equal(pix_checkpoint_hint(checkpoint)->text_heads, 20);
    pix_checkpoint_close(checkpoint);
    pix_error error = {0};
    assert_int_equal(pix_checkpoint_open(hf_folder(ONE_TENSOR, "{\"model_type\":\"siglip\"}"),
                                         &checkpoint, &error),
                     PIX_EUNSUPPORTED);
    if (!strstr(error.text, "/config.json: model_type is \"siglip\""))
        fail_msg("%s", error.text);
    assert_int_equal(pix_checkpoint_open(hf_folder(ONE_TENSOR, NULL), &checkpoint, &error),
                     PIX_ENOTFOUND);
    if (!strstr(error.text, "/config.json: missing"))
        fail_msg("%s", error.text);
}

#define Q(part) "vision_model.encoder.layers.3.self_attn." part "_proj.weight"
static const char any_config[] = "{\"text_config\":{},\"vision_config\":{}}";

static void q_k_and_v_are_joined_and_projections_turned(void **state) {
    (void)state;
    pix_checkpoint *checkpoint = opened(hf_folder(
        "{" U8("visual_projection.weight", "[2,3]", "0", "6") "," U8(
            Q("v"), "[1,2]", "6", "8") "," U8(Q("q"), "[1,2]", "8", "10") "," U8(Q("k"), "[1,2]",
                                                                                 "10", "12") "}",
        any_config));
    assert_int_equal(pix_checkpoint_count(checkpoint), 2);
    const pix_tensor_info *proj = pix_checkpoint_find(checkpoint, "visual.proj");
    assert_non_null(proj);
    assert_int_equal(proj->shape[0], 3);
    float *values = values_of(checkpoint, proj);
    assert_memory_equal(values, ((const float[]){0, 3, 1, 4, 2, 5}), 6 * sizeof(float));
    free(values);
    const pix_tensor_info *joined =
        pix_checkpoint_find(checkpoint, "visual.transformer.resblocks.3.attn.in_proj_weight");
    assert_non_null(joined);
    assert_int_equal(joined->shape[0], 3);
    assert_int_equal(joined->shape[1], 2);
    values = values_of(checkpoint, joined);
    assert_memory_equal(values, ((const float[]){8, 9, 10, 11, 6, 7}), 6 * sizeof(float));
    free(values);
    pix_checkpoint_close(checkpoint);
}

/* Their towers have names of their own besides those that Hugging Face's CLIP has too. */
static void a_model_of_another_kind_is_refused_by_its_type(void **state) {
    (void)state;
    static const struct {
        const char *type, *header;
    } cases[] = {
        {"siglip", "{" U8("vision_model.head.probe", "[1]", "0", "1") "}"},
        {"chinese_clip",
         "{" U8("text_model.encoder.layer.0.output.dense.bias", "[1]", "0", "1") "}"},
        {"altclip", "{" U8("text_model.roberta.embeddings.LayerNorm.bias", "[1]", "0", "1") "}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char config[64], expected[96];
        (void)snprintf(config, sizeof config, "{\"model_type\":\"%s\"}", cases[i].type);
        (void)snprintf(expected, sizeof expected,
                       "/config.json: model_type is \"%s\", not \"clip\"", cases[i].type);
        check_refused(hf_folder(cases[i].header, config), PIX_EUNSUPPORTED, expected);
    }
}

static void names_refused(const char *header, pix_status status, const char *text) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/model.safetensors", hf_folder(header, any_config));
    check_refused(path, status, text);
}

static void a_hugging_face_model_with_parts_missing_or_unknown_is_refused(void **state) {
    (void)state;
    names_refused("{" U8(Q("q"), "[1,2]", "0", "2") "," U8(Q("k"), "[1,2]", "2", "4") "}",
                  PIX_EFORMAT, "has no v_proj beside it");
    names_refused("{" U8(Q("q"), "[1,2]", "0", "2") "," U8(Q("k"), "[2,1]", "2", "4") "," U8(
                      Q("v"), "[1,2]", "4", "6") "}",
                  PIX_EFORMAT, "differ in shape");
    names_refused("{" U8("vision_model.head.probe", "[1]", "0", "1") "}", PIX_EUNSUPPORTED,
                  "tensor vision_model.head.probe is not a part of a CLIP model");
    names_refused("{" U8("vision_model.encoder.layers.x.mlp.fc1.bias", "[1]", "0", "1") "}",
                  PIX_EUNSUPPORTED, "is not a part of a CLIP model");
    names_refused("{" U8("text_projection.weight", "[1]", "0",
                         "1") "," U8("text_model.final_layer_norm.bias", "[1]", "1", "2") "}",
                  PIX_EFORMAT, "text_projection.weight has 1 dimensions instead of 2");
}

/* files that are something else */

static void a_file_that_is_no_checkpoint_says_what_it_looks_like(void **state) {
    (void)state;
    static const struct {
        const char *content;
        size_t size;
        pix_status status;
        const char *text;
    } cases[] = {
        {"", 0, PIX_EFORMAT, "an empty file"},
        {"<!DOCTYPE html><html>", 21, PIX_EFORMAT, "a web page (a download that failed?)"},
        {"<HTML>", 6, PIX_EFORMAT, "a web page"},
        {"version https://git-lfs.github.com/spec/v1\noid", 46, PIX_EFORMAT, "git lfs pull"},
        {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15, PIX_EFORMAT,
         "truncated or damaged torch.save file: the version has no end in its 15 bytes"},
        {"\x80\x04]", 3, PIX_EFORMAT, "a Python pickle, but not one of torch.save"},
        {"GGUF\3\0\0\0", 8, PIX_EUNSUPPORTED, "a GGUF model"},
        {"\x1c\0\0\0TFL3\x14", 9, PIX_EUNSUPPORTED, "a TFLite model"},
        {"\xff\xd8\xff\xe0", 4, PIX_EFORMAT, "a JPEG picture"},
        {"{\"text_config\":", 15, PIX_EFORMAT, "a JSON text"},
        {"hello, world\n", 13, PIX_EFORMAT, "looks like text (13 bytes)"},
        {"\0\0\0\0\0\0\0\0\0\0", 10, PIX_EFORMAT, "zeros"},
        {"\1\2\3\4\5\6\7\x10", 8, PIX_EFORMAT, "unknown binary data (8 bytes)"},
    };
    char path[128];
    (void)snprintf(path, sizeof path, "%s/file", test_folder());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_write_file(path, cases[i].content, cases[i].size);
        check_refused(path, cases[i].status, cases[i].text);
    }
    check_refused(test_folder(), PIX_ENOTFOUND, "a folder without model.safetensors");
    check_refused("/nonexistent/ViT-B-32.pt", PIX_ENOTFOUND, "No such file");
    check_refused("/dev/null", PIX_EUNSUPPORTED, "not a regular file");
}

static void an_error_may_be_left_out(void **state) {
    (void)state;
    pix_checkpoint *checkpoint;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/file", test_folder());
    test_write_file(path, "PK\3\4", 4);
    assert_int_equal(pix_checkpoint_open(path, &checkpoint, NULL), PIX_EFORMAT);
    assert_int_equal(pix_checkpoint_open("/nonexistent", &checkpoint, NULL), PIX_ENOTFOUND);
    assert_int_equal(pix_checkpoint_open(hf_folder(ONE_TENSOR, "["), &checkpoint, NULL),
                     PIX_EFORMAT);
    pix_checkpoint_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_torchscript_archive_has_the_names_of_a_state_dict),
        cmocka_unit_test(hugging_face_and_torchscript_files_hold_the_same_model),
        cmocka_unit_test(every_format_of_the_reference_holds_the_same_model),
        cmocka_unit_test(the_digest_is_that_of_the_weights_file),
        cmocka_unit_test(offsets_and_strides_are_honoured),
        cmocka_unit_test(tensors_outside_their_storage_are_refused),
        cmocka_unit_test(what_pytorch_would_call_is_refused_by_name),
        cmocka_unit_test(shared_modules_have_two_names_and_a_cycle_ends),
        cmocka_unit_test(a_name_that_stands_for_two_tensors_is_refused),
        cmocka_unit_test(modules_nested_too_deep_or_too_often_are_refused),
        cmocka_unit_test(a_zip_that_is_no_checkpoint_says_why),
        cmocka_unit_test(a_hugging_face_model_comes_with_its_config),
        cmocka_unit_test(a_model_of_another_kind_is_refused_by_its_type),
        cmocka_unit_test(q_k_and_v_are_joined_and_projections_turned),
        cmocka_unit_test(a_hugging_face_model_with_parts_missing_or_unknown_is_refused),
        cmocka_unit_test(a_file_that_is_no_checkpoint_says_what_it_looks_like),
        cmocka_unit_test(an_error_may_be_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
