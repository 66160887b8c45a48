#include "query/ensemble.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/files.h"
#include "core/clip/prompts.h"
#include "core/clip/session.h"
#include "storage/prompt_cache.h"

/* Prompts encoded between two reports of progress, at least one text's. */
enum { PROMPTS = 1024 };

struct pix_ensemble {
    pix_encoder *encoder;
    pix_list templates;
    size_t dimension;
    pix_prompt_cache *cache; /* NULL when there is none */
    pix_prompt_key key;
    pix_error uncached;
    size_t hits;
};

/* Texts on their way to vectors. */
typedef struct encoding {
    pix_ensemble *ensemble;
    const pix_list *texts;
    bool truncate;
    float *out; /* [texts, dimension] */
    const pix_ensemble_listener *listener;

    size_t *missing; /* [texts] numbers of those that the cache does not have */
    size_t missing_count;
    size_t block;         /* texts at a time */
    pix_ids *ids;         /* [templates, block] */
    float *vectors;       /* [templates, block, dimension], unit */
    double *sum;          /* [dimension] */
    pix_text_cut *cuts;   /* [block] the longest of each text */
    float *kept;          /* [block, dimension] for the cache, */
    const char **sources; /* [block] and their texts */
    pix_bytes prompt;
    pix_text_cut cut;
} encoding;

static void open_cache(pix_ensemble *e) {
    pix_encoder *encoder = e->encoder;
    if (pix_encoder_has_own_vocabulary(encoder)) {
        (void)pix_fail(&e->uncached, PIX_EUNSUPPORTED, "texts are read with another vocabulary");
        return;
    }
    pix_sha256 hash;
    pix_sha256_init(&hash);
    for (size_t i = 0; i < e->templates.count; i++) {
        const char *text = e->templates.entries[i].text;
        pix_sha256_add(&hash, text, strlen(text) + 1); /* NUL and all: no two sets are alike */
    }
    pix_sha256_finish(&hash, e->key.templates);
    e->key.template_count = e->templates.count;
    e->key.dimension = e->dimension;
    e->key.fingerprint = pix_encoder_fingerprint(encoder);
    e->key.precision = pix_encoder_precision(encoder);
    char *path = pix_place_cache("prompts.db");
    if (path)
        (void)pix_prompt_cache_open(path, &e->cache, &e->uncached);
    else
        (void)pix_fail(&e->uncached, PIX_ENOTFOUND, "neither XDG_CACHE_HOME nor HOME is set");
    free(path);
}

pix_status pix_ensemble_open(const char *templates, pix_encoder *encoder, pix_ensemble **out,
                             pix_error *error) {
    *out = NULL;
    pix_ensemble *e = calloc(1, sizeof *e);
    if (!e)
        return pix_fail_memory(error);
    e->encoder = encoder;
    e->dimension = pix_encoder_dimension(encoder);
    pix_status status = pix_templates_open(templates, &e->templates, error);
    if (status) {
        pix_ensemble_close(e);
        return status;
    }
    open_cache(e);
    *out = e;
    return PIX_OK;
}

void pix_ensemble_close(pix_ensemble *e) {
    if (!e)
        return;
    pix_prompt_cache_close(e->cache);
    pix_list_free(&e->templates);
    free(e);
}

const pix_list *pix_ensemble_templates(const pix_ensemble *e) {
    return &e->templates;
}

const char *pix_ensemble_uncached(const pix_ensemble *e) {
    return e->cache ? "" : e->uncached.text;
}

size_t pix_ensemble_hits(const pix_ensemble *e) {
    return e->hits;
}

/* From now on the ensemble does without its cache. */
static void lose_cache(pix_ensemble *e) {
    pix_prompt_cache_close(e->cache);
    e->cache = NULL;
}

static void look_up(encoding *job) {
    pix_ensemble *e = job->ensemble;
    for (size_t i = 0; i < job->texts->count; i++) {
        const char *text = job->texts->entries[i].text;
        bool found = false;
        if (e->cache && pix_prompt_cache_get(e->cache, &e->key, text, strlen(text),
                                             job->out + i * e->dimension, &found, &e->uncached))
            lose_cache(e);
        if (found)
            e->hits++;
        else
            job->missing[job->missing_count++] = i;
    }
}

static pix_status begin(encoding *job, pix_error *error) {
    pix_ensemble *e = job->ensemble;
    size_t templates = e->templates.count, prompts, values;
    job->missing = calloc(job->texts->count + 1, sizeof *job->missing);
    if (!job->missing)
        return pix_fail_memory(error);
    look_up(job);
    job->block = templates < PROMPTS ? PROMPTS / templates : 1;
    if (job->missing_count == 0)
        return PIX_OK;
    if (job->block > job->missing_count)
        job->block = job->missing_count;
    if (!pix_size_multiply(templates, job->block, &prompts) ||
        !pix_size_multiply(prompts, e->dimension, &values))
        return pix_fail_memory(error);
    job->ids = calloc(prompts, sizeof *job->ids);
    job->vectors = calloc(values, sizeof *job->vectors);
    job->sum = calloc(e->dimension + 1, sizeof *job->sum);
    job->cuts = calloc(job->block, sizeof *job->cuts);
    job->kept = calloc(values, sizeof *job->kept);
    job->sources = calloc(job->block, sizeof *job->sources);
    bool all = job->ids && job->vectors && job->sum && job->cuts && job->kept && job->sources;
    return all ? PIX_OK : pix_fail_memory(error);
}

