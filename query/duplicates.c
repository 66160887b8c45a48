#include "query/duplicates.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/threads.h"
#include "core/clip/library.h"
#include "core/tensor/isa.h"
#include "query/asker.h"
#include "query/print.h"
#include "query/search.h"
#include "storage/alike.h"

/* How far it is, is shown when it takes so long, and then so often. */
static const int64_t PATIENCE_NS = 1000000000, REDRAW_NS = 200000000;

typedef struct member {
    int64_t image_id;
    double score;
} member;

typedef struct group {
    bool is_identical;
    size_t first, count; /* of the members */
    pix_bytes path;      /* of the first */
} group;

typedef struct duplicates {
    const pix_query_options *options;
    pix_query_format format;
    FILE *out, *notes;
    pix_model *model; /* NULL when only bytes are compared */
    pix_search *search;
    int dimension;
    pix_copies copies; /* by content */
    member *members;
    size_t member_count, member_room;
    group *groups;
    size_t group_count, group_room;
    int64_t due_ns;
    bool shown;
    int64_t damaged;  /* vectors */
    pix_error damage; /* of the first */
} duplicates;

static pix_status add_member(duplicates *job, int64_t image_id, double score, pix_error *error) {
    member *members =
        pix_array_reserve(job->members, &job->member_room, job->member_count, 1, sizeof *members);
    if (!members)
        return pix_fail_memory(error);
    job->members = members;
    job->members[job->member_count++] = (member){.image_id = image_id, .score = score};
    return PIX_OK;
}

/* Makes a group of the members from `first` on. */
static pix_status add_group(duplicates *job, bool is_identical, size_t first, pix_error *error) {
    group *groups =
        pix_array_reserve(job->groups, &job->group_room, job->group_count, 1, sizeof *groups);
    if (!groups)
        return pix_fail_memory(error);
    job->groups = groups;
    group *g = &job->groups[job->group_count++];
    *g = (group){.is_identical = is_identical, .first = first, .count = job->member_count - first};
    pix_photo_row photo;
    pix_status status = pix_search_photo(job->search, job->members[first].image_id, &photo, error);
    if (!status && pix_bytes_append(&g->path, photo.path, photo.path_size))
        status = pix_fail_memory(error);
    return status;
}

/* How many copies the content of the one at `first` has. */
static size_t run_length(const pix_copies *copies, size_t first) {
    size_t end = first;
    while (end < copies->count && copies->items[end].content_id == copies->items[first].content_id)
        end++;
    return end - first;
}

static pix_status find_identical(duplicates *job, pix_error *error) {
    const pix_copies *copies = &job->copies;
    pix_status status = PIX_OK;
    for (size_t i = 0, length; i < copies->count && !status; i += length) {
        size_t first = job->member_count;
        length = run_length(copies, i);
        if (length == 1)
            continue;
        for (size_t k = 0; k < length && !status; k++)
            status = add_member(job, copies->items[i + k].image_id, 1, error);
        if (!status)
            status = add_group(job, true, first, error);
    }
    return status;
}

static void show_progress(void *context, double done) {
    duplicates *job = context;
    int64_t now_ns = pix_now_ns();
    if (now_ns < job->due_ns)
        return;
    job->due_ns = now_ns + REDRAW_NS;
    job->shown = true;
    (void)fprintf(job->notes, "\r%.0f %% compared\033[K", 100 * done);
    (void)fflush(job->notes);
}

/* Pictures to be compared, the better first, and their vectors. */
typedef struct pictures {
    pix_copy *items; /* [count]: the oldest copy of each */
    size_t count;
    float *vectors;    /* [count, dimension] */
    pix_alike *groups; /* [count] */
} pictures;

/* The vector of a picture; one that is damaged is counted and as good as none. */
static pix_status read_vector(duplicates *job, int64_t content_id, float *vector, bool *found,
                              pix_error *error) {
    pix_error reason;
    pix_status status = pix_search_vector(job->search, content_id, vector, found, &reason);
    if (status == PIX_EFORMAT) {
        *found = false;
        if (job->damaged++ == 0)
            job->damage = reason;
        return PIX_OK;
    }
    return status ? pix_fail(error, status, "%s", reason.text) : PIX_OK;
}

