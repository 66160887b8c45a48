#include "query/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/files.h"
#include "query/print.h"

struct pix_search {
    pix_search_index index;
    pix_store *store; /* NULL until it is needed */
    int64_t model_id;
    int64_t encoded;          /* photos that can be found */
    bool filtered;            /* not all photos, but those that pass */
    pix_asked_filter asked;   /* this, */
    pix_selection *selection; /* which are these, once they were needed */
    bool frozen;              /* a snapshot is open */
    pix_background background;
    pix_error trouble; /* to be told; status PIX_OK: none */
    bool troubled;     /* once there was some */
    char *database;    /* path */
};

/* Without a .pixv file at all, so few photos are searched as fast as anybody could notice. */
enum { FEW_PHOTOS = 20000 };

static pix_status find_database(pix_search *search, pix_error *error) {
    const char *given = search->index.database;
    search->database = given ? strdup(given) : pix_place_data("index.db");
    if (search->database)
        return PIX_OK;
    return given ? pix_fail_memory(error)
                 : pix_fail(error, PIX_ENOTFOUND, "HOME is not set: name the index with --db FILE");
}

static pix_status open_store(pix_search *search, pix_error *error) {
    pix_status status = pix_store_open(search->database, PIX_STORE_READ, &search->store, error);
    if (status == PIX_ENOTFOUND)
        status =
            pix_fail(error, status, "no index at %s; run: pixgrepd index DIR", search->database);
    return status;
}

/* The searched model as the index knows it, and the other model that most photos are encoded with.
 */
typedef struct coverage {
    const char *fingerprint;
    pix_store_model own, other;
} coverage;

static pix_status note_model(void *context, const pix_store_model *model) {
    coverage *seen = context;
    if (seen->fingerprint && strcmp(model->fingerprint, seen->fingerprint) == 0)
        seen->own = *model;
    else if (model->embeddings > seen->other.embeddings)
        seen->other = *model;
    return PIX_OK;
}

/* The daemon does without the index being open here. */
static pix_status need_store(pix_search *search, pix_error *error) {
    coverage seen = {.fingerprint = search->index.fingerprint};
    if (search->store)
        return PIX_OK;
    pix_status status = open_store(search, error);
    if (!status)
        status = pix_store_models(search->store, note_model, &seen, error);
    search->model_id = seen.own.id;
    return status;
}

/* Nothing was encoded with this model: says what the index was made with instead. */
static pix_status fail_mismatch(const char *model, const coverage *seen, int64_t photos,
                                pix_error *error) {
    char total[32], others[32];
    pix_format_count(photos, total);
    if (seen->other.embeddings == 0)
        return pix_fail(error, PIX_EMISMATCH, "0 of %s photos encoded with %s; run: pixgrepd index",
                        total, model);
    pix_format_count(seen->other.embeddings, others);
    if (strcmp(model, seen->other.name) == 0)
        return pix_fail(error, PIX_EMISMATCH,
                        "0 of %s photos encoded with %s (%.12s), %s with other weights of that "
                        "name (%.12s); run: pixgrepd index",
                        total, model, seen->fingerprint, others, seen->other.fingerprint);
    return pix_fail(error, PIX_EMISMATCH,
                    "0 of %s photos encoded with %s, %s with %s; run: pixgrepd index, or ask with "
                    "--model %s",
                    total, model, others, seen->other.name, seen->other.name);
}

static pix_status check_coverage(pix_search *search, pix_bytes *note, pix_error *error) {
    const char *model = search->index.model;
    coverage seen = {.fingerprint = search->index.fingerprint};
    pix_store_totals totals = {0};
    pix_status status = pix_store_photo_count(search->store, &totals.photos, error);
    if (!status && totals.photos == 0)
        status = pix_store_totals_get(search->store, &totals, error);
    if (!status)
        status = pix_store_models(search->store, note_model, &seen, error);
    if (status)
        return status;
    search->model_id = seen.own.id;
    search->encoded = seen.own.embeddings;
    char text[256] = "", encoded[32], photos[32];
    if (totals.photos == 0 && totals.missing > 0)
        (void)snprintf(text, sizeof text,
                       "no photos: all %s known ones are missing; is their drive there?",
                       pix_format_count(totals.missing, photos));
    else if (totals.photos == 0)
        (void)snprintf(text, sizeof text, "no photos in the index; run: pixgrepd index DIR");
    else if (!model)
        text[0] = '\0';
    else if (search->encoded == 0)
        return fail_mismatch(model, &seen, totals.photos, error);
    else if (search->encoded < totals.photos)
        (void)snprintf(text, sizeof text, "%s of %s photos encoded with %s; run pixgrepd index",
                       pix_format_count(search->encoded, encoded),
                       pix_format_count(totals.photos, photos), model);
    return pix_bytes_append_text(note, text) ? pix_fail_memory(error) : PIX_OK;
}

