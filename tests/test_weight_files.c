/* Which files a checkpoint is made of: folders, several files with an index, torch.save as it was
 * before 1.6, and what lies beside OpenAI's names. */
#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/weights/checkpoint.h"
#include "core/weights/safetensors.h"
#include "core/weights/shards.h"
#include "tests/archives.h"

/* A path in `folder`, in one of four static buffers. */
static const char *in(const char *folder, const char *name) {
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put_file(const char *folder, const char *name, const char *text) {
    test_write_file(in(folder, name), text, strlen(text));
}

/* A safetensors file with one U8 tensor of one element for each word of `tensors`. */
static void put_tensors(const char *folder, const char *name, const char *tensors, uint8_t value) {
    pix_bytes header = {0}, file = {0};
    char words[512], *rest = NULL, entry[256];
    size_t count = 0;
    (void)snprintf(words, sizeof words, "%s", tensors);
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        (void)snprintf(entry, sizeof entry,
                       "%s\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
                       count ? "," : "{", word, count, count + 1);
        put_opcodes(&header, entry);
        count++;
    }
    put_opcodes(&header, "}");
    put_number(&file, header.size, 8);
    put_bytes(&file, header.data, header.size);
    for (size_t i = 0; i < count; i++)
        put_number(&file, value + i, 1);
    test_write_file(in(folder, name), file.data, file.size);
    pix_bytes_free(&header);
    pix_bytes_free(&file);
}

static pix_checkpoint *opened(const char *path) {
    pix_checkpoint *checkpoint;
    pix_error error;
    assert_ok(pix_checkpoint_open(path, &checkpoint, &error), &error);
    return checkpoint;
}

static void refused(const char *path, pix_status status, const char *text) {
    pix_checkpoint *checkpoint;
    pix_error error = {0};
    pix_status got = pix_checkpoint_open(path, &checkpoint, &error);
    assert_null(checkpoint);
    if (got != status || !strstr(error.text, text) || strchr(error.text, '\n'))
        fail_msg("%d \"%s\" instead of %d \"%s\"", got, error.text, status, text);
    assert_int_equal(pix_checkpoint_open(path, &checkpoint, NULL), status);
}

static void assert_value(pix_checkpoint *checkpoint, const char *name, float expected) {
    const pix_tensor_info *info = pix_checkpoint_find(checkpoint, name);
    float value = -1;
    pix_error error;
    if (!info)
        fail_msg("there is no tensor %s", name);
    assert_ok(pix_checkpoint_read(checkpoint, info, &value, &error), &error);
    assert_true(value == expected);
}

static void assert_weights(const char *path, const char *file, const char *others) {
    pix_checkpoint *checkpoint = opened(path);
    const char *slash = strrchr(pix_checkpoint_path(checkpoint), '/');
    assert_string_equal(slash + 1, file);
    const char *got = pix_checkpoint_others(checkpoint);
    assert_string_equal(got ? got : "", others);
    pix_checkpoint_close(checkpoint);
}

/* several files */

static const char part_1[] = "model-00001-of-00002.safetensors";
static const char part_2[] = "model-00002-of-00002.safetensors";
static const char index_name[] = "model.safetensors.index.json";

/* a and b in the first part, c in the second. */
static const char *make_parts(const char *map) {
    const char *folder = test_folder();
    char text[1024];
    put_tensors(folder, part_1, "a b", 10);
    put_tensors(folder, part_2, "c", 30);
    (void)snprintf(text, sizeof text, "{\"metadata\":{\"total_size\":3},\"weight_map\":%s}", map);
    put_file(folder, index_name, text);
    return folder;
}

#define PART(tensor, number) "\"" tensor "\":\"model-0000" number "-of-00002.safetensors\""
static const char whole_map[] = "{" PART("c", "2") "," PART("a", "1") "," PART("b", "1") "}";

static void weights_in_several_files_are_one_checkpoint(void **state) {
    (void)state;
    const char *folder = make_parts(whole_map);
    const char *const ways[] = {folder, in(folder, index_name), in(folder, part_2)};
    for (size_t i = 0; i < 3; i++) {
        pix_checkpoint *checkpoint = opened(ways[i]);
        assert_int_equal(pix_checkpoint_files(checkpoint), 2);
        assert_string_equal(pix_checkpoint_path(checkpoint), in(folder, index_name));
        assert_string_equal(pix_checkpoint_format(checkpoint), "safetensors");
        assert_int_equal(pix_checkpoint_count(checkpoint), 3);
        assert_value(checkpoint, "a", 10);
        assert_value(checkpoint, "b", 11);
        assert_value(checkpoint, "c", 30);
        pix_checkpoint_close(checkpoint);
    }
    assert_int_equal(chdir(folder), 0);
    pix_checkpoint *checkpoint = opened(part_1);
    assert_string_equal(pix_checkpoint_path(checkpoint), index_name);
    pix_checkpoint_close(checkpoint);
}

