/* A filter narrows the contents down, step by step, to those whose vectors count:
 *
 *     the folders' photos -> their contents, or a span of time -> its contents, or all contents
 *     -> those whose facts fit -> those with present photos -> those with vectors
 *
 * A step reads its rows in the order of content ids, near ones in one go: few contents are looked
 * up, many are one pass over an index, and nobody has to guess which it will be. */
#include "storage/selection.h"

#include <stdlib.h>
#include <string.h>

#include "storage/id_set.h"
#include "storage/range.h"
#include "storage/statement.h"

/* Contents this close to each other are read in one go. */
enum { NEAR = 64 };

struct pix_selection {
    pix_id_set images, embeddings;
    int64_t image_count, embedding_count, undated;
};

typedef struct selecting {
    pix_store *store;
    int64_t model_id;
    const pix_sieve *sieve;
    pix_verdict wanted;
    pix_id_set below;    /* photos in the folders, if there are any */
    bool all;            /* no content is excluded yet: `contents` is not in use */
    pix_id_set contents; /* that are left */
    pix_id_set kept;     /* those of them that the present step keeps */
    pix_selection *out;
} selecting;

static pix_status add(selecting *job, pix_id_set *set, int64_t id, pix_error *error) {
    pix_status status = pix_id_set_add(set, id, error);
    if (status == PIX_EFORMAT)
        (void)pix_error_prefix(error, "%s", job->store->path);
    return status;
}

static pix_status add_counted(selecting *job, pix_id_set *set, int64_t id, int64_t *count,
                              pix_error *error) {
    *count += !pix_id_set_has(set, id);
    return add(job, set, id, error);
}

/* The contents kept are those left. */
static void end_step(selecting *job) {
    pix_id_set_free(&job->contents);
    job->contents = job->kept;
    job->kept = (pix_id_set){0};
    job->all = false;
}

typedef pix_status visit(selecting *job, pix_statement *s, pix_error *error);

static pix_status read_rows(selecting *job, pix_statement *s, visit *row, pix_error *error) {
    pix_status status;
    while (!(status = pix_statement_step(s, error)) && s->row)
        if ((job->all || pix_id_set_has(&job->contents, sqlite3_column_int64(s->handle, 0))) &&
            (status = row(job, s, error)))
            break;
    pix_statement_end(s);
    return status;
}

/* One step: the rows that `sql` has of the contents left, content first, bounds as ?1 and ?2. */
static pix_status narrow(selecting *job, pix_sql sql, visit *row, pix_error *error) {
    pix_status status = PIX_OK;
    int64_t low = job->all ? INT64_MIN : pix_id_set_next(&job->contents, 1);
    while (!status && low != 0) {
        int64_t high = job->all ? INT64_MAX : low, next = 0;
        while (!job->all && (next = pix_id_set_next(&job->contents, high + 1)) != 0 &&
               next - high <= NEAR)
            high = next;
        pix_statement s = pix_statement_begin(job->store, sql);
        pix_bind_integer(&s, low);
        pix_bind_integer(&s, high);
        if (sql == PIX_SQL_SELECT_VECTORS)
            pix_bind_integer(&s, job->model_id);
        status = read_rows(job, &s, row, error);
        low = next;
    }
    if (!status)
        end_step(job);
    return status;
}

/* Columns cost time: those are read that somebody asks about. */
static pix_status judge_facts(selecting *job, pix_statement *s, pix_error *error) {
    enum { ID, WIDTH, HEIGHT, ORIENTATION, FORMAT, TAKEN_AT, CAMERA, LATITUDE, LONGITUDE };
    const pix_filter *filter = job->sieve->filter;
    pix_content facts = {
        .width = sqlite3_column_int(s->handle, WIDTH),
        .height = sqlite3_column_int(s->handle, HEIGHT),
        .orientation = sqlite3_column_int(s->handle, ORIENTATION),
    };
    if (filter->format_count > 0)
        facts.format = pix_statement_text(s, FORMAT);
    if (filter->since || filter->until)
        facts.taken_at = pix_statement_text(s, TAKEN_AT);
    if (filter->camera)
        facts.camera = pix_statement_text(s, CAMERA);
    if (filter->has_place) {
        facts.has_location = sqlite3_column_type(s->handle, LATITUDE) != SQLITE_NULL &&
                             sqlite3_column_type(s->handle, LONGITUDE) != SQLITE_NULL;
        facts.latitude = sqlite3_column_double(s->handle, LATITUDE);
        facts.longitude = sqlite3_column_double(s->handle, LONGITUDE);
    }
    return pix_sieve_judge(job->sieve, &facts) == job->wanted
               ? add(job, &job->kept, sqlite3_column_int64(s->handle, ID), error)
               : PIX_OK;
}

