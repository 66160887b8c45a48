#include <stdio.h>
#include <string.h>

#include "core/clip/prompts.h"
#include "tests/support.h"

/* A file of that text; the path lies in one static buffer. */
static const char *file_of(const char *text) {
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/templates.txt", test_folder());
    test_write_file(path, text, strlen(text));
    return path;
}

static void assert_refused(const char *name, pix_status expected, const char *what) {
    pix_list templates;
    pix_error error;
    assert_int_equal(pix_templates_open(name, &templates, &error), expected);
    if (!strstr(error.text, what))
        fail_msg("'%s' is not about '%s'", error.text, what);
    assert_null(templates.entries);
}

static void without_a_name_it_is_a_photo_of_it(void **state) {
    (void)state;
    pix_list templates;
    pix_error error;
    assert_ok(pix_templates_open(NULL, &templates, &error), &error);
    assert_int_equal(templates.count, 1);
    assert_string_equal(templates.entries[0].text, "a photo of a {}.");
    pix_list_free(&templates);
}

static void a_name_with_a_place_for_the_label_is_a_template(void **state) {
    (void)state;
    pix_list templates;
    pix_error error;
    assert_ok(pix_templates_open("{}", &templates, &error), &error);
    assert_int_equal(templates.count, 1);
    assert_string_equal(templates.entries[0].text, "{}");
    pix_list_free(&templates);
    assert_refused("a {} and a {}", PIX_EINVALID, "'a {} and a {}': a template has one {}");
    assert_refused("\xFF{}", PIX_EINVALID, "not UTF-8");
}

static void a_file_holds_a_template_a_line(void **state) {
    (void)state;
    pix_list templates;
    pix_error error;
    assert_ok(pix_templates_open(file_of("\xEF\xBB\xBF"
                                         "ein Foto von {}.\r\n\r\n{} im Schnee\n"),
                                 &templates, &error),
              &error);
    assert_int_equal(templates.count, 2);
    assert_string_equal(templates.entries[0].text, "ein Foto von {}.");
    assert_string_equal(templates.entries[1].text, "{} im Schnee");
    pix_list_free(&templates);
}

static void a_line_that_is_no_template_is_told(void **state) {
    (void)state;
    assert_refused(file_of("a {}.\n\na photo.\n"), PIX_EINVALID,
                   "templates.txt, line 3: 'a photo.': a template has one {}, where the label "
                   "goes, not none");
    assert_refused(file_of("{} or {}\n"), PIX_EINVALID,
                   "templates.txt, line 1: '{} or {}': a template has one {}, where the label "
                   "goes, not several");
    assert_refused(file_of("\n \n"), PIX_EINVALID, "templates.txt: there is no template in it");
    assert_refused("/nonexistent", PIX_ENOTFOUND, "/nonexistent: No such file");
}

static void the_label_goes_in_as_it_is(void **state) {
    (void)state;
    pix_bytes prompt = {0};
    assert_int_equal(pix_prompt_fill("a photo of a {}.", "{} 100 %s", 9, &prompt), PIX_OK);
    assert_string_equal(prompt.data, "a photo of a {} 100 %s.");
    assert_int_equal(pix_prompt_fill("{}", "apple tree", 5, &prompt), PIX_OK);
    assert_string_equal(prompt.data, "apple");
    assert_int_equal(prompt.size, 5);
    pix_bytes_free(&prompt);
}

/* No template stands twice in a set, and the long set holds the short one. */
static void the_installed_sets_are_whole(void **state) {
    (void)state;
    pix_list small, large;
    pix_error error;
    assert_ok(pix_templates_open(PIX_TEMPLATES_SHORT, &small, &error), &error);
    assert_ok(pix_templates_open(PIX_TEMPLATES_LONG, &large, &error), &error);
    assert_int_equal(small.count, 7);
    assert_int_equal(large.count, 40);
    for (size_t i = 0; i < large.count; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(large.entries[i].text, large.entries[j].text);
    for (size_t i = 0; i < small.count; i++) {
        bool found = false;
        for (size_t j = 0; j < large.count; j++)
            found |= strcmp(small.entries[i].text, large.entries[j].text) == 0;
        assert_true(found);
    }
    pix_list_free(&small);
    pix_list_free(&large);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_name_it_is_a_photo_of_it),
        cmocka_unit_test(a_name_with_a_place_for_the_label_is_a_template),
        cmocka_unit_test(a_file_holds_a_template_a_line),
        cmocka_unit_test(a_line_that_is_no_template_is_told),
        cmocka_unit_test(the_label_goes_in_as_it_is),
        cmocka_unit_test(the_installed_sets_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