static void hash_file(const char *path, uint8_t digest[PIX_SHA256_BYTES]) {
    pix_bytes content = {0};
    pix_error error;
    pix_sha256 hash;
    assert_ok(pix_file_read(path, 1 << 20, &content, &error), &error);
    pix_sha256_init(&hash);
    pix_sha256_add(&hash, content.data, content.size);
    pix_sha256_finish(&hash, digest);
    pix_bytes_free(&content);
}

static void the_digest_of_several_files_is_that_of_their_list(void **state) {
    (void)state;
    const char *folder = make_parts(whole_map);
    pix_bytes expected = {0}, list = {0};
    uint8_t digest[PIX_SHA256_BYTES], want[PIX_SHA256_BYTES];
    const char *const parts[] = {part_1, part_2};
    for (size_t i = 0; i < 2; i++) {
        char hex[PIX_SHA256_HEX];
        hash_file(in(folder, parts[i]), digest);
        pix_hex(digest, sizeof digest, hex);
        put_opcodes(&expected, hex);
        put_opcodes(&expected, "  ");
        put_bytes(&expected, parts[i], strlen(parts[i]) + 1);
    }
    pix_sha256 hash;
    pix_sha256_init(&hash);
    pix_sha256_add(&hash, expected.data, expected.size);
    pix_sha256_finish(&hash, want);
    pix_checkpoint *checkpoint = opened(folder);
    pix_error error;
    assert_ok(pix_checkpoint_sha256(checkpoint, digest, &list, &error), &error);
    assert_int_equal(list.size, expected.size);
    assert_memory_equal(list.data, expected.data, list.size);
    assert_memory_equal(digest, want, sizeof want);
    pix_checkpoint_close(checkpoint);
    pix_bytes_free(&expected);
    pix_bytes_free(&list);
}

