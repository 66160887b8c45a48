#include "core/clip/model.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/clip/pixm.h"

struct pix_model {
    pix_mapping file;
    const pix_pixm_header *header;    /* in the mapping */
    const pix_pixm_tensor *directory; /* in the mapping */
    char *path;
    char source_sha256[PIX_SHA256_HEX];
    char fingerprint[PIX_SHA256_HEX];
    pthread_mutex_t lock; /* guards tokenizer */
    pix_tokenizer *tokenizer;
};

static bool is_string(const char *text, size_t room) {
    return memchr(text, '\0', room) != NULL;
}

/* [offset, offset + bytes) is aligned and lies in the file after the header. */
static bool in_file(const pix_pixm_header *h, uint64_t offset, uint64_t bytes) {
    return offset % PIX_PIXM_ALIGNMENT == 0 && offset >= sizeof *h && offset <= h->file_bytes &&
           bytes <= h->file_bytes - offset;
}

static pix_status damaged(const pix_model *model, const char *what, pix_error *error) {
    return pix_fail(error, PIX_EFORMAT, "%s: damaged model file: %s", model->path, what);
}

/* The source of a bundled model was a file of whoever made it. */
static bool has_source(const pix_model *model) {
    return model->header->source[0] == '/';
}

/* The file is of no use: says what makes it anew. */
static pix_status fail_useless(const pix_model *model, pix_status status, const char *what,
                               pix_error *error) {
    if (!has_source(model))
        return pix_fail(error, status, "%s%s; install pixgrep again", model->path, what);
    return pix_fail(error, status, "%s%s; run: pixgrepd model import %s", model->path, what,
                    model->header->source);
}

static pix_status check_version(const pix_model *model, pix_error *error) {
    const pix_pixm_header *h = model->header;
    size_t prefix = offsetof(pix_pixm_header, file_bytes);
    if (model->file.size < prefix || memcmp(h->magic, pix_pixm_magic, sizeof h->magic) != 0)
        return pix_fail(error, PIX_EFORMAT, "%s: not a pixgrep model", model->path);
    if (!is_string(h->name, sizeof h->name) || !is_string(h->source, sizeof h->source))
        return damaged(model, "its name is not terminated", error);
    if (h->version < PIX_PIXM_VERSION)
        return fail_useless(model, PIX_EUNSUPPORTED, " was written by an older pixgrep", error);
    if (h->version > PIX_PIXM_VERSION)
        return pix_fail(error, PIX_EUNSUPPORTED,
                        "%s was written by a newer pixgrep (format %" PRIu32 ", this one reads %d)",
                        model->path, h->version, PIX_PIXM_VERSION);
    return PIX_OK;
}

/* NaN is what was not measured. */
static bool is_possible(const pix_fidelity *f) {
    const double cosines[] = {f->image_least, f->image_mean, f->text_least, f->text_mean};
    bool possible = isnan(f->score_error) || (f->score_error >= 0 && isfinite(f->score_error));
    for (size_t i = 0; i < sizeof cosines / sizeof *cosines; i++)
        possible = possible && (isnan(cosines[i]) || fabs(cosines[i]) <= 1.001);
    return possible;
}

static pix_status check_header(const pix_model *model, pix_error *error) {
    const pix_pixm_header *h = model->header;
    if (model->file.size < sizeof *h || h->header_bytes != sizeof *h)
        return damaged(model, "its header is cut short", error);
    if (h->file_bytes != model->file.size)
        return pix_fail(error, PIX_EFORMAT, "%s: %zu bytes, but its header says %" PRIu64,
                        model->path, model->file.size, h->file_bytes);
    if (!is_string(h->no_vocabulary, sizeof h->no_vocabulary))
        return damaged(model, "a text is not terminated", error);
    if (pix_clip_config_check(&h->config, error))
        return pix_error_prefix(error, "%s: damaged model file", model->path);
    if (h->precision != PIX_FP32 && h->precision != PIX_INT8)
        return damaged(model, "its precision is unknown", error);
    if (!is_possible(&h->fidelity))
        return damaged(model, "its fidelity is impossible", error);
    if (!in_file(h, h->vocabulary_offset, h->vocabulary_bytes))
        return damaged(model, "its vocabulary lies outside", error);
    if (h->files_bytes > 0 && (!in_file(h, h->files_offset, h->files_bytes) ||
                               model->file.data[h->files_offset + h->files_bytes - 1] != '\0'))
        return damaged(model, "its list of source files lies outside", error);
    if (h->directory_count > h->file_bytes / sizeof(pix_pixm_tensor) ||
        !in_file(h, h->directory_offset, h->directory_count * sizeof(pix_pixm_tensor)))
        return damaged(model, "its directory lies outside", error);
    if (h->vocabulary_offset < h->directory_offset + h->directory_count * sizeof(pix_pixm_tensor))
        return damaged(model, "its vocabulary overlaps its directory", error);
    return PIX_OK;
}

