/* config.json as transformers' CLIPConfig reads it. */
#include "core/weights/hf_config.h"

#include <stdio.h>
#include <string.h>

#include "tests/support.h"

static char path[4200];

static int choose_path(void **state) {
    (void)state;
    (void)snprintf(path, sizeof path, "%s/config.json", test_folder());
    return 0;
}

static pix_checkpoint_hints read_bytes(const char *config, size_t size) {
    pix_checkpoint_hints hints = {.end_token = -1, .layer_norm_eps = 1e-5};
    pix_error error;
    test_write_file(path, config, size);
    assert_ok(pix_hf_config_read(path, &hints, &error), &error);
    return hints;
}

static pix_checkpoint_hints hints_of(const char *config) {
    return read_bytes(config, strlen(config));
}

/* What is wrong, after the path and ": ". */
static void refused(const char *config, pix_status status, const char *text) {
    pix_checkpoint_hints hints = {0};
    pix_error error = {0};
    test_write_file(path, config, strlen(config));
    assert_int_equal(pix_hf_config_read(path, &hints, &error), status);
    assert_memory_equal(error.text, path, strlen(path));
    assert_string_equal(error.text + strlen(path), text);
}

static void every_setting_is_read(void **state) {
    (void)state;
    pix_checkpoint_hints hints = hints_of(
        "{\"model_type\":\"clip\",\"projection_dim\":1,\"text_config\":{\"hidden_act\":\"gelu\","
        "\"num_attention_heads\":2,\"layer_norm_eps\":1e-6,\"eos_token_id\":3,\"hidden_size\":4,"
        "\"num_hidden_layers\":5,\"intermediate_size\":6,\"max_position_embeddings\":7,"
        "\"vocab_size\":8},\"vision_config\":{\"hidden_act\":\"gelu\",\"num_attention_heads\":9,"
        "\"layer_norm_eps\":1e-6,\"hidden_size\":10,\"num_hidden_layers\":11,"
        "\"intermediate_size\":12,\"image_size\":13,\"patch_size\":14}}");
    assert_true(hints.exact_gelu);
    assert_true(hints.layer_norm_eps == 1e-6);
    assert_int_equal(hints.sizes.embed_dim, 1);
    assert_int_equal(hints.text_heads, 2);
    assert_int_equal(hints.end_token, 3);
    assert_int_equal(hints.sizes.text_width, 4);
    assert_int_equal(hints.sizes.text_layers, 5);
    assert_int_equal(hints.sizes.text_mlp_width, 6);
    assert_int_equal(hints.sizes.context_length, 7);
    assert_int_equal(hints.sizes.vocab_size, 8);
    assert_int_equal(hints.vision_heads, 9);
    assert_int_equal(hints.sizes.vision_width, 10);
    assert_int_equal(hints.sizes.vision_layers, 11);
    assert_int_equal(hints.sizes.vision_mlp_width, 12);
    assert_int_equal(hints.sizes.image_size, 13);
    assert_int_equal(hints.sizes.patch_size, 14);
}

/* transformers writes only what differs from its defaults, and null for what is None. */
static void what_is_unsaid_is_that_of_vit_b_32(void **state) {
    (void)state;
    static const char *const configs[] = {
        "{\"text_config\":{},\"vision_config\":{}}",
        "{\"model_type\":\"clip\"}",
        "{\"model_type\":\"clip\",\"text_config\":null,\"vision_config_dict\":{}}",
        "{\"projection_dim\":null,\"text_config\":{\"hidden_act\":null,\"eos_token_id\":null,"
        "\"layer_norm_eps\":null,\"vocab_size\":null},\"vision_config\":{\"image_size\":null}}",
    };
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        pix_checkpoint_hints hints = hints_of(configs[i]);
        assert_false(hints.exact_gelu);
        assert_true(hints.layer_norm_eps == 1e-5);
        assert_int_equal(hints.end_token, 49407);
        assert_int_equal(hints.vision_heads, 12);
        assert_int_equal(hints.text_heads, 8);
        const pix_checkpoint_sizes vit_b_32 = {.embed_dim = 512,
                                               .image_size = 224,
                                               .patch_size = 32,
                                               .vision_width = 768,
                                               .vision_layers = 12,
                                               .vision_mlp_width = 3072,
                                               .context_length = 77,
                                               .vocab_size = 49408,
                                               .text_width = 512,
                                               .text_layers = 12,
                                               .text_mlp_width = 2048};
        assert_memory_equal(&hints.sizes, &vit_b_32, sizeof vit_b_32);
    }
}

static void a_dict_counts_alone(void **state) {
    (void)state;
    pix_checkpoint_hints hints = hints_of(
        "{\"text_config\":{\"num_attention_heads\":3,\"hidden_act\":\"gelu\",\"eos_token_id\":2},"
        "\"text_config_dict\":{\"num_attention_heads\":4},"
        "\"vision_config\":{\"num_attention_heads\":5},\"vision_config_dict\":null}");
    assert_int_equal(hints.text_heads, 4);
    assert_false(hints.exact_gelu);
    assert_int_equal(hints.end_token, 49407);
    assert_int_equal(hints.vision_heads, 5);
}