static void an_index_that_is_wrong_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *map;
        pix_status status;
        const char *text;
    } cases[] = {
        {"{" PART("a", "1") "," PART("d", "2") "}", PIX_EFORMAT,
         "tensor d is said to be in model-00002-of-00002.safetensors, but is in no file"},
        {"{" PART("a", "2") "," PART("b", "1") "}", PIX_EFORMAT,
         "tensor a is said to be in model-00002-of-00002.safetensors, but is in "
         "model-00001-of-00002.safetensors"},
        {"{" PART("a", "1") "," PART("c", "3") "}", PIX_ENOTFOUND,
         "model.safetensors.index.json: "},
        {"{\"a\":\"/etc/passwd\"}", PIX_EFORMAT, "tensor a is said to be in \"/etc/passwd\""},
        {"{\"a\":\"../model.safetensors\"}", PIX_EFORMAT, "no file beside"},
        {"{\"a\":\"b/c\"}", PIX_EFORMAT, "no file beside"},
        {"{\"a\":\"..\"}", PIX_EFORMAT, "no file beside"},
        {"{\"a\":\".\"}", PIX_EFORMAT, "no file beside"},
        {"{\"a\":\"\"}", PIX_EFORMAT, "no file beside"},
        {"{\"a\":1}", PIX_EFORMAT, "the file of tensor a is not named by a text"},
        {"{\"a\":\"x\\u0001\"}", PIX_EFORMAT, "the file of tensor a is not named by a text"},
        {"{\"a\\n\":\"x\"}", PIX_EFORMAT, "not printable"},
        {"{}", PIX_EFORMAT, "an index of no files"},
        {"[]", PIX_EFORMAT, "it has no weight_map"},
        {"{\"a\":\"x\",\"a\":\"y\"}", PIX_EFORMAT, "not an index of weights: duplicate"},
        {"{\"a\":\"model.safetensors.index.json\"}", PIX_EFORMAT, "looks like a JSON text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(make_parts(cases[i].map), cases[i].status, cases[i].text);
}

/* A small file that many names lead to must not fill the memory. */
static void files_of_too_many_tensors_together_are_refused(void **state) {
    (void)state;
    enum { FILES = 9, TENSORS = 1 << 15 };
    const char *folder = test_folder();
    pix_bytes header = {0}, file = {0}, map = {0};
    for (int i = 0; i < TENSORS; i++) {
        char entry[96];
        (void)snprintf(entry, sizeof entry,
                       "%c\"t%d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}",
                       i == 0 ? '{' : ',', i);
        put_bytes(&header, entry, strlen(entry));
    }
    put_bytes(&header, "}", 1);
    put_number(&file, header.size, 8);
    put_bytes(&file, header.data, header.size);
    test_write_file(in(folder, "f0"), file.data, file.size);
    for (int i = 0; i < FILES; i++) {
        char name[16], entry[64];
        (void)snprintf(name, sizeof name, "f%d", i);
        (void)snprintf(entry, sizeof entry, "%s\"x%d\":\"%s\"", i == 0 ? "{\"weight_map\":{" : ",",
                       i, name);
        put_bytes(&map, entry, strlen(entry));
        if (i > 0)
            assert_int_equal(symlink("f0", in(folder, name)), 0);
    }
    put_bytes(&map, "}}", 2);
    test_write_file(in(folder, index_name), map.data, map.size);
    refused(in(folder, index_name), PIX_ELIMIT, "its files hold more than 262144 tensors");
    pix_bytes_free(&header);
    pix_bytes_free(&file);
    pix_bytes_free(&map);
}

static void a_parts_name_ends_with_its_number(void **state) {
    (void)state;
    static const struct {
        const char *part, *index;
    } cases[] = {
        {"model-00001-of-00002.safetensors", "model.safetensors.index.json"},
        {"/a-1-of-2/m-1-of-3.bin", "/a-1-of-2/m.bin.index.json"},
        {"best-of-both-00001-of-00002.safetensors", "best-of-both.safetensors.index.json"},
        {"best-of-both.safetensors", NULL},
        {"model-00001-of-00002", NULL},
        {"m-1-of-10.bin", "m.bin.index.json"},
        {"m-00001-of-0002.bin", NULL},
        {"model-x-of-00002.bin", NULL},
        {"-of-.bin", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *index;
        pix_error error;
        assert_ok(pix_shards_index_of(cases[i].part, &index, &error), &error);
        if (cases[i].index)
            assert_string_equal(index, cases[i].index);
        else
            assert_null(index);
        free(index);
    }
}

/* Twenty megabytes that would take a gigabyte of memory. */
static void json_of_too_many_values_is_not_parsed(void **state) {
    (void)state;
    enum { VALUES = 7 << 20 };
    static const char start[] = "{\"weight_map\":[";
    char *text = malloc(sizeof start + 3 * (size_t)VALUES);
    assert_non_null(text);
    memcpy(text, start, sizeof start);
    char *end = text + sizeof start - 1;
    for (int i = 0; i < VALUES; i++, end += 3)
        memcpy(end, "[],", 3);
    end[-1] = ']';
    end[0] = '}';
    size_t size = (size_t)(end + 1 - text);
    pix_shards shards;
    pix_error error = {0};
    assert_int_equal(pix_shards_read((const uint8_t *)text, size, &shards, &error), PIX_ELIMIT);
    assert_string_equal(error.text, "an index of more values than any model needs");

    pix_bytes file = {0};
    put_number(&file, size, 8);
    put_bytes(&file, text, size);
    pix_tensors tensors = {0};
    assert_int_equal(pix_safetensors_read((const uint8_t *)file.data, file.size, &tensors, &error),
                     PIX_ELIMIT);
    assert_string_equal(error.text, "safetensors header of more values than any model needs");
    pix_bytes_free(&file);
    free(text);
}

static void parts_that_do_not_fit_together_are_refused(void **state) {
    (void)state;
    const char *folder = make_parts(whole_map);
    put_tensors(folder, part_2, "b c", 20);
    refused(folder, PIX_EFORMAT,
            "tensor b is in both model-00001-of-00002.safetensors and "
            "model-00002-of-00002.safetensors");
    put_file(folder, part_2, "<html>");
    refused(folder, PIX_EFORMAT, "00002-of-00002.safetensors: not a checkpoint; looks like a web");
    assert_int_equal(unlink(in(folder, part_2)), 0);
    refused(folder, PIX_ENOTFOUND, "00002-of-00002.safetensors: No such file");
    refused(in(folder, part_2), PIX_ENOTFOUND, "00002-of-00002.safetensors: No such file");
    assert_int_equal(unlink(in(folder, index_name)), 0);
    refused(in(folder, part_1), PIX_ENOTFOUND, "is one part of several, and there is no /");
    refused(folder, PIX_ENOTFOUND, "one part of several, but no model.safetensors.index.json");
}

/* folders */

static void of_the_files_in_a_folder_the_best_known_wins(void **state) {
    (void)state;
    const char *folder = test_folder();
    refused(folder, PIX_ENOTFOUND, "a folder without model.safetensors");
    put_file(folder, "README.md", "weights");
    put_tensors(folder, "training_args.bin", "a", 0);
    put_tensors(folder, "optimizer.pt", "a", 0);
    put_tensors(folder, ".hidden.pt", "a", 0);
    refused(folder, PIX_ENOTFOUND, "a folder without model.safetensors");
    put_tensors(folder, "some.ckpt", "a", 0);
    assert_weights(folder, "some.ckpt", "");
    put_tensors(folder, "other.pth", "a", 0);
    refused(folder, PIX_EINVALID, "several files may be the weights (other.pth, some.ckpt)");
    put_tensors(folder, "open_clip_pytorch_model.bin", "a", 0);
    assert_weights(folder, "open_clip_pytorch_model.bin", "");
    put_tensors(folder, "open_clip_model.safetensors", "a", 0);
    assert_weights(folder, "open_clip_model.safetensors", "open_clip_pytorch_model.bin");
    put_tensors(folder, "pytorch_model.bin", "a", 0);
    assert_weights(folder, "pytorch_model.bin",
                   "open_clip_model.safetensors, open_clip_pytorch_model.bin");
    put_file(folder, "open_clip_config.json",
             "{\"model_cfg\":{\"vision_cfg\":{},\"text_cfg\":{}}}");
    assert_weights(folder, "open_clip_model.safetensors",
                   "open_clip_pytorch_model.bin, pytorch_model.bin");
    put_file(folder, "config.json", "{}");
    put_tensors(folder, "model.safetensors", "a", 0);
    assert_weights(folder, "model.safetensors",
                   "pytorch_model.bin, open_clip_model.safetensors, open_clip_pytorch_model.bin");
    assert_weights(in(folder, "other.pth"), "other.pth", "");
}

/* Whatever the parts are called, and whichever of them is given. */
static void parts_of_any_name_are_found_by_their_index(void **state) {
    (void)state;
    static const char *const names[] = {"clip", "open_clip_model", "model"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *folder = test_folder();
        char part[64], index[64], map[256];
        for (int k = 1; k <= 2; k++) {
            (void)snprintf(part, sizeof part, "%s-0000%d-of-00002.safetensors", names[i], k);
            put_tensors(folder, part, k == 1 ? "a b" : "c", (uint8_t)(10 * k));
        }
        refused(folder, PIX_ENOTFOUND, "one part of several, but no ");
        (void)snprintf(index, sizeof index, "%s.safetensors.index.json", names[i]);
        (void)snprintf(map, sizeof map, "{\"weight_map\":{\"c\":\"%s\",\"a\":\"%.*s1%s\"}}", part,
                       (int)strlen(names[i]) + 5, part, part + strlen(names[i]) + 6);
        put_file(folder, index, map);
        assert_weights(folder, index, "");
        assert_weights(in(folder, part), index, "");
    }
    const char *folder = test_folder();
    put_tensors(folder, "a-1-of-1.bin", "a", 0);
    put_tensors(folder, "b.pt", "a", 0);
    put_file(folder, "a.bin.index.json", "{\"weight_map\":{\"a\":\"a-1-of-1.bin\"}}");
    refused(folder, PIX_EINVALID, "several files may be the weights (a.bin.index.json, b.pt)");
}

static void a_part_that_is_not_there_is_not_its_index(void **state) {
    (void)state;
    const char *folder = make_parts(whole_map);
    refused(in(folder, "model-00099-of-00002.safetensors"), PIX_ENOTFOUND,
            "model-00099-of-00002.safetensors: No such file");
}

/* open_clip */

static void set_open_clip(const char *folder, const char *model, const char *vision,
                          const char *text, const char *preprocess) {
    char config[1024];
    (void)snprintf(config, sizeof config,
                   "{\"model_cfg\":{\"embed_dim\":512%s,\"vision_cfg\":{\"width\":768%s},"
                   "\"text_cfg\":{%s}},\"preprocess_cfg\":{%s}}",
                   model, vision, text, preprocess);
    put_file(folder, "open_clip_config.json", config);
}

static void an_open_clip_config_says_heads_and_activation(void **state) {
    (void)state;
    const char *folder = test_folder(), *source;
    put_tensors(folder, "open_clip_model.safetensors", "visual.conv1.weight", 0);
    set_open_clip(folder, "", ",\"layers\":12,\"head_width\":96", "\"heads\":16",
                  "\"mean\":[0.48145466,0.4578275,0.40821073],\"interpolation\":\"bicubic\"");
    pix_checkpoint *checkpoint = opened(folder);
    const pix_checkpoint_hints *hints = pix_checkpoint_hint(checkpoint);
    assert_int_equal(hints->vision_heads, 8);
    assert_int_equal(hints->text_heads, 16);
    assert_int_equal(hints->end_token, -1);
    assert_true(hints->exact_gelu);
    assert_true(hints->layer_norm_eps == 1e-5);
    const pix_checkpoint_sizes sizes = {.embed_dim = 512,
                                        .image_size = 224,
                                        .patch_size = 16,
                                        .vision_width = 768,
                                        .vision_layers = 12,
                                        .context_length = 77,
                                        .vocab_size = 49408,
                                        .text_width = 512,
                                        .text_layers = 12};
    assert_memory_equal(&hints->sizes, &sizes, sizeof sizes);
    assert_true(pix_checkpoint_gelu_known(checkpoint, &source));
    assert_string_equal(source, "open_clip_config.json");
    pix_checkpoint_set_gelu(checkpoint, false);
    assert_false(hints->exact_gelu);
    pix_checkpoint_close(checkpoint);

    /* A ModifiedResNet, and other norms. */
    set_open_clip(folder, ",\"quick_gelu\":true",
                  ",\"layers\":[3,4,6,3],\"norm_kwargs\":{\"eps\":1e-6},\"pool_type\":\"tok\","
                  "\"image_size\":288",
                  "\"norm_kwargs\":{\"eps\":1e-6},\"layers\":11,\"context_length\":76,"
                  "\"vocab_size\":1000,\"width\":640,\"tokenizer_kwargs\":{}",
                  "\"size\":[288,288]");
    checkpoint = opened(folder);
    hints = pix_checkpoint_hint(checkpoint);
    assert_int_equal(hints->vision_heads, 768 * 32 / 64);
    assert_int_equal(hints->text_heads, 8);
    assert_false(hints->exact_gelu);
    assert_true(hints->layer_norm_eps == 1e-6);
    const pix_checkpoint_sizes of_resnet = {.embed_dim = 512,
                                            .image_size = 288,
                                            .vision_width = 768,
                                            .context_length = 76,
                                            .vocab_size = 1000,
                                            .text_width = 640,
                                            .text_layers = 11};
    assert_memory_equal(&hints->sizes, &of_resnet, sizeof of_resnet);
    pix_checkpoint_close(checkpoint);
}

static void an_open_clip_model_of_another_kind_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *model, *vision, *text, *preprocess;
        pix_status status;
        const char *say;
    } cases[] = {
        {"", ",\"timm_model_name\":\"convnext\"", "", "", PIX_EUNSUPPORTED,
         "timm_model_name of vision_cfg is convnext"},
        {"", ",\"attentional_pool\":true", "", "", PIX_EUNSUPPORTED, "attentional_pool of"},
        {"", ",\"pool_type\":\"avg\"", "", "", PIX_EUNSUPPORTED, "pool_type of vision_cfg is avg"},
        {"", ",\"head_width\":100", "", "", PIX_EFORMAT, "head_width of vision_cfg does not"},
        {"", ",\"head_width\":0", "", "", PIX_EFORMAT,
         "head_width of vision_cfg is 0, expected a positive whole number"},
        {"", ",\"norm_kwargs\":{\"eps\":1e-6}", "", "", PIX_EUNSUPPORTED,
         "eps of norm_kwargs of vision_cfg (1e-06) and norm_kwargs of text_cfg (1e-05) differ"},
        {"", ",\"norm_kwargs\":{\"eps\":0}", "", "", PIX_EFORMAT,
         "eps of norm_kwargs of vision_cfg is 0, expected a positive number"},
        {"", "", "\"norm_kwargs\":{\"eps\":\"1e-5\"}", "", PIX_EFORMAT,
         "eps of norm_kwargs of text_cfg is \"1e-5\", expected a positive number"},
        {"", ",\"global_average_pool\":true", "", "", PIX_EUNSUPPORTED,
         "global_average_pool of vision_cfg is set"},
        {"", ",\"image_size\":[224,336]", "", "", PIX_EFORMAT,
         "image_size of vision_cfg is [224,336], expected"},
        {"", ",\"layers\":\"12\"", "", "", PIX_EFORMAT, "layers of vision_cfg is \"12\", expected"},
        {"", "", "\"hf_tokenizer_name\":\"t5\"", "", PIX_EUNSUPPORTED,
         "hf_tokenizer_name of text_cfg is t5"},
        {"", "", "\"tokenizer_kwargs\":{\"clean\":\"lower\"}", "", PIX_EUNSUPPORTED,
         "tokenizer_kwargs of text_cfg is set"},
        {"", "", "", "\"size\":336", PIX_EUNSUPPORTED,
         "size of preprocess_cfg is 336, but image_size of vision_cfg is 224"},
        {"", "", "", "\"size\":[384,384]", PIX_EUNSUPPORTED,
         "size of preprocess_cfg is 384, but image_size of vision_cfg is 224"},
        {"", "", "\"hf_model_name\":\"roberta\"", "", PIX_EUNSUPPORTED, "hf_model_name of text"},
        {"", "", "\"no_causal_mask\":true", "", PIX_EUNSUPPORTED, "no_causal_mask of text_cfg"},
        {"", "", "\"heads\":\"8\"", "", PIX_EFORMAT,
         "heads of text_cfg is \"8\", expected a positive whole number"},
        {",\"multimodal_cfg\":{\"width\":1}", "", "", "", PIX_EUNSUPPORTED, "multimodal_cfg of"},
        {"", "", "", "\"mean\":[0.5,0.5,0.5]", PIX_EUNSUPPORTED,
         "mean of preprocess_cfg is [0.5,0.5,0.5], but"},
        {"", "", "", "\"std\":[0.5,0.5]", PIX_EUNSUPPORTED,
         "std of preprocess_cfg is [0.5,0.5], but"},
        {"", "", "", "\"resize_mode\":\"squash\"", PIX_EUNSUPPORTED, "resize_mode of"},
    };
    const char *folder = test_folder();
    put_tensors(folder, "open_clip_model.safetensors", "visual.conv1.weight", 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_open_clip(folder, cases[i].model, cases[i].vision, cases[i].text, cases[i].preprocess);
        refused(folder, cases[i].status, cases[i].say);
    }
    put_file(folder, "open_clip_config.json", "{\"model_cfg\":{}}");
    refused(folder, PIX_EFORMAT, "no model_cfg with vision_cfg and text_cfg");
    put_file(folder, "open_clip_config.json", "[");
    refused(folder, PIX_EFORMAT, "open_clip_config.json: not JSON: line 1: ");
}