/* Whether the daemon keeps this index and says all there is to know of it: nothing is amiss. */
static bool is_known_there(pix_search *search) {
    const pix_search_index *index = &search->index;
    const pix_backend_wish wish = {.database = search->database,
                                   .fingerprint = index->fingerprint,
                                   .precision = index->precision,
                                   .dimension = index->dimension};
    pix_backend_agree(index->backend, &wish);
    return pix_backend_library(index->backend, &search->encoded, &search->background);
}

/* And that the daemon has read the same. */
static void compare_generations(pix_search *search) {
    char generation[PIX_GENERATION_SIZE];
    pix_error error;
    (void)pix_store_generation(search->store, generation, &error); /* "" is nobody's */
    pix_backend_compare(search->index.backend, generation);
}

static pix_status open_index(pix_search *search, pix_bytes *note, pix_error *error) {
    const pix_search_index *index = &search->index;
    pix_status status = find_database(search, error);
    if (status || is_known_there(search))
        return status;
    status = open_store(search, error);
    if (!status)
        status = check_coverage(search, note, error);
    if (!status)
        compare_generations(search);
    if (!status && index->model)
        status = pix_store_background_get(search->store, search->model_id, index->dimension,
                                          &search->background, error);
    return status;
}

pix_status pix_search_open(const pix_search_index *index, pix_search **out, pix_bytes *note,
                           pix_error *error) {
    *out = NULL;
    pix_search *search = calloc(1, sizeof *search);
    if (!search)
        return pix_fail_memory(error);
    search->index = *index;
    pix_status status = open_index(search, note, error);
    if (status)
        pix_search_close(search);
    else
        *out = search;
    return status;
}

void pix_search_close(pix_search *search) {
    if (!search)
        return;
    pix_background_free(&search->background);
    pix_selection_free(search->selection);
    pix_asked_filter_free(&search->asked);
    if (search->frozen)
        pix_store_snapshot_end(search->store);
    pix_store_close(search->store);
    free(search->database);
    free(search);
}

const pix_background *pix_search_background(const pix_search *search) {
    return &search->background;
}

pix_status pix_search_freeze(pix_search *search, pix_error *error) {
    pix_status status = need_store(search, error);
    if (!status)
        status = pix_store_snapshot_begin(search->store, error);
    search->frozen = !status;
    return status;
}

/* The photos that pass, in search->selection, of the index opened here. */
static pix_status need_selection(pix_search *search, pix_error *error) {
    pix_status status = need_store(search, error);
    if (status || !search->filtered || search->selection)
        return status;
    return pix_selection_new(search->store, search->model_id, &search->asked.filter,
                             &search->selection, error);
}

static pix_status count_selected(pix_search *search, pix_selected *out, pix_error *error) {
    if (!search->frozen && search->encoded > 0 &&
        pix_backend_select(search->index.backend, &search->asked.filter, out))
        return PIX_OK;
    pix_status status = need_selection(search, error);
    if (!status)
        *out = (pix_selected){.photos = pix_selection_images(search->selection),
                              .vectors = pix_selection_embeddings(search->selection),
                              .undated = pix_selection_undated(search->selection)};
    return status;
}

pix_status pix_search_select(pix_search *search, const pix_filters *filters, FILE *notes,
                             pix_error *error) {
    pix_selected selected = {0};
    char count[32];
    if (!filters->given)
        return PIX_OK;
    pix_status status = need_store(search, error);
    if (!status)
        status = pix_filters_ask(filters, search->store, notes, &search->asked, error);
    search->filtered = !status;
    if (!status)
        status = count_selected(search, &selected, error);
    if (status)
        return status;
    if (selected.photos == 0)
        pix_filters_tell_nothing_left(&search->asked, selected.undated, notes);
    if (selected.photos > 0 && selected.vectors == 0 && search->encoded > 0)
        (void)fprintf(notes, "pixgrep: %s photo%s the filters and %s encoded; run pixgrepd index\n",
                      pix_format_count(selected.photos, count),
                      selected.photos == 1 ? " passes" : "s pass",
                      selected.photos == 1 ? "is not" : "none is");
    if (selected.vectors == 0)
        search->encoded = 0;
    else if (selected.photos < search->encoded)
        search->encoded = selected.photos;
    return PIX_OK;
}

size_t pix_search_bound(const pix_search *search, size_t wanted) {
    return wanted < (uint64_t)search->encoded ? wanted : (size_t)search->encoded;
}

