/* preprocessor_config.json as transformers' CLIPImageProcessor and CLIPFeatureExtractor write it.
 */
#include "core/weights/hf_preprocessor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/weights/checkpoint.h"
#include "tests/support.h"

static pix_status check(const char *path, const char *config, pix_error *error) {
    test_write_file(path, config, strlen(config));
    return pix_hf_preprocessor_check(path, 224, error);
}

static void pictures_as_clips_fit(void **state) {
    (void)state;
    static const char *const configs[] = {
        "{}",
        "{\"crop_size\":224,\"do_center_crop\":true,\"do_normalize\":true,\"do_resize\":true,"
        "\"feature_extractor_type\":\"CLIPFeatureExtractor\",\"image_mean\":[0.48145466,0.4578275,"
        "0.40821073],\"image_std\":[0.26862954,0.26130258,0.27577711],\"resample\":3,\"size\":224}",
        "{\"crop_size\":{\"height\":224,\"width\":224},\"do_convert_rgb\":true,\"do_rescale\":true,"
        "\"image_processor_type\":\"CLIPImageProcessorFast\",\"rescale_factor\":"
        "0.00392156862745098,\"size\":{\"shortest_edge\":224}}",
        "\xef\xbb\xbf{\"size\":null,\"crop_size\":null,\"image_mean\":[0.4815,0.4578,0.4082],"
        "\"processor_class\":\"CLIPProcessor\",\"unknown\":[1]}",
    };
    char path[128];
    (void)snprintf(path, sizeof path, "%s/preprocessor_config.json", test_folder());
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        pix_error error;
        assert_ok(check(path, configs[i], &error), &error);
    }
}

static void other_pictures_are_refused_with_both_values(void **state) {
    (void)state;
    static const char edge[] = "{\"shortest_edge\":224}",
                      square[] = "{\"height\":224,\"width\":224}";
    static const struct {
        const char *key, *value, *ours;
    } cases[] = {
        {"image_mean", "[0.5,0.5,0.5]", "[0.48145466,0.4578275,0.40821073]"},
        {"image_mean", "0.5", "[0.48145466,0.4578275,0.40821073]"},
        {"image_std", "[0.26862954,0.26130258]", "[0.26862954,0.26130258,0.27577711]"},
        {"image_std", "[0.26862954,0.26130258,\"x\"]", "[0.26862954,0.26130258,0.27577711]"},
        {"size", "256", edge},
        {"size", "{\"height\":224,\"width\":224}", edge},
        {"size", "{\"shortest_edge\":256}", edge},
        {"size", "{\"longest_edge\":448,\"shortest_edge\":224}", edge},
        {"size", "{\"shortest_edge\":[224]}", edge},
        {"size", "[224,224]", edge},
        {"size", "\"224\"", edge},
        {"crop_size", "200", square},
        {"crop_size", "{\"height\":224,\"width\":200}", square},
        {"crop_size", "{\"shortest_edge\":224}", square},
        {"resample", "2", "3"},
        {"resample", "\"bicubic\"", "3"},
        {"do_resize", "false", "true"},
        {"do_center_crop", "false", "true"},
        {"do_rescale", "false", "true"},
        {"do_normalize", "false", "true"},
        {"do_normalize", "1", "true"},
        {"rescale_factor", "0.00784313726", "0.00392156862745098"},
        {"image_processor_type", "\"ViTImageProcessor\"", "\"CLIPImageProcessor\""},
        {"feature_extractor_type", "\"SiglipFeatureExtractor\"", "\"CLIPFeatureExtractor\""},
    };
    char path[128], config[256], expected[512];
    (void)snprintf(path, sizeof path, "%s/preprocessor_config.json", test_folder());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_error error = {0};
        (void)snprintf(config, sizeof config, "{\"%s\":%s}", cases[i].key, cases[i].value);
        (void)snprintf(expected, sizeof expected, "%s: %s is %s, but pixgrep has %s", path,
                       cases[i].key, cases[i].value, cases[i].ours);
        assert_int_equal(check(path, config, &error), PIX_EUNSUPPORTED);
        assert_string_equal(error.text, expected);
    }
}

static void a_long_value_is_cut_and_what_is_no_object_refused(void **state) {
    (void)state;
    char path[128];
    pix_error error = {0};
    (void)snprintf(path, sizeof path, "%s/preprocessor_config.json", test_folder());
    assert_int_equal(
        check(path, "{\"size\":[10,20,30,40,50,60,70,80,90,100,110,120,130,140]}", &error),
        PIX_EUNSUPPORTED);
    assert_non_null(
        strstr(error.text, ": size is [10,20,30,40,50,60,70,80,90,100,110,120,..., but"));
    assert_int_equal(check(path, "[]", &error), PIX_EFORMAT);
    assert_non_null(strstr(error.text, "preprocessor_config.json: not a JSON object"));
    assert_int_equal(check(path, "{", &error), PIX_EFORMAT);
    assert_non_null(strstr(error.text, "preprocessor_config.json: not JSON: line 1: "));
}

/* Beside the weights, compared with the size of the model's own pictures. */
static void the_file_beside_a_model_is_read(void **state) {
    (void)state;
    static const char name[] = "vit-p32/hf-f16";
    char folder[64], target[4200], path[128];
    (void)snprintf(folder, sizeof folder, "%s", test_folder());
    static const char *const files[] = {"model.safetensors", "config.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        assert_non_null(realpath(test_golden("models/%s/%s", name, files[i]),
                                 memset(target, 0, sizeof target)));
        assert_int_equal(symlink(target, path), 0);
    }
    (void)snprintf(path, sizeof path, "%s/preprocessor_config.json", folder);
    pix_checkpoint *checkpoint;
    pix_error error = {0};
    test_write_file(path, "{\"size\":96,\"crop_size\":96}", 26);
    assert_ok(pix_checkpoint_open(folder, &checkpoint, &error), &error);
    pix_checkpoint_close(checkpoint);
    test_write_file(path, "{\"size\":224}", 12);
    assert_int_equal(pix_checkpoint_open(folder, &checkpoint, &error), PIX_EUNSUPPORTED);
    assert_null(checkpoint);
    (void)snprintf(target, sizeof target, "%s: size is 224, but pixgrep has {\"shortest_edge\":96}",
                   path);
    assert_string_equal(error.text, target);

    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/processor_config.json", folder);
    test_write_file(path, "{\"image_processor\":{\"size\":96}}", 31);
    assert_ok(pix_checkpoint_open(folder, &checkpoint, &error), &error);
    pix_checkpoint_close(checkpoint);
    test_write_file(path, "{\"image_processor\":{\"size\":32}}", 31);
    assert_int_equal(pix_checkpoint_open(folder, &checkpoint, &error), PIX_EUNSUPPORTED);
    (void)snprintf(target, sizeof target, "%s: size is 32, but pixgrep has {\"shortest_edge\":96}",
                   path);
    assert_string_equal(error.text, target);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_as_clips_fit),
        cmocka_unit_test(other_pictures_are_refused_with_both_values),
        cmocka_unit_test(a_long_value_is_cut_and_what_is_no_object_refused),
        cmocka_unit_test(the_file_beside_a_model_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