/* torch.save */

static void put_scalar(pix_bytes *pickle, const char *name, const char *key, bool legacy) {
    put_text(pickle, name);
    put_whole_tensor(pickle, "FloatStorage", key, 0, NULL, legacy);
}

/* {"name": ..., "optimizer": {0: {"step": y}}, nest: {x}}, with its storages. */
static const char *make_training(const char *folder, const char *name, const char *nest) {
    static const float numbers[] = {5};
    pix_bytes pickle = {0};
    put_opcodes(&pickle, "\x80\2}(");
    put_text(&pickle, "name");
    put_text(&pickle, name);
    put_text(&pickle, "optimizer");
    put_opcodes(&pickle, "}K\1}(");
    put_scalar(&pickle, "step", "gone", false);
    put_opcodes(&pickle, "us");
    put_text(&pickle, nest);
    put_opcodes(&pickle, "}(");
    put_scalar(&pickle, "module._orig_mod.visual.conv1.weight", "0", false);
    put_opcodes(&pickle, "uu.");
    zip_writer zip = {0};
    zip_add(&zip, "archive/data.pkl", pickle.data, pickle.size);
    zip_add(&zip, "archive/data/0", numbers, sizeof numbers);
    zip_finish(&zip);
    test_write_file(in(folder, "x.pt"), zip.file.data, zip.file.size);
    zip_free(&zip);
    pix_bytes_free(&pickle);
    return in(folder, "x.pt");
}