static int64_t end_token(const char *text_config) {
    char config[256];
    (void)snprintf(config, sizeof config, "{\"vision_config\":{},\"text_config\":{%s}}",
                   text_config);
    return hints_of(config).end_token;
}

static void the_end_token_is_the_highest_id_for_old_configs(void **state) {
    (void)state;
    assert_int_equal(end_token("\"eos_token_id\":2"), -1);
    assert_int_equal(end_token("\"eos_token_id\":2,\"vocab_size\":49500"), -1);
    assert_int_equal(end_token("\"eos_token_id\":49407"), 49407);
    assert_int_equal(end_token("\"eos_token_id\":0"), 0);
    assert_int_equal(end_token("\"vocab_size\":49500"), 49407);
    /* The default is not among these. */
    assert_int_equal(end_token("\"vocab_size\":49407"), -1);
}

static void the_exact_gelu_has_two_names(void **state) {
    (void)state;
    assert_true(hints_of("{\"text_config\":{\"hidden_act\":\"gelu\"},"
                         "\"vision_config\":{\"hidden_act\":\"gelu_python\"}}")
                    .exact_gelu);
    assert_false(hints_of("{\"text_config\":{\"hidden_act\":\"quick_gelu\"},\"vision_config\":{}}")
                     .exact_gelu);
}

static void a_byte_order_mark_is_no_hindrance(void **state) {
    (void)state;
    static const char config[] = "\xef\xbb\xbf{\"model_type\":\"clip\"}\r\n";
    assert_int_equal(read_bytes(config, sizeof config - 1).vision_heads, 12);
    refused("\xef\xbb", PIX_EFORMAT, ": not JSON: line 1: unable to decode byte 0xef");
}

static void what_our_towers_cannot_do_is_refused(void **state) {
    (void)state;
    refused("{\"text_config\":{\"hidden_act\":\"gelu_new\"},\"vision_config\":{}}",
            PIX_EUNSUPPORTED,
            ": hidden_act \"gelu_new\" of text_config is neither \"quick_gelu\" nor \"gelu\"");
    /* As it is: who prints it escapes it. */
    refused("{\"text_config\":{\"hidden_act\":\"\\u001b\\\\\"},\"vision_config\":{}}",
            PIX_EUNSUPPORTED,
            ": hidden_act \"\x1b\\\" of text_config is neither \"quick_gelu\" nor \"gelu\"");
    refused("{\"text_config\":{\"hidden_act\":\"gelu\"},\"vision_config_dict\":{}}",
            PIX_EUNSUPPORTED, ": hidden_act of vision_config_dict and text_config differ");
    refused("{\"text_config\":{\"layer_norm_eps\":1e-6},\"vision_config\":{}}", PIX_EUNSUPPORTED,
            ": layer_norm_eps of vision_config (1e-05) and text_config (1e-06) differ");
}

static void a_tower_alone_is_refused_with_what_is_missing(void **state) {
    (void)state;
    refused("{\"model_type\":\"clip_text_model\",\"architectures\":[\"CLIPTextModel\"]}",
            PIX_EUNSUPPORTED,
            ": only the text tower of a CLIP model (model_type \"clip_text_model\"): the "
            "projection of the text tower and the whole vision tower are missing");
    refused("{\"model_type\":\"clip_text_model\","
            "\"architectures\":[\"CLIPTextModelWithProjection\"]}",
            PIX_EUNSUPPORTED,
            ": only the text tower of a CLIP model (model_type \"clip_text_model\"): the whole "
            "vision tower is missing");
    refused("{\"model_type\":\"clip_vision_model\",\"architectures\":[\"CLIPVisionModel\"]}",
            PIX_EUNSUPPORTED,
            ": only the vision tower of a CLIP model (model_type \"clip_vision_model\"): the "
            "projection of the vision tower and the whole text tower are missing");
    refused("{\"model_type\":\"clip_vision_model\","
            "\"architectures\":[\"CLIPVisionModelWithProjection\"]}",
            PIX_EUNSUPPORTED,
            ": only the vision tower of a CLIP model (model_type \"clip_vision_model\"): the "
            "whole text tower is missing");
    refused("{\"model_type\":\"clip_text_model\",\"architectures\":{}}", PIX_EUNSUPPORTED,
            ": only the text tower of a CLIP model (model_type \"clip_text_model\"): the whole "
            "vision tower is missing");
}