static void tell_damage(const duplicates *job) {
    pix_error told;
    char count[32];
    if (job->damaged == 0)
        return;
    (void)pix_fail(&told, PIX_EFORMAT, "%s; %s picture%s not compared", job->damage.text,
                   pix_format_count(job->damaged, count), job->damaged == 1 ? " is" : "s are");
    pix_note(job->notes, told.text);
}

static pix_status read_pictures(duplicates *job, pictures *all, pix_error *error) {
    const pix_copies *copies = &job->copies;
    size_t values, kept = 0, dimension = (size_t)job->dimension;
    all->items = calloc(copies->count + 1, sizeof *all->items);
    if (!all->items)
        return pix_fail_memory(error);
    for (size_t i = 0; i < copies->count; i += run_length(copies, i))
        all->items[all->count++] = copies->items[i];
    qsort(all->items, all->count, sizeof *all->items, pix_copy_compare);
    if (!pix_size_multiply(all->count + 1, dimension, &values))
        return pix_fail_memory(error);
    all->vectors = calloc(values, sizeof *all->vectors);
    all->groups = calloc(all->count + 1, sizeof *all->groups);
    if (!all->vectors || !all->groups)
        return pix_fail_memory(error);
    pix_status status = PIX_OK;
    for (size_t i = 0; i < all->count && !status; i++) {
        bool found;
        status = read_vector(job, all->items[i].content_id, all->vectors + kept * dimension, &found,
                             error);
        if (!status && found) /* what is not encoded is not compared */
            all->items[kept++] = all->items[i];
    }
    all->count = kept;
    tell_damage(job);
    return status;
}

static pix_status compare_pictures(duplicates *job, pictures *all, pix_error *error) {
    pix_compute compute = {0};
    bool person = isatty(fileno(job->notes));
    double threshold = job->options->alike != 0 ? job->options->alike : PIX_ALIKE;
    pix_status status = pix_kernels_wanted(&compute.kernels, error);
    if (!status)
        status = pix_pool_new(job->options->threads, &compute.pool, error);
    job->due_ns = pix_now_ns() + PATIENCE_NS;
    if (!status)
        status = pix_alike_group(&compute, all->vectors, all->count, job->dimension, threshold,
                                 all->groups, person ? show_progress : NULL, job, error);
    if (job->shown)
        (void)fputs("\r\033[K", job->notes);
    pix_pool_free(compute.pool);
    return status;
}

/* The members of a group follow each other in a list of its own, made of where each leader's last
 * one is. */
static pix_status collect_similar(duplicates *job, const pictures *all, pix_error *error) {
    size_t *next = calloc(all->count + 1, sizeof *next); /* of the same group; 0: none */
    size_t *last = calloc(all->count + 1, sizeof *last); /* by leader */
    pix_status status = next && last ? PIX_OK : pix_fail_memory(error);
    for (size_t i = 0; i < all->count && !status; i++) {
        size_t leader = all->groups[i].leader;
        if (leader != i)
            next[last[leader]] = i;
        last[leader] = i;
    }
    for (size_t i = 0; i < all->count && !status; i++) {
        size_t first = job->member_count;
        if (all->groups[i].leader != i || next[i] == 0)
            continue;
        size_t k = i;
        do {
            status = add_member(job, all->items[k].image_id, all->groups[k].score, error);
            k = next[k];
        } while (k != 0 && !status);
        if (!status)
            status = add_group(job, false, first, error);
    }
    free(next);
    free(last);
    return status;
}

static pix_status find_similar(duplicates *job, pix_error *error) {
    pictures all = {0};
    pix_status status = read_pictures(job, &all, error);
    if (!status)
        status = compare_pictures(job, &all, error);
    if (!status)
        status = collect_similar(job, &all, error);
    free(all.items);
    free(all.vectors);
    free(all.groups);
    return status;
}

static int by_path(const void *left, const void *right) {
    const group *a = left, *b = right;
    if (a->is_identical != b->is_identical)
        return a->is_identical ? -1 : 1;
    return strcmp(a->path.data, b->path.data);
}

