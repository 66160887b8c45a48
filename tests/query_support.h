/* query_support.h - for tests of what pixgrep asks of a model: pictures, the reference's model,
 * lines of JSON. */
#ifndef PIX_TESTS_QUERY_SUPPORT_H
#define PIX_TESTS_QUERY_SUPPORT_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query/options.h"
#include "tests/model_support.h"

/* A golden picture as an input; the path is the caller's. */
static inline char *test_picture(const char *name) {
    char *path = strdup(test_golden("preprocess/images/%s", name));
    assert_non_null(path);
    return path;
}

/* The reference's small model with OpenAI's vocabulary, imported once; NULL when either is not
 * there. */
static inline const char *test_reference_model(void) {
    static char *path;
    const char *checkpoint = test_reference("models/vit-tiny/vit-tiny.pt");
    const char *vocabulary = test_reference("bpe_simple_vocab_16e6.txt.gz");
    if (!path && test_exists(checkpoint) && test_exists(vocabulary)) {
        pix_import_report report;
        path = test_import_file(checkpoint, vocabulary, &report);
        assert_string_equal(report.no_vocabulary, "");
    }
    return path;
}

/* That model and the reference's two photographs, seen as OpenAI's code sees them. */
static inline pix_query_options test_reference_photographs(void) {
    static char wide[4096], tall[4096];
    static pix_query_input inputs[] = {{.value = wide}, {.value = tall}};
    (void)snprintf(wide, sizeof wide, "%s", test_reference("preprocess/images/photo-wide.jpg"));
    (void)snprintf(tall, sizeof tall, "%s", test_reference("preprocess/images/photo-tall.jpg"));
    return (pix_query_options){.model = test_reference_model(),
                               .precision = "fp32",
                               .exact = true,
                               .ignore_rotation = true,
                               .inputs = inputs,
                               .input_count = 2};
}

/* Lines of JSON as one array. */
static inline json_t *test_json_lines(const char *text) {
    json_t *all = json_array();
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        json_t *one = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        if (!one)
            fail_msg("not JSON: %.80s", line);
        assert_int_equal(json_array_append_new(all, one), 0);
    }
    return all;
}

#endif