static void end(encoding *job) {
    for (size_t i = 0; job->ids && i < job->ensemble->templates.count * job->block; i++)
        pix_ids_free(&job->ids[i]);
    for (size_t i = 0; job->cuts && i < job->block; i++)
        pix_bytes_free(&job->cuts[i].words);
    free(job->missing);
    free(job->ids);
    free(job->vectors);
    free(job->sum);
    free(job->cuts);
    free(job->kept);
    free(job->sources);
    pix_bytes_free(&job->prompt);
    pix_bytes_free(&job->cut.words);
}

static pix_status tokenize(encoding *job, const char *template, const char *text, pix_ids *ids,
                           pix_text_cut *longest, pix_error *error) {
    pix_text_cut *cut = &job->cut;
    if (pix_prompt_fill(template, text, strlen(text), &job->prompt))
        return pix_fail_memory(error);
    pix_status status = pix_encoder_tokens(job->ensemble->encoder, job->prompt.data,
                                           job->prompt.size, ids, cut, error);
    if (!status && cut->count > 0 && !job->truncate)
        status = pix_fail(error, PIX_ELIMIT,
                          "label '%s': too long for the model by %zu token%s in '%s'; shorten it, "
                          "or let it be cut with --truncate",
                          text, cut->count, cut->count == 1 ? "" : "s", template);
    if (!status && cut->count > longest->count) {
        pix_text_cut old = *longest;
        *longest = *cut;
        *cut = old;
    }
    return status;
}

/* The prompts of one template lie side by side: those begin alike and are encoded near each other.
 */
static pix_status encode_block(encoding *job, size_t first, size_t count, pix_error *error) {
    const pix_list *templates = &job->ensemble->templates;
    pix_status status = PIX_OK;
    for (size_t i = 0; i < count; i++)
        job->cuts[i].count = 0;
    for (size_t t = 0; t < templates->count; t++)
        for (size_t i = 0; i < count && !status; i++)
            status = tokenize(job, templates->entries[t].text,
                              job->texts->entries[job->missing[first + i]].text,
                              &job->ids[t * count + i], &job->cuts[i], error);
    return status ? status
                  : pix_encoder_texts(job->ensemble->encoder, job->ids, templates->count * count,
                                      job->vectors, error);
}

/* The mean of the prompts' vectors, `step` apart, as a unit vector. */
static pix_status take_mean(encoding *job, const float *vectors, size_t step, float *out,
                            pix_error *error) {
    size_t templates = job->ensemble->templates.count, dimension = job->ensemble->dimension;
    memset(job->sum, 0, dimension * sizeof *job->sum);
    for (size_t t = 0; t < templates; t++)
        for (size_t j = 0; j < dimension; j++)
            job->sum[j] += (double)vectors[t * step + j];
    for (size_t j = 0; j < dimension; j++)
        out[j] = (float)(job->sum[j] / (double)templates);
    return pix_normalise(out, dimension, error);
}

/* Texts that were cut are not kept, so that it is told again. */
static void keep(encoding *job, size_t first, size_t count) {
    pix_ensemble *e = job->ensemble;
    size_t kept = 0;
    if (!e->cache)
        return;
    for (size_t i = 0; i < count; i++) {
        if (job->cuts[i].count > 0)
            continue;
        memcpy(job->kept + kept * e->dimension, job->out + job->missing[first + i] * e->dimension,
               e->dimension * sizeof *job->kept);
        job->sources[kept++] = job->texts->entries[job->missing[first + i]].text;
    }
    if (pix_prompt_cache_put(e->cache, &e->key, job->sources, job->kept, kept, &e->uncached))
        lose_cache(e);
}

static pix_status run(encoding *job, pix_error *error) {
    const pix_ensemble_listener *listener = job->listener;
    size_t total = job->missing_count, d = job->ensemble->dimension;
    size_t cached = job->texts->count - total;
    pix_status status = PIX_OK;
    for (size_t first = 0, count; first < total && !status; first += count) {
        count = total - first < job->block ? total - first : job->block;
        status = encode_block(job, first, count, error);
        for (size_t i = 0; i < count && !status; i++) {
            status = take_mean(job, job->vectors + i * d, count * d,
                               job->out + job->missing[first + i] * d, error);
            if (!status && job->cuts[i].count > 0 && listener->cut &&
                listener->cut(listener->context, job->missing[first + i], &job->cuts[i]))
                status = pix_fail_memory(error);
        }
        if (!status)
            keep(job, first, count);
        if (!status && listener->progress)
            listener->progress(listener->context, cached + first + count);
    }
    return status;
}

pix_status pix_ensemble_encode(pix_ensemble *ensemble, const pix_list *texts, bool truncate,
                               float *vectors, const pix_ensemble_listener *listener,
                               pix_error *error) {
    encoding job = {.ensemble = ensemble,
                    .texts = texts,
                    .truncate = truncate,
                    .out = vectors,
                    .listener = listener};
    pix_status status = begin(&job, error);
    if (!status)
        status = run(&job, error);
    end(&job);
    return status;
}