static void another_kind_of_model_is_refused_by_its_name(void **state) {
    (void)state;
    static const char *const types[] = {"siglip", "chinese_clip", "altclip", "clipseg", "CLIP"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char config[128], text[128];
        (void)snprintf(config, sizeof config,
                       "{\"model_type\":\"%s\",\"text_config\":{},\"vision_config\":{}}", types[i]);
        (void)snprintf(text, sizeof text, ": model_type is \"%s\", not \"clip\"", types[i]);
        refused(config, PIX_EUNSUPPORTED, text);
    }
    refused("{\"model_type\":7}", PIX_EFORMAT, ": model_type is not a text");
    refused("{\"text_config\":{}}", PIX_EUNSUPPORTED,
            ": no vision_config: not the config of a CLIP model");
    refused("{\"vision_config\":{}}", PIX_EUNSUPPORTED,
            ": no text_config: not the config of a CLIP model");
}

static void a_value_of_the_wrong_kind_is_shown(void **state) {
    (void)state;
    static const struct {
        const char *key, *value, *shown, *expected;
    } wrong[] = {
        {"eos_token_id", "[49407]", "[49407]", "a whole number"},
        {"eos_token_id", "-1", "-1", "a whole number"},
        {"eos_token_id", "true", "true", "a whole number"},
        {"num_attention_heads", "0", "0", "a positive whole number"},
        {"num_attention_heads", "12.0", "12.0", "a positive whole number"},
        {"num_attention_heads", "\"8\"", "\"8\"", "a positive whole number"},
        {"vocab_size", "2147483648", "2147483648", "a positive whole number"},
        {"vocab_size", "9223372036854775807", "9223372036854775807", "a positive whole number"},
        {"hidden_size", "1e9", "1000000000.0", "a positive whole number"},
        {"max_position_embeddings", "{}", "{}", "a positive whole number"},
        {"layer_norm_eps", "-1", "-1", "a positive number"},
        {"layer_norm_eps", "0", "0", "a positive number"},
        {"layer_norm_eps", "\"1e-5\"", "\"1e-5\"", "a positive number"},
        {"hidden_act", "[\"g\\u00e9lu\"]", "[\"g\\u00E9lu\"]", "a text"},
        {"hidden_act", "[\"0123456789012345678901234567890123456789\"]",
         "[\"01234567890123456789012345678901234567...", "a text"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char config[256], text[256];
        (void)snprintf(config, sizeof config, "{\"vision_config\":{},\"text_config\":{\"%s\":%s}}",
                       wrong[i].key, wrong[i].value);
        (void)snprintf(text, sizeof text, ": %s of text_config is %s, expected %s", wrong[i].key,
                       wrong[i].shown, wrong[i].expected);
        refused(config, PIX_EFORMAT, text);
    }
    refused("{\"projection_dim\":\"a\",\"text_config\":{},\"vision_config\":{}}", PIX_EFORMAT,
            ": projection_dim of the model is \"a\", expected a positive whole number");
    refused("{\"text_config\":{},\"vision_config_dict\":{\"image_size\":[224,224]}}", PIX_EFORMAT,
            ": image_size of vision_config_dict is [224,224], expected a positive whole number");
    refused("{\"text_config\":[],\"vision_config\":{}}", PIX_EFORMAT,
            ": text_config is not an object");
    refused("{\"text_config\":{},\"vision_config\":{},\"vision_config_dict\":1}", PIX_EFORMAT,
            ": vision_config_dict is not an object");
}

static void what_is_not_json_says_where(void **state) {
    (void)state;
    refused("", PIX_EFORMAT, ": not JSON: line 1: '[' or '{' expected near end of file");
    refused("[]", PIX_EFORMAT, ": not a JSON object");
    refused("{\n\"a\":1,\n\"a\":2}", PIX_EFORMAT,
            ": not JSON: line 3: duplicate object key near '\"a\"'");
    refused("{\"a\":NaN}", PIX_EFORMAT, ": not JSON: line 1: invalid token near 'NaN'");
    refused("{\"a\":99999999999999999999}", PIX_EFORMAT,
            ": not JSON: line 1: too big integer near '99999999999999999999'");
    refused("{\"a\":1e999}", PIX_EFORMAT, ": not JSON: line 1: real number overflow near '1e999'");
    enum { DEPTH = 100000 };
    static char deep[DEPTH + 1];
    memset(deep, '[', DEPTH);
    refused(deep, PIX_EFORMAT, ": not JSON: line 1: maximum parsing depth reached near '['");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_is_read),
        cmocka_unit_test(what_is_unsaid_is_that_of_vit_b_32),
        cmocka_unit_test(a_dict_counts_alone),
        cmocka_unit_test(the_end_token_is_the_highest_id_for_old_configs),
        cmocka_unit_test(the_exact_gelu_has_two_names),
        cmocka_unit_test(a_byte_order_mark_is_no_hindrance),
        cmocka_unit_test(what_our_towers_cannot_do_is_refused),
        cmocka_unit_test(a_tower_alone_is_refused_with_what_is_missing),
        cmocka_unit_test(another_kind_of_model_is_refused_by_its_name),
        cmocka_unit_test(a_value_of_the_wrong_kind_is_shown),
        cmocka_unit_test(what_is_not_json_says_where),
    };
    return cmocka_run_group_tests(tests, choose_path, NULL);
}