static void note_trouble(pix_search *search, const pix_search_report *report) {
    const pix_error *why = &report->trouble;
    if (search->troubled)
        return;
    if (report->damaged > 0) {
        char count[32];
        search->troubled = true;
        const bool one = report->damaged == 1;
        (void)pix_fail(&search->trouble, PIX_EFORMAT,
                       "%s: %s stored vector%s damaged: %s photos are not found until pixgrepd "
                       "index makes %s anew",
                       search->database, pix_format_count(report->damaged, count),
                       one ? " is" : "s are", one ? "its" : "their", one ? "it" : "them");
        return;
    }
    if (!why->status || (why->status == PIX_ENOTFOUND && search->encoded < FEW_PHOTOS))
        return;
    search->troubled = true;
    (void)pix_fail(&search->trouble, why->status,
                   "%s; every vector is read instead, until pixgrepd index makes it anew",
                   why->text);
}

static pix_status find_here(pix_search *search, const float *vectors, size_t count, size_t k,
                            pix_hit *hits, size_t *counts, pix_search_report *report,
                            pix_error *error) {
    pix_status status = need_selection(search, error);
    pix_vector_query query = {.model_id = search->model_id,
                              .vectors = vectors,
                              .count = count,
                              .dimension = search->index.dimension,
                              .k = k,
                              .selection = search->selection};
    return status ? status
                  : pix_vector_index_search(search->store, &query, hits, counts, report, error);
}

pix_status pix_search_best(pix_search *search, const float *vectors, size_t count, size_t k,
                           pix_hit *hits, size_t *counts, pix_search_report *report,
                           pix_error *error) {
    const pix_filter *filter = search->filtered ? &search->asked.filter : NULL;
    pix_search_report done = {0};
    pix_status status = PIX_OK;
    memset(counts, 0, count * sizeof *counts);
    if (search->encoded > 0 &&
        (search->frozen ||
         !pix_backend_best(search->index.backend, vectors, count, k, filter, hits, counts, &done)))
        status = find_here(search, vectors, count, k, hits, counts, &done, error);
    note_trouble(search, &done);
    if (report)
        *report = done;
    return status;
}

const char *pix_search_trouble(pix_search *search) {
    if (!search->trouble.status)
        return NULL;
    search->trouble.status = PIX_OK;
    return search->trouble.text;
}

pix_status pix_search_photo(pix_search *search, int64_t image_id, pix_photo_row *row,
                            pix_error *error) {
    if (pix_backend_photo(search->index.backend, image_id, row))
        return PIX_OK;
    pix_status status = need_store(search, error);
    return status ? status : pix_store_photo_get(search->store, image_id, row, error);
}

pix_status pix_search_copies(pix_search *search, pix_copies *out, pix_error *error) {
    pix_status status = need_selection(search, error);
    return status ? status : pix_copies_read(search->store, search->selection, out, error);
}

pix_status pix_search_vector(pix_search *search, int64_t content_id, float *vector, bool *found,
                             pix_error *error) {
    pix_status status = need_store(search, error);
    if (status)
        return status;
    return pix_store_vector_get(search->store, search->model_id, content_id, vector,
                                search->index.dimension, found, error);
}

typedef struct visiting {
    pix_search *search;
    pix_status (*each)(void *context, const pix_photo_row *photo, const float *vector,
                       const pix_error *reason);
    void *context;
    float *vector;
    pix_error *error;
} visiting;

static pix_status visit(void *context, int64_t image_id) {
    visiting *job = context;
    pix_photo_row photo;
    pix_error reason = {0};
    bool found;
    pix_status status = pix_search_photo(job->search, image_id, &photo, job->error);
    if (status)
        return status;
    status = pix_search_vector(job->search, photo.content_id, job->vector, &found, &reason);
    if (status == PIX_EFORMAT)
        return job->each(job->context, &photo, NULL, &reason);
    if (status)
        return pix_fail(job->error, status, "%s", reason.text);
    return found ? job->each(job->context, &photo, job->vector, NULL) : PIX_OK;
}

pix_status pix_search_each(pix_search *search,
                           pix_status (*each)(void *context, const pix_photo_row *photo,
                                              const float *vector, const pix_error *reason),
                           void *context, pix_error *error) {
    visiting job = {.search = search, .each = each, .context = context, .error = error};
    job.vector = calloc((size_t)search->index.dimension, sizeof *job.vector);
    pix_status status = job.vector ? need_selection(search, error) : pix_fail_memory(error);
    if (!status)
        status = pix_selection_each(search->store, search->selection, visit, &job, error);
    free(job.vector);
    return status;
}