static void the_name_in_a_training_checkpoint_tells_the_activation(void **state) {
    (void)state;
    static const struct {
        const char *name, *nest;
        bool exact, told;
    } cases[] = {
        {"ViT-B-32", "state_dict", true, true},
        {"2024_01_01-model_ViT-B-32-quickgelu-lr_1", "state_dict", false, true},
        {"RN50-QuickGELU", "model", false, true},
        {"RN101", "model_state_dict", true, true},
        {"made-up", "state_dict", false, false},
    };
    const char *folder = test_folder();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *source;
        pix_checkpoint *checkpoint = opened(make_training(folder, cases[i].name, cases[i].nest));
        assert_false(pix_checkpoint_gelu_known(checkpoint, &source));
        assert_int_equal(strstr(source, cases[i].name) != NULL, cases[i].told);
        assert_int_equal(pix_checkpoint_hint(checkpoint)->exact_gelu, cases[i].exact);
        assert_int_equal(pix_checkpoint_left_out(checkpoint), 1);
        assert_value(checkpoint, "visual.conv1.weight", 5);
        pix_checkpoint_close(checkpoint);
    }
}

static void what_wrappers_put_before_names_goes(void **state) {
    (void)state;
    const char *folder = test_folder(), *path = in(folder, "x.safetensors");
    put_tensors(folder, "x.safetensors",
                "model.clip.visual.conv1.weight model.clip.text.token_embedding.weight "
                "model.clip.text.ln_final.bias head.weight",
                1);
    pix_checkpoint *checkpoint = opened(path);
    assert_value(checkpoint, "visual.conv1.weight", 1);
    assert_value(checkpoint, "token_embedding.weight", 2);
    assert_value(checkpoint, "ln_final.bias", 3);
    assert_value(checkpoint, "head.weight", 4);
    pix_checkpoint_close(checkpoint);
    put_tensors(folder, "x.safetensors", "ema.visual.conv1.weight model.visual.conv1.weight", 1);
    refused(path, PIX_EFORMAT,
            "holds two models: there are both ema.visual.conv1.weight and "
            "model.visual.conv1.weight");
    put_tensors(folder, "x.safetensors", "module.visual.conv1.weight module.a a", 1);
    refused(path, PIX_EFORMAT, "there are two tensors named a");
}