/* The directory must hold exactly the tensors of the configuration, each after the one before. */
static pix_status check_directory(const pix_model *model, pix_error *error) {
    const pix_pixm_header *h = model->header;
    pix_clip_tensor *tensors;
    size_t count;
    pix_status status = pix_clip_tensors(&h->config, &tensors, &count, error);
    if (status)
        return status;
    if (count != h->directory_count)
        status = damaged(model, "its directory does not fit its configuration", error);
    uint64_t end = h->vocabulary_offset + h->vocabulary_bytes;
    for (size_t i = 0; !status && i < count; i++) {
        const pix_pixm_tensor *have = &model->directory[i];
        if (strncmp(have->name, tensors[i].name, sizeof have->name) != 0 ||
            have->rank != tensors[i].rank ||
            memcmp(have->shape, tensors[i].shape, sizeof have->shape) != 0 ||
            have->bytes != pix_clip_tensor_bytes(&tensors[i]) ||
            !in_file(h, have->offset, have->bytes))
            status = pix_fail(error, PIX_EFORMAT, "%s: damaged model file: its tensor %s",
                              model->path, tensors[i].name);
        else if (have->offset < end)
            status =
                pix_fail(error, PIX_EFORMAT,
                         "%s: damaged model file: its tensor %s overlaps what stands before it",
                         model->path, tensors[i].name);
        end = have->offset + have->bytes;
    }
    free(tensors);
    return status;
}

pix_status pix_model_open(const char *pixm_path, pix_model **out, pix_error *error) {
    *out = NULL;
    pix_model *model = calloc(1, sizeof *model);
    if (!model)
        return pix_fail_memory(error);
    (void)pthread_mutex_init(&model->lock, NULL);
    model->path = strdup(pixm_path);
    pix_status status =
        model->path ? pix_mapping_open(&model->file, pixm_path, error) : pix_fail_memory(error);
    if (status)
        goto fail;
    model->header = (const pix_pixm_header *)model->file.data;
    if ((status = check_version(model, error)) || (status = check_header(model, error)))
        goto fail;
    model->directory =
        (const pix_pixm_tensor *)(model->file.data + model->header->directory_offset);
    if ((status = check_directory(model, error)))
        goto fail;
    pix_hex(model->header->source_sha256, PIX_SHA256_BYTES, model->source_sha256);
    pix_hex(model->header->fingerprint, PIX_SHA256_BYTES, model->fingerprint);
    *out = model;
    return PIX_OK;
fail:
    pix_model_close(model);
    return status;
}

void pix_model_close(pix_model *model) {
    if (!model)
        return;
    pix_tokenizer_free(model->tokenizer);
    pix_mapping_close(&model->file);
    (void)pthread_mutex_destroy(&model->lock);
    free(model->path);
    free(model);
}

const char *pix_model_name(const pix_model *model) {
    return model->header->name;
}

const char *pix_model_path(const pix_model *model) {
    return model->path;
}

const char *pix_model_source(const pix_model *model) {
    return model->header->source;
}

const char *pix_model_source_sha256(const pix_model *model) {
    return model->source_sha256;
}

const char *pix_model_fingerprint(const pix_model *model) {
    return model->fingerprint;
}

const pix_clip_config *pix_model_config(const pix_model *model) {
    return &model->header->config;
}

pix_precision pix_model_precision(const pix_model *model) {
    return (pix_precision)model->header->precision;
}

const pix_fidelity *pix_model_fidelity(const pix_model *model) {
    return &model->header->fidelity;
}

bool pix_model_has_text(const pix_model *model, const char **why) {
    if (why)
        *why = model->header->no_vocabulary;
    return model->header->vocabulary_bytes > 0;
}

/* Its ids are rows of the model's token embedding, of which there are as many or more. */
static pix_status make_tokenizer(pix_model *model, pix_error *error) {
    const pix_pixm_header *h = model->header;
    pix_tokenizer *tokenizer;
    pix_status status = pix_tokenizer_new((const char *)model->file.data + h->vocabulary_offset,
                                          (size_t)h->vocabulary_bytes, &tokenizer, error);
    int32_t token_count = pix_clip_token_count(&h->config);
    if (!status && pix_tokenizer_end(tokenizer) != token_count - 1) {
        status = pix_fail(error, PIX_EFORMAT,
                          "damaged model file: %" PRId32 " tokens in its vocabulary, %" PRId32
                          " in its configuration",
                          pix_tokenizer_end(tokenizer) + 1, token_count);
        pix_tokenizer_free(tokenizer);
        tokenizer = NULL;
    }
    model->tokenizer = tokenizer;
    return status;
}

pix_status pix_model_tokenizer(pix_model *model, const pix_tokenizer **out, pix_error *error) {
    *out = NULL;
    const char *why;
    if (!pix_model_has_text(model, &why))
        return pix_fail(error, PIX_EUNSUPPORTED, "%s: %s", model->header->name, why);
    pix_status status = PIX_OK;
    (void)pthread_mutex_lock(&model->lock);
    if (!model->tokenizer)
        status = make_tokenizer(model, error);
    *out = model->tokenizer;
    (void)pthread_mutex_unlock(&model->lock);
    return status ? pix_error_prefix(error, "%s", model->path) : PIX_OK;
}