static pix_status take_photo(selecting *job, pix_statement *s, pix_error *error) {
    int64_t id = sqlite3_column_int64(s->handle, 1);
    if (job->sieve->filter->folder_count > 0 && !pix_id_set_has(&job->below, id))
        return PIX_OK;
    pix_status status = add_counted(job, &job->out->images, id, &job->out->image_count, error);
    return status ? status : add(job, &job->kept, sqlite3_column_int64(s->handle, 0), error);
}

static pix_status take_vector(selecting *job, pix_statement *s, pix_error *error) {
    return add_counted(job, &job->out->embeddings, sqlite3_column_int64(s->handle, 1),
                       &job->out->embedding_count, error);
}

static pix_status begin_in_folder(selecting *job, const char *folder, pix_error *error) {
    pix_range range;
    pix_status status = pix_range_init(&range, folder, error);
    if (status)
        return status;
    pix_statement s = pix_statement_begin(job->store, PIX_SQL_SELECT_BELOW);
    pix_bind_range(&s, &range);
    while (!(status = pix_statement_step(&s, error)) && s.row)
        if ((status = add(job, &job->below, sqlite3_column_int64(s.handle, 0), error)) ||
            (status = add(job, &job->kept, sqlite3_column_int64(s.handle, 1), error)))
            break;
    pix_statement_end(&s);
    pix_range_free(&range);
    return status;
}

/* Times are compared as text; every digit comes before ':'. */
static pix_status begin_in_time(selecting *job, pix_error *error) {
    const pix_filter *filter = job->sieve->filter;
    pix_statement s = pix_statement_begin(job->store, PIX_SQL_SELECT_TAKEN);
    pix_bind_text(&s, filter->since ? filter->since : "");
    pix_bind_text(&s, filter->until ? filter->until : ":");
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row)
        if ((status = add(job, &job->kept, sqlite3_column_int64(s.handle, 0), error)))
            break;
    pix_statement_end(&s);
    return status;
}

/* Photos whose verdict is the one wanted. */
static pix_status select_photos(selecting *job, pix_error *error) {
    const pix_filter *filter = job->sieve->filter;
    bool timed = filter->since || filter->until;
    bool begins_in_time = timed && filter->folder_count == 0 && job->wanted == PIX_VERDICT_YES;
    pix_status status = PIX_OK;
    job->all = filter->folder_count == 0 && !begins_in_time;
    for (size_t i = 0; i < filter->folder_count && !status; i++)
        status = begin_in_folder(job, filter->folders[i], error);
    if (begins_in_time)
        status = begin_in_time(job, error);
    if (!status && !job->all)
        end_step(job);
    if (!status && ((timed && !begins_in_time) || pix_filter_asks_for_facts(filter)))
        status = narrow(job, PIX_SQL_SELECT_FACTS, judge_facts, error);
    return status ? status : narrow(job, PIX_SQL_SELECT_PHOTOS, take_photo, error);
}

static pix_status run(selecting *job, pix_error *error) {
    pix_selection *out = job->out;
    pix_status status = select_photos(job, error);
    if (!status && job->model_id != 0)
        status = narrow(job, PIX_SQL_SELECT_VECTORS, take_vector, error);
    if (status || out->image_count > 0 || !(job->sieve->filter->since || job->sieve->filter->until))
        return status;
    job->wanted = PIX_VERDICT_UNDATED;
    status = select_photos(job, error);
    out->undated = out->image_count;
    out->image_count = 0;
    pix_id_set_free(&out->images);
    return status;
}

pix_status pix_selection_new(pix_store *store, int64_t model_id, const pix_filter *filter,
                             pix_selection **out, pix_error *error) {
    *out = NULL;
    pix_sieve sieve;
    pix_status status = pix_sieve_init(&sieve, filter, error);
    if (status)
        return status;
    selecting job = {.store = store,
                     .model_id = model_id,
                     .sieve = &sieve,
                     .wanted = PIX_VERDICT_YES,
                     .out = calloc(1, sizeof *job.out)};
    if (job.out) {
        pix_store_lock(store);
        status = run(&job, error);
        pix_store_unlock(store);
    } else {
        status = pix_fail_memory(error);
    }
    pix_id_set_free(&job.below);
    pix_id_set_free(&job.contents);
    pix_id_set_free(&job.kept);
    pix_sieve_free(&sieve);
    if (status)
        pix_selection_free(job.out);
    else
        *out = job.out;
    return status;
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

pix_status pix_selection_each(pix_store *store, const pix_selection *selection,
                              pix_status (*each)(void *context, int64_t image_id), void *context,
                              pix_error *error) {
    pix_store_lock(store);
    pix_statement s = pix_statement_begin_fresh(store, PIX_SQL_IMAGES_BY_PATH);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        int64_t id = sqlite3_column_int64(s.handle, 0);
        if ((!selection || pix_selection_has_image(selection, id)) && (status = each(context, id)))
            break;
    }
    pix_statement_end(&s);
    pix_store_unlock(store);
    return status;
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