/* Tensors b and a, whose storages "9" and "10" are listed the other way round. */
typedef struct legacy {
    const char *protocol, *endian, *keys;
    int64_t counts[2];
} legacy;

static const legacy right = {"M\xe9\3", "\x88", NULL, {1, 1}};

static pix_bytes legacy_file(const legacy *l) {
    static const float numbers[] = {10, 9};
    pix_bytes file = {0};
    put_opcodes(&file, "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2");
    put_opcodes(&file, l->protocol);
    put_opcodes(&file, ".\x80\2}(");
    put_text(&file, "little_endian");
    put_opcodes(&file, l->endian);
    put_opcodes(&file, "u.\x80\2}(");
    put_scalar(&file, "b", "9", true);
    put_scalar(&file, "a", "10", true);
    put_opcodes(&file, "u.\x80\2](");
    if (l->keys) {
        put_opcodes(&file, l->keys);
    } else {
        put_text(&file, "10");
        put_text(&file, "9");
    }
    put_opcodes(&file, "e.");
    for (size_t i = 0; i < 2; i++) {
        put_number(&file, (uint64_t)l->counts[i], 8);
        put_bytes(&file, &numbers[i], sizeof *numbers);
    }
    return file;
}

static void storages_of_the_old_format_lie_in_the_order_of_its_list(void **state) {
    (void)state;
    pix_bytes file = legacy_file(&right);
    const char *folder = test_folder(), *path = in(folder, "x.pth");
    test_write_file(path, file.data, file.size);
    pix_checkpoint *checkpoint = opened(path);
    assert_string_equal(pix_checkpoint_format(checkpoint), "PyTorch state dict as before 1.6");
    assert_int_equal(pix_checkpoint_count(checkpoint), 2);
    assert_value(checkpoint, "a", 10);
    assert_value(checkpoint, "b", 9);
    pix_checkpoint_close(checkpoint);
    pix_bytes_free(&file);
}