pix_status pix_model_verify_contents(const pix_model *model, pix_error *error) {
    pix_sha256 hash;
    pix_sha256_init(&hash);
    pix_sha256_add(&hash, model->file.data + sizeof(pix_pixm_header),
                   model->file.size - sizeof(pix_pixm_header));
    pix_pixm_header header = *model->header;
    memset(header.contents_sha256, 0, sizeof header.contents_sha256);
    pix_sha256_add(&hash, &header, sizeof header);
    uint8_t digest[PIX_SHA256_BYTES];
    pix_sha256_finish(&hash, digest);
    if (memcmp(digest, model->header->contents_sha256, sizeof digest) != 0)
        return fail_useless(model, PIX_EFORMAT, ": its contents are not what import wrote", error);
    return PIX_OK;
}

/* The path of a file of the source, which is that file, another beside it, or the folder; NULL when
 * memory is out. */
static char *source_file(const char *source, const char *name) {
    struct stat info;
    if (stat(source, &info) == 0 && S_ISDIR(info.st_mode))
        return pix_path_join(source, name);
    return pix_path_beside(source, name);
}

static pix_status verify_file(const pix_model *model, const char *path, const char *digits,
                              pix_error *error) {
    pix_mapping file;
    pix_status status = pix_mapping_open(&file, path, error);
    if (status)
        return pix_error_prefix(error, "the file %s was imported from is no longer readable",
                                model->header->name);
    uint8_t digest[PIX_SHA256_BYTES];
    char now[PIX_SHA256_HEX];
    pix_sha256_of(file.data, file.size, digest);
    pix_mapping_close(&file);
    pix_hex(digest, sizeof digest, now);
    if (memcmp(now, digits, PIX_SHA256_HEX - 1) != 0)
        return pix_fail(error, PIX_EMISMATCH, "%s: the file %s was imported from has changed", path,
                        model->header->name);
    return PIX_OK;
}

/* Each file that the model was imported from is still what it was. */
static pix_status verify_source(const pix_model *model, pix_error *error) {
    static const size_t before_name = PIX_SHA256_HEX - 1 + 2;
    const char *line = (const char *)model->file.data + model->header->files_offset;
    const char *end = line + model->header->files_bytes;
    pix_status status = PIX_OK;
    for (; !status && line < end; line += strlen(line) + 1) {
        if (strlen(line) <= before_name)
            return damaged(model, "its list of source files", error);
        char *path = source_file(model->header->source, line + before_name);
        status = path ? verify_file(model, path, line, error) : pix_fail_memory(error);
        free(path);
    }
    return status;
}

pix_status pix_model_verify(pix_model *model, bool *source_checked, pix_error *error) {
    *source_checked = false;
    pix_status status = pix_model_verify_contents(model, error);
    if (status || !has_source(model) || access(model->header->source, F_OK) != 0)
        return status;
    status = verify_source(model, error);
    *source_checked = !status;
    return status;
}

static int by_name(const void *name, const void *tensor) {
    return pix_clip_name_order(name, ((const pix_pixm_tensor *)tensor)->name);
}

static const void *find(const pix_model *model, const char *name, size_t bytes) {
    const pix_pixm_tensor *tensor =
        bsearch(name, model->directory, (size_t)model->header->directory_count,
                sizeof *model->directory, by_name);
    assert(tensor && tensor->bytes == bytes);
    return model->file.data + tensor->offset;
}

const float *pix_model_tensor(const pix_model *model, const char *name, size_t elements) {
    return find(model, name, elements * sizeof(float));
}

pix_panels_f32 pix_model_panels(const pix_model *model, const char *name, int out, int in,
                                int count, int part) {
    size_t size = pix_panels_f32_size(out, in);
    const char *bytes = find(model, name, (size_t)count * size);
    return pix_panels_f32_view(out, in, bytes + (size_t)part * size);
}

pix_panels_int8 pix_model_panels_int8(const pix_model *model, const char *name, int out, int in,
                                      int count, int part) {
    size_t size = pix_panels_int8_size(out, in);
    const char *bytes = find(model, name, (size_t)count * size);
    return pix_panels_int8_view(out, in, bytes + (size_t)part * size);
}

void pix_model_read_ahead(const pix_model *model, const char *prefix) {
    size_t first = SIZE_MAX, end = 0, length = strlen(prefix);
    for (uint64_t i = 0; i < model->header->directory_count; i++) {
        const pix_pixm_tensor *tensor = &model->directory[i];
        if (strncmp(tensor->name, prefix, length) != 0)
            continue;
        first = tensor->offset < first ? tensor->offset : first;
        end = tensor->offset + tensor->bytes > end ? tensor->offset + tensor->bytes : end;
    }
    if (first >= end)
        return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    first -= first % page;
    /* Advice only: failure costs time, not correctness. */
    (void)madvise((void *)(model->file.data + first), end - first, MADV_WILLNEED);
}
