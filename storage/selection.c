#include "storage/selection.h"

#include <stdlib.h>
#include <string.h>

#include "storage/id_set.h"
#include "storage/range.h"
#include "storage/statement.h"

struct pix_selection {
    pix_id_set images, embeddings;
    int64_t image_count, embedding_count, undated;
};

static pix_status add(pix_id_set *set, int64_t id, int64_t *count, pix_error *error) {
    if (pix_id_set_has(set, id))
        return PIX_OK;
    pix_status status = pix_id_set_add(set, id, error);
    *count += !status;
    return status;
}

static pix_content read_facts(const pix_statement *s, int column) {
    enum { WIDTH, HEIGHT, ORIENTATION, FORMAT, TAKEN_AT, CAMERA, LATITUDE, LONGITUDE };
    sqlite3_stmt *row = s->handle;
    return (pix_content){
        .width = sqlite3_column_int(row, column + WIDTH),
        .height = sqlite3_column_int(row, column + HEIGHT),
        .orientation = sqlite3_column_int(row, column + ORIENTATION),
        .format = pix_statement_text(s, column + FORMAT),
        .taken_at = pix_statement_text(s, column + TAKEN_AT),
        .camera = pix_statement_text(s, column + CAMERA),
        .has_location = sqlite3_column_type(row, column + LATITUDE) != SQLITE_NULL &&
                        sqlite3_column_type(row, column + LONGITUDE) != SQLITE_NULL,
        .latitude = sqlite3_column_double(row, column + LATITUDE),
        .longitude = sqlite3_column_double(row, column + LONGITUDE),
    };
}

/* Judges every row of `s`, which may repeat a photo, and ends it. */
static pix_status sift(pix_selection *selection, const pix_sieve *sieve, pix_statement *s,
                       pix_error *error) {
    enum { IMAGE, EMBEDDING, FACTS };
    pix_status status;
    while (!(status = pix_statement_step(s, error)) && s->row) {
        pix_content facts = read_facts(s, FACTS);
        pix_verdict verdict = pix_sieve_judge(sieve, &facts);
        selection->undated += verdict == PIX_VERDICT_UNDATED;
        if (verdict != PIX_VERDICT_YES)
            continue;
        status = add(&selection->images, sqlite3_column_int64(s->handle, IMAGE),
                     &selection->image_count, error);
        if (!status && sqlite3_column_type(s->handle, EMBEDDING) != SQLITE_NULL)
            status = add(&selection->embeddings, sqlite3_column_int64(s->handle, EMBEDDING),
                         &selection->embedding_count, error);
        if (status) {
            (void)pix_error_prefix(error, "%s", s->store->path);
            break;
        }
    }
    pix_statement_end(s);
    return status;
}

static pix_status select_all(pix_selection *selection, pix_store *store, int64_t model_id,
                             const pix_sieve *sieve, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_SELECT_ALL);
    pix_bind_integer(&s, model_id);
    return sift(selection, sieve, &s, error);
}

static pix_status select_below(pix_selection *selection, pix_store *store, int64_t model_id,
                               const pix_sieve *sieve, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < sieve->filter->folder_count && !status; i++) {
        pix_range range;
        status = pix_range_init(&range, sieve->filter->folders[i], error);
        if (status)
            return status;
        pix_statement s = pix_statement_begin(store, PIX_SQL_SELECT_BELOW);
        pix_bind_range(&s, &range);
        pix_bind_integer(&s, model_id);
        status = sift(selection, sieve, &s, error);
        pix_range_free(&range);
    }
    return status;
}

/* Times are compared as text: every digit comes before ':'. */
static pix_status select_taken(pix_selection *selection, pix_store *store, int64_t model_id,
                               const pix_sieve *sieve, pix_error *error) {
    const pix_filter *filter = sieve->filter;
    pix_statement s = pix_statement_begin(store, PIX_SQL_SELECT_TAKEN);
    pix_bind_text(&s, filter->since ? filter->since : "");
    pix_bind_text(&s, filter->until ? filter->until : ":");
    pix_bind_integer(&s, model_id);
    pix_status status = sift(selection, sieve, &s, error);
    /* The range leaves out what has no time: it is counted when that may be the reason. */
    return status || selection->image_count > 0
               ? status
               : select_all(selection, store, model_id, sieve, error);
}

static bool has_top(const pix_filter *filter) {
    for (size_t i = 0; i < filter->folder_count; i++)
        if (strcmp(filter->folders[i], "/") == 0)
            return true;
    return false;
}

pix_status pix_selection_new(pix_store *store, int64_t model_id, const pix_filter *filter,
                             pix_selection **out, pix_error *error) {
    *out = NULL;
    pix_sieve sieve;
    pix_status status = pix_sieve_init(&sieve, filter, error);
    if (status)
        return status;
    pix_selection *selection = calloc(1, sizeof *selection);
    if (!selection) {
        pix_sieve_free(&sieve);
        return pix_fail_memory(error);
    }
    pix_store_lock(store);
    if (filter->folder_count > 0 && !has_top(filter))
        status = select_below(selection, store, model_id, &sieve, error);
    else if (filter->since || filter->until)
        status = select_taken(selection, store, model_id, &sieve, error);
    else
        status = select_all(selection, store, model_id, &sieve, error);
    pix_store_unlock(store);
    pix_sieve_free(&sieve);
    if (status) {
        pix_selection_free(selection);
        return status;
    }
    if (selection->image_count > 0)
        selection->undated = 0;
    *out = selection;
    return PIX_OK;
}

void pix_selection_free(pix_selection *selection) {
    if (!selection)
        return;
    pix_id_set_free(&selection->images);
    pix_id_set_free(&selection->embeddings);
    free(selection);
}

bool pix_selection_has_image(const pix_selection *selection, int64_t image_id) {
    return pix_id_set_has(&selection->images, image_id);
}

bool pix_selection_has_embedding(const pix_selection *selection, int64_t embedding_id) {
    return pix_id_set_has(&selection->embeddings, embedding_id);
}

int64_t pix_selection_images(const pix_selection *selection) {
    return selection->image_count;
}

int64_t pix_selection_embeddings(const pix_selection *selection) {
    return selection->embedding_count;
}

int64_t pix_selection_undated(const pix_selection *selection) {
    return selection->undated;
}