/* As legacy_file, but storage "10" comes after one of `type` that only an optimizer uses. */
static pix_bytes training_file(const char *type, const char *key) {
    static const float number = 7;
    pix_bytes file = {0};
    put_opcodes(&file, "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.");
    put_opcodes(&file, "\x80\2}.\x80\2}(");
    put_text(&file, "optimizer");
    put_opcodes(&file, "}K\1");
    put_whole_tensor(&file, type, "9", 0, NULL, true);
    put_opcodes(&file, "s");
    put_text(&file, "state_dict");
    put_opcodes(&file, "}(");
    put_scalar(&file, "a", key, true);
    put_opcodes(&file, "uu.\x80\2](");
    put_text(&file, "9");
    put_text(&file, "10");
    put_opcodes(&file, "e.");
    put_number(&file, 1, 8);
    put_number(&file, 0, strcmp(type, "ComplexHalfStorage") == 0 ? 4 : 1);
    put_number(&file, 1, 8);
    put_bytes(&file, &number, sizeof number);
    return file;
}

static void an_optimizers_storage_may_be_of_any_type(void **state) {
    (void)state;
    static const char *const types[] = {"QUInt8Storage", "ComplexHalfStorage"};
    const char *folder = test_folder(), *path = in(folder, "x.pth");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        pix_bytes file = training_file(types[i], "10");
        test_write_file(path, file.data, file.size);
        pix_checkpoint *checkpoint = opened(path);
        assert_value(checkpoint, "a", 7);
        assert_int_equal(pix_checkpoint_left_out(checkpoint), 1);
        pix_checkpoint_close(checkpoint);
        pix_bytes_free(&file);
    }
    static const struct {
        const char *type, *key, *say;
        pix_status status;
    } cases[] = {
        {"float32", "10", "storage 9: storage type torch float32", PIX_EUNSUPPORTED},
        {"HalfStorage", "9", "storage 9: is said to have two sizes (as torch FloatStorage of 4",
         PIX_EFORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_bytes file = training_file(cases[i].type, cases[i].key);
        test_write_file(path, file.data, file.size);
        refused(path, cases[i].status, cases[i].say);
        pix_bytes_free(&file);
    }
}