static int by_count(const void *left, const void *right) {
    const group *a = left, *b = right;
    if (a->is_identical == b->is_identical && a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return by_path(left, right);
}

static pix_status print_member(duplicates *job, size_t number, const group *g, size_t place,
                               pix_error *error) {
    const member *m = &job->members[g->first + place];
    const char *kind = g->is_identical ? "identical" : "similar";
    pix_photo_row photo;
    pix_status status = pix_search_photo(job->search, m->image_id, &photo, error);
    if (status)
        return status;
    const pix_result result = {.score = m->score, .photo = &photo};
    if (job->format == PIX_FORMAT_JSON) {
        (void)fputs(place == 0 ? "" : ",", job->out);
        pix_print_object(job->out, &result);
        return PIX_OK;
    }
    if (job->format == PIX_FORMAT_LINES)
        (void)fprintf(job->out, "%s\t%zu\t", kind, number);
    if (pix_print_result(job->out, job->format, &result))
        return pix_fail_memory(error);
    return PIX_OK;
}

static pix_status print_group(duplicates *job, size_t number, pix_error *error) {
    const group *g = &job->groups[number - 1];
    pix_status status = PIX_OK;
    if (job->format == PIX_FORMAT_TABLE)
        (void)fprintf(job->out, "%s%zu photos %s\n", number == 1 ? "" : "\n", g->count,
                      g->is_identical ? "with the same bytes" : "that are alike");
    if (job->format == PIX_FORMAT_JSON)
        (void)fprintf(job->out, "{\"kind\":\"%s\",\"photos\":[",
                      g->is_identical ? "identical" : "similar");
    for (size_t i = 0; i < g->count && !status; i++)
        status = print_member(job, number, g, i, error);
    if (job->format == PIX_FORMAT_JSON)
        (void)fputs("]}\n", job->out);
    else if (job->format == PIX_FORMAT_PATHS)
        (void)fputc('\n', job->out);
    else if (job->format == PIX_FORMAT_NULL)
        (void)fputc('\0', job->out);
    return status;
}

static pix_status print_groups(duplicates *job, pix_error *error) {
    bool paths = job->options->sort == PIX_SORT_PATH;
    pix_status status = PIX_OK;
    if (job->group_count > 0)
        qsort(job->groups, job->group_count, sizeof *job->groups, paths ? by_path : by_count);
    else
        (void)fputs("pixgrep: no duplicates\n", job->notes);
    for (size_t i = 1; i <= job->group_count && !status; i++)
        status = print_group(job, i, error);
    return status;
}

static pix_status open_index(duplicates *job, pix_error *error) {
    const pix_query_options *options = job->options;
    pix_bytes shortage = {0};
    pix_status status = PIX_OK;
    if (options->alike < PIX_IDENTICAL) {
        status = pix_library_open(options->model, &job->model, error);
        if (status)
            return status;
        job->dimension = pix_model_config(job->model)->embed_dim;
    }
    const pix_search_index index = {.database = options->database,
                                    .model = job->model ? pix_model_name(job->model) : NULL,
                                    .fingerprint =
                                        job->model ? pix_model_fingerprint(job->model) : NULL,
                                    .dimension = job->dimension};
    status = pix_search_open(&index, &job->search, &shortage, error);
    if (!status && job->model)
        pix_print_notice(job->notes, options, job->model);
    if (!status && shortage.size > 0)
        (void)fprintf(job->notes, "pixgrep: %s\n", shortage.data);
    pix_bytes_free(&shortage);
    return status;
}

static pix_status find_and_print(duplicates *job, pix_error *error) {
    pix_status status = pix_search_copies(job->search, &job->copies, error);
    if (!status)
        status = find_identical(job, error);
    if (!status && job->model)
        status = find_similar(job, error);
    return status ? status : print_groups(job, error);
}

pix_status pix_duplicates(const pix_query_options *options, pix_query_format format, FILE *out,
                          FILE *notes, size_t *found, pix_error *error) {
    duplicates job = {.options = options, .format = format, .out = out, .notes = notes};
    pix_status status = open_index(&job, error);
    if (!status)
        status = pix_search_freeze(job.search, error);
    if (!status)
        status = pix_search_select(job.search, &options->filters, notes, error);
    if (!status)
        status = find_and_print(&job, error);
    *found = job.group_count;
    for (size_t i = 0; i < job.group_count; i++)
        pix_bytes_free(&job.groups[i].path);
    free(job.groups);
    free(job.members);
    pix_copies_free(&job.copies);
    pix_search_close(job.search);
    pix_model_close(job.model);
    return status;
}
