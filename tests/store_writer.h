/* store_writer.h - an index open for writing: the model "tiny", a root /p and a run.
 *
 * open_writer also serves processes that are killed or whose disk fails: it returns what went
 * wrong. */
#ifndef PIX_TESTS_STORE_WRITER_H
#define PIX_TESTS_STORE_WRITER_H

#include <stdio.h>

#include "storage/store.h"
#include "tests/support.h"

typedef struct writer {
    char path[256];
    pix_store *store;
    pix_error error;
    int64_t root, run;
    pix_recipe recipe;
} writer;

static inline pix_status open_writer(writer *w, const char *path, int dimension) {
    static const char fingerprint[] =
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    *w = (writer){.recipe = {.precision = "fp32"}};
    (void)snprintf(w->path, sizeof w->path, "%s", path);
    pix_status status = pix_store_open(path, PIX_STORE_WRITE, &w->store, &w->error);
    if (!status)
        status = pix_store_model_put(w->store, "tiny", fingerprint, dimension, &w->recipe.model_id,
                                     &w->error);
    if (!status)
        status = pix_store_root_put(w->store, "/p", "", false, &w->root, &w->error);
    if (!status)
        status = pix_store_run_begin(w->store, w->recipe.model_id, &w->run, &w->error);
    return status;
}

/* In a folder of the test's own. */
static inline writer open_new_index(int dimension) {
    writer w;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/index.db", test_folder());
    assert_ok(open_writer(&w, path, dimension), &w.error);
    return w;
}

#endif