static void a_file_of_the_old_format_cut_anywhere_is_refused(void **state) {
    (void)state;
    pix_bytes file = legacy_file(&right);
    const char *folder = test_folder(), *path = in(folder, "x.pth");
    for (size_t size = 15; size < file.size; size++) {
        char text[96];
        bool in_data = size >= file.size - 24;
        (void)snprintf(text, sizeof text,
                       in_data ? "truncated torch.save file: %zu of %zu bytes"
                               : "truncated or damaged torch.save file: ",
                       size, file.size);
        test_write_file(path, file.data, size);
        refused(path, PIX_EFORMAT, text);
    }
    pix_bytes_free(&file);
}

static void a_file_of_the_old_format_that_contradicts_itself_is_refused(void **state) {
    (void)state;
    static const struct {
        legacy file;
        pix_status status;
        const char *text;
    } cases[] = {
        {{"K\1", "\x88", NULL, {1, 1}}, PIX_EUNSUPPORTED, "of an unknown version"},
        {{"M\xe9\3", "\x89", NULL, {1, 1}}, PIX_EUNSUPPORTED, "not little-endian"},
        {{"M\xe9\3", "\x88", NULL, {1, 2}}, PIX_EFORMAT, "has not the size its use says"},
        {{"M\xe9\3", "\x88", NULL, {INT64_MAX, 1}}, PIX_EFORMAT, "has not the size its use says"},
        {{"M\xe9\3",
          "\x88",
          "U\1"
          "9U\1"
          "9",
          {1, 1}},
         PIX_EFORMAT,
         "is listed twice"},
        {{"M\xe9\3",
          "\x88",
          "U\1"
          "9U\1"
          "8",
          {1, 1}},
         PIX_EFORMAT,
         "that nothing uses"},
        {{"M\xe9\3",
          "\x88",
          "U\1"
          "9",
          {1, 1}},
         PIX_EFORMAT,
         "its storage is not in the file"},
        {{"M\xe9\3", "\x88", "K\1K\2", {1, 1}}, PIX_EFORMAT, "malformed list of storages"},
        {{"M\xe9\3", "cos\nsystem\n", NULL, {1, 1}}, PIX_EUNSUPPORTED, "the global os system"},
    };
    const char *folder = test_folder(), *path = in(folder, "x.pth");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_bytes file = legacy_file(&cases[i].file);
        test_write_file(path, file.data, file.size);
        refused(path, cases[i].status, cases[i].text);
        pix_bytes_free(&file);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_in_several_files_are_one_checkpoint),
        cmocka_unit_test(the_digest_of_several_files_is_that_of_their_list),
        cmocka_unit_test(an_index_that_is_wrong_is_refused),
        cmocka_unit_test(files_of_too_many_tensors_together_are_refused),
        cmocka_unit_test(a_parts_name_ends_with_its_number),
        cmocka_unit_test(json_of_too_many_values_is_not_parsed),
        cmocka_unit_test(parts_that_do_not_fit_together_are_refused),
        cmocka_unit_test(of_the_files_in_a_folder_the_best_known_wins),
        cmocka_unit_test(parts_of_any_name_are_found_by_their_index),
        cmocka_unit_test(a_part_that_is_not_there_is_not_its_index),
        cmocka_unit_test(an_open_clip_config_says_heads_and_activation),
        cmocka_unit_test(an_open_clip_model_of_another_kind_is_refused),
        cmocka_unit_test(the_name_in_a_training_checkpoint_tells_the_activation),
        cmocka_unit_test(what_wrappers_put_before_names_goes),
        cmocka_unit_test(storages_of_the_old_format_lie_in_the_order_of_its_list),
        cmocka_unit_test(an_optimizers_storage_may_be_of_any_type),
        cmocka_unit_test(a_file_of_the_old_format_cut_anywhere_is_refused),
        cmocka_unit_test(a_file_of_the_old_format_that_contradicts_itself_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
