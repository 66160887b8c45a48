/* import.c - pix_model_import: a checkpoint becomes a .pixm, one tensor in memory at a time. */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/clip/fold.h"
#include "core/clip/model.h"
#include "core/clip/pixm.h"
#include "core/clip/quantised.h"
#include "core/clip/trial.h"
#include "core/clip/vocabulary.h"

/* What one import holds. */
typedef struct importer {
    pix_checkpoint *checkpoint;
    pix_pixm_header header;
    pix_clip_tensor *tensors;
    size_t tensor_count;
    pix_pixm_tensor *directory; /* [tensor_count] */
    pix_bytes merges;
    char *vocabulary; /* the path it came from */
    bool misfit;      /* the one that was named or lies beside the weights does not fit */
    pix_bytes files;  /* of the source, with their digests */
    pix_atomic_file *file;
    const char *path;
    bool bundle;                    /* the source's path is kept as it is written */
    const pix_precision *precision; /* see pix_import_options */
    int64_t ignored;                /* tensors of the checkpoint that are none of the model's */
    uint64_t written;               /* bytes after the start of the file */
    pix_sha256 contents, fingerprint;
    pix_trial trial;
    pix_quantised *quantised;
    float *values; /* room for the largest tensor, */
    void *packed;  /* and for what the largest packed one is packed into */
} importer;

static void import_free(importer *im) {
    pix_quantised_close(im->quantised);
    pix_trial_free(&im->trial);
    pix_checkpoint_close(im->checkpoint);
    free(im->tensors);
    free(im->directory);
    pix_bytes_free(&im->merges);
    free(im->vocabulary);
    pix_bytes_free(&im->files);
    pix_atomic_file_close(im->file);
    free(im->values);
    free(im->packed);
}

static pix_status set_text(char *field, size_t room, const char *text, const char *what,
                           pix_error *error) {
    size_t size = strlen(text) + 1;
    if (size > room)
        return pix_fail(error, PIX_ELIMIT, "%s has %zu bytes, at most %zu fit: %s", what, size - 1,
                        room - 1, text);
    memcpy(field, text, size);
    return PIX_OK;
}

/* Heap copy of `path`: absolute, since errors and reasons are read in other folders; as it is
 * written for a bundle, which names no folder of its maker's. */
static pix_status copy_path(const importer *im, const char *path, char **out, pix_error *error) {
    *out = im->bundle ? strdup(path) : pix_path_absolute(path);
    return *out ? PIX_OK : pix_fail_errno(error, "cannot find the current folder");
}

static pix_status set_source(importer *im, const char *source, pix_error *error) {
    char *path;
    pix_status status = copy_path(im, source, &path, error);
    if (!status)
        status = set_text(im->header.source, sizeof im->header.source, path, "the path", error);
    free(path);
    return status;
}

static int by_name(const void *name, const void *tensor) {
    return strcmp(name, ((const pix_clip_tensor *)tensor)->name);
}

static bool begins(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* What modules of PyTorch's keep that no forward pass reads. */
static bool is_buffer(const char *name) {
    static const char *const endings[] = {"num_batches_tracked", "attn_mask", "position_ids"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (strcmp(dot ? dot + 1 : name, endings[i]) == 0)
            return true;
    return false;
}

/* By its name one of the weights, of a tower or of what stands around it: Long-CLIP's
 * positional_embedding_res, a bias of a projection that OpenAI's do without. */
static bool is_weight(const char *name) {
    static const char *const beginnings[] = {"visual",   "transformer.",    "token_embedding",
                                             "ln_final", "text_projection", "positional_embedding"};
    bool found = false;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        found = found || begins(name, beginnings[i]);
    return found && !is_buffer(name);
}

/* Counts what is left out, and refuses to leave weights out: it would be another model. */
static pix_status count_ignored(importer *im, pix_error *error) {
    pix_clip_tensor *tensors;
    size_t count;
    pix_status status = pix_clip_checkpoint_tensors(&im->header.config, &tensors, &count, error);
    im->ignored = (int64_t)pix_checkpoint_left_out(im->checkpoint);
    for (size_t i = 0; !status && i < pix_checkpoint_count(im->checkpoint); i++) {
        const char *name = pix_checkpoint_info(im->checkpoint, i)->name;
        if (strcmp(name, "logit_scale") == 0 ||
            bsearch(name, tensors, count, sizeof *tensors, by_name))
            continue;
        im->ignored++;
        if (is_weight(name))
            status = pix_fail(error, PIX_EUNSUPPORTED,
                              "%s: tensor %s is not a part of a CLIP model as OpenAI's",
                              pix_checkpoint_path(im->checkpoint), name);
    }
    free(tensors);
    return status;
}

static pix_status read_config(importer *im, pix_error *error) {
    pix_status status = pix_clip_config_infer(im->checkpoint, &im->header.config, error);
    if (status)
        return pix_error_prefix(error, "%s", pix_checkpoint_path(im->checkpoint));
    if ((status = count_ignored(im, error)))
        return status;
    return pix_clip_tensors(&im->header.config, &im->tensors, &im->tensor_count, error);
}

static pix_status no_vocabulary(importer *im, const char *why, pix_error *error) {
    int length = snprintf(im->header.no_vocabulary, sizeof im->header.no_vocabulary,
                          "text cannot be encoded: %s; run: pixgrepd model import --vocab FILE %s",
                          why, im->header.source);
    return length < 0 ? pix_fail_memory(error) : PIX_OK;
}

static size_t token_count(const importer *im) {
    return (size_t)pix_clip_token_count(&im->header.config);
}

/* Takes the named vocabulary if it fits and says why not if it does not; anything else that is
 * wrong with it is an error. */
static pix_status take_vocabulary(importer *im, const char *named, pix_error *error) {
    pix_error reason;
    char *path;
    pix_status status = copy_path(im, named, &path, error);
    if (status)
        return status;
    status = pix_vocabulary_load(path, token_count(im), &im->merges, &reason);
    if (!status) {
        im->vocabulary = path;
        return PIX_OK;
    }
    free(path);
    im->misfit = true;
    return status == PIX_EMISMATCH ? no_vocabulary(im, reason.text, error)
                                   : pix_fail(error, reason.status, "%s", reason.text);
}

static pix_status find_vocabulary(importer *im, pix_error *error) {
    char *folder, *why = NULL;
    pix_status status = copy_path(im, pix_checkpoint_path(im->checkpoint), &folder, error);
    if (status)
        return status;
    char *slash = strrchr(folder, '/');
    slash[slash == folder ? 1 : 0] = '\0';
    status =
        pix_vocabulary_search(folder, token_count(im), &im->merges, &im->vocabulary, &why, error);
    im->misfit = why && begins(why, folder); /* the reason names a file that lies there */
    if (!status && !im->vocabulary)
        status = no_vocabulary(im, why, error);
    free(why);
    free(folder);
    return status;
}

/* A bundle has the one that was named, wherever others may lie. */
static pix_status choose_vocabulary(importer *im, const char *named, pix_error *error) {
    if (named)
        return take_vocabulary(im, named, error);
    return im->bundle ? no_vocabulary(im, "it was made without a vocabulary", error)
                      : find_vocabulary(im, error);
}

/* Decides where everything goes; sizes are bounded by pix_clip_config_check. */
static pix_status lay_out(importer *im, pix_error *error) {
    pix_pixm_header *h = &im->header;
    memcpy(h->magic, pix_pixm_magic, sizeof h->magic);
    h->version = PIX_PIXM_VERSION;
    h->header_bytes = sizeof *h;
    h->directory_offset = pix_pixm_align(sizeof *h);
    h->directory_count = im->tensor_count;
    im->directory = calloc(im->tensor_count, sizeof *im->directory);
    if (!im->directory)
        return pix_fail_memory(error);
    h->vocabulary_offset =
        pix_pixm_align(h->directory_offset + im->tensor_count * sizeof *im->directory);
    h->vocabulary_bytes = im->merges.size;
    uint64_t offset = pix_pixm_align(h->vocabulary_offset + h->vocabulary_bytes);
    size_t largest = sizeof(float), largest_packed = 1;
    for (size_t i = 0; i < im->tensor_count; i++) {
        const pix_clip_tensor *tensor = &im->tensors[i];
        size_t bytes = pix_clip_tensor_bytes(tensor);
        pix_pixm_tensor *entry = &im->directory[i];
        memcpy(entry->name, tensor->name, sizeof entry->name);
        memcpy(entry->shape, tensor->shape, sizeof entry->shape);
        entry->rank = tensor->rank;
        entry->offset = offset;
        entry->bytes = bytes;
        offset = pix_pixm_align(offset + bytes);
        size_t values = pix_clip_tensor_elements(tensor) * sizeof *im->values;
        if (values > largest)
            largest = values;
        if (tensor->packed && bytes > largest_packed)
            largest_packed = bytes;
    }
    h->file_bytes = offset;
    assert(largest > 0 && largest_packed > 0);
    im->values = malloc(largest);
    im->packed = malloc(largest_packed);
    return im->values && im->packed ? PIX_OK : pix_fail_memory(error);
}

static pix_status write_bytes(importer *im, const void *data, size_t size, pix_error *error) {
    if (size > 0 && fwrite(data, 1, size, pix_atomic_file_stream(im->file)) != size)
        return pix_fail_errno(error, "cannot write %s", im->path);
    im->written += size;
    return PIX_OK;
}

/* As write_bytes, of what follows the header, after zeros up to `offset`. */
static pix_status write_part(importer *im, uint64_t offset, const void *data, size_t size,
                             pix_error *error) {
    static const uint8_t zeros[PIX_PIXM_ALIGNMENT];
    size_t gap = (size_t)(offset - im->written);
    pix_sha256_add(&im->contents, zeros, gap);
    pix_status status = write_bytes(im, zeros, gap, error);
    if (!status && size > 0) {
        pix_sha256_add(&im->contents, data, size);
        status = write_bytes(im, data, size, error);
    }
    return status;
}

static void pack(const pix_clip_tensor *tensor, const float *values, char *bytes) {
    int out = pix_clip_tensor_out(tensor), in = pix_clip_tensor_in(tensor);
    for (int part = 0; part < tensor->packed; part++) {
        if (tensor->int8)
            pix_panels_int8_pack(out, in, values, bytes);
        else if (tensor->transposed)
            pix_panels_f32_pack_transposed(out, in, values, bytes);
        else
            pix_panels_f32_pack(out, in, values, bytes);
        values += (size_t)out * (size_t)in;
        bytes += pix_clip_tensor_bytes(tensor) / (size_t)tensor->packed;
    }
}

static pix_status write_tensor(importer *im, size_t index, pix_error *error) {
    const pix_pixm_tensor *entry = &im->directory[index];
    const pix_clip_tensor *tensor = &im->tensors[index];
    const char *source = pix_checkpoint_path(im->checkpoint), *norm = tensor->norm;
    pix_status status = tensor->int8 ? pix_quantised_read(im->quantised, tensor, im->values, error)
                                     : pix_fold_read(im->checkpoint, tensor, im->values, error);
    if (status)
        return status;
    size_t elements = pix_clip_tensor_elements(tensor);
    for (size_t i = 0; i < elements; i++)
        if (!isfinite(im->values[i]))
            return pix_fail(error, PIX_EFORMAT, "%s: tensor %s: value %zu is not finite%s%s",
                            source, pix_clip_tensor_source(tensor), i,
                            norm[0] ? " after folding " : "", norm);
    if (!tensor->int8) {
        pix_sha256_add(&im->fingerprint, entry->name, strlen(entry->name) + 1);
        pix_sha256_add(&im->fingerprint, entry->shape, sizeof entry->shape);
        pix_sha256_add(&im->fingerprint, im->values, elements * sizeof *im->values);
    }
    if (tensor->packed)
        pack(tensor, im->values, im->packed);
    return write_part(im, entry->offset, tensor->packed ? im->packed : im->values,
                      (size_t)entry->bytes, error);
}

/* The header as it is by now. */
static pix_status write_header(const importer *im, pix_error *error) {
    FILE *stream = pix_atomic_file_stream(im->file);
    if (fseek(stream, 0, SEEK_SET) || fwrite(&im->header, sizeof im->header, 1, stream) != 1)
        return pix_fail_errno(error, "cannot write %s", im->path);
    return PIX_OK;
}

/* Runs what is written by now; what is not is zero. */
static pix_status try_out(importer *im, pix_precision precision, pix_error *error) {
    FILE *stream = pix_atomic_file_stream(im->file);
    pix_model *model;
    pix_status status = write_header(im, error);
    if (status)
        return status;
    if (fflush(stream) || ftruncate(fileno(stream), (off_t)im->header.file_bytes) ||
        fseek(stream, (long)im->written, SEEK_SET))
        return pix_fail_errno(error, "cannot write %s", im->path);
    status = pix_model_open(pix_atomic_file_temporary(im->file), &model, error);
    if (!status && precision == PIX_FP32)
        status = pix_trial_init(&im->trial, model, error);
    if (!status)
        status = pix_trial_run(&im->trial, model, precision, error);
    pix_model_close(model);
    return status;
}

/* Once the float32 tensors are written: those for int8 are made for what they show. */
static pix_status begin_int8(importer *im, pix_error *error) {
    const pix_tower_ranges ranges = {.vision = &im->trial.vision, .text = &im->trial.text};
    pix_status status = try_out(im, PIX_FP32, error);
    return status ? status
                  : pix_quantised_open(im->checkpoint, im->tensors, im->tensor_count, &ranges,
                                       &im->quantised, error);
}

/* Once all tensors are written: how near int8 comes to float32, and whether that is near enough. */
static pix_status end_int8(importer *im, pix_error *error) {
    pix_pixm_header *h = &im->header;
    pix_status status = try_out(im, PIX_INT8, error);
    if (status)
        return status;
    h->fidelity = pix_trial_fidelity(&im->trial);
    h->precision = im->precision                          ? (int32_t)*im->precision
                   : pix_fidelity_is_enough(&h->fidelity) ? PIX_INT8
                                                          : PIX_FP32;
    return PIX_OK;
}

static pix_status write_contents(importer *im, void (*progress)(void *context, double done),
                                 void *context, pix_error *error) {
    pix_pixm_header *h = &im->header;
    pix_sha256_init(&im->contents);
    pix_sha256_init(&im->fingerprint);
    pix_sha256_add(&im->fingerprint, &h->config, sizeof h->config);
    const pix_pixm_header empty = {0};
    pix_status status = write_bytes(im, &empty, sizeof empty, error);
    if (!status)
        status = write_part(im, h->directory_offset, im->directory,
                            im->tensor_count * sizeof *im->directory, error);
    if (!status)
        status = write_part(im, h->vocabulary_offset, im->merges.data, im->merges.size, error);
    for (size_t i = 0; !status && i < im->tensor_count; i++) {
        if (im->tensors[i].int8 && !im->quantised)
            status = begin_int8(im, error);
        if (!status)
            status = write_tensor(im, i, error);
        /* Hashing the source and syncing take about a tenth of the time. */
        if (!status && progress)
            progress(context, 0.9 * (double)im->written / (double)h->file_bytes);
    }
    if (!status)
        status = write_part(im, h->file_bytes, NULL, 0, error);
    return status ? status : end_int8(im, error);
}

/* A whole file of this version that holds another model is not replaced: only its name is the same.
 * A path given for a bundled model may be anybody's file, even the weights being read: nothing is
 * replaced but the same model. */
static pix_status keep_other_model(const importer *im, pix_error *error) {
    pix_model *there;
    char ours[PIX_SHA256_HEX];
    pix_hex(im->header.fingerprint, PIX_SHA256_BYTES, ours);
    pix_status status = pix_model_open(im->path, &there, NULL);
    if (status == PIX_ENOTFOUND || (status && !im->bundle))
        return PIX_OK;
    bool other = status || strcmp(pix_model_fingerprint(there), ours) != 0;
    status = PIX_OK;
    if (other && im->bundle)
        status =
            pix_fail(error, PIX_EINVALID, "%s holds something else; remove it first", im->path);
    else if (other && pix_model_verify_contents(there, NULL) == PIX_OK)
        status = pix_fail(error, PIX_EINVALID,
                          "a different model is named %s: choose another --name, or run: pixgrepd "
                          "model remove %s",
                          im->header.name, im->header.name);
    pix_model_close(there);
    return status;
}

/* The header comes last: only now are its hashes known. */
static pix_status finish(importer *im, pix_error *error) {
    pix_pixm_header *h = &im->header;
    pix_sha256_finish(&im->fingerprint, h->fingerprint);
    pix_status status = keep_other_model(im, error);
    if (!status)
        status = pix_checkpoint_sha256(im->checkpoint, h->source_sha256, &im->files, error);
    h->files_offset = h->file_bytes;
    h->files_bytes = im->files.size;
    if (!status)
        status = write_part(im, h->files_offset, im->files.data, im->files.size, error);
    if (status)
        return status;
    h->file_bytes += h->files_bytes;
    pix_sha256_of(im->merges.data, im->merges.size, h->vocabulary_sha256);
    pix_sha256_add(&im->contents, h, sizeof *h);
    pix_sha256_finish(&im->contents, h->contents_sha256);
    status = write_header(im, error);
    return status ? status : pix_atomic_file_commit(im->file, error);
}

/* "F16 201, F32 101": how the checkpoint stores its tensors, in at most eight ways. */
static void list_dtypes(const importer *im, char *out, size_t size) {
    struct {
        const char *name;
        size_t count;
    } kinds[8] = {{0}};
    size_t used = 0, length = 0;
    for (size_t i = 0; i < pix_checkpoint_count(im->checkpoint); i++) {
        const char *dtype = pix_checkpoint_info(im->checkpoint, i)->dtype;
        size_t k = 0;
        while (k < used && strcmp(kinds[k].name, dtype) != 0)
            k++;
        if (k == sizeof kinds / sizeof *kinds)
            continue;
        used += k == used;
        kinds[k].name = dtype;
        kinds[k].count++;
    }
    out[0] = '\0';
    for (size_t k = 0; k < used && length < size; k++)
        length += (size_t)snprintf(out + length, size - length, "%s%s %zu", k ? ", " : "",
                                   kinds[k].name, kinds[k].count);
}

static void copy_text(char *out, size_t size, const char *text) {
    (void)snprintf(out, size, "%s", text ? text : "");
}

static void report_import(const importer *im, pix_import_report *report) {
    const pix_pixm_header *h = &im->header;
    const char *source;
    *report = (pix_import_report){.config = h->config,
                                  .file_bytes = (int64_t)h->file_bytes,
                                  .files = (int)pix_checkpoint_files(im->checkpoint),
                                  .ignored = im->ignored,
                                  .misfit = im->misfit,
                                  .precision = (pix_precision)h->precision,
                                  .fidelity = h->fidelity,
                                  .gelu_known = pix_checkpoint_gelu_known(im->checkpoint, &source)};
    copy_text(report->gelu_source, sizeof report->gelu_source, source);
    copy_text(report->format, sizeof report->format, pix_checkpoint_format(im->checkpoint));
    const char *weights = strrchr(pix_checkpoint_path(im->checkpoint), '/');
    copy_text(report->weights, sizeof report->weights,
              weights ? weights + 1 : pix_checkpoint_path(im->checkpoint));
    copy_text(report->others, sizeof report->others, pix_checkpoint_others(im->checkpoint));
    list_dtypes(im, report->dtypes, sizeof report->dtypes);
    pix_hex(h->source_sha256, PIX_SHA256_BYTES, report->source_sha256);
    pix_hex(h->fingerprint, PIX_SHA256_BYTES, report->fingerprint);
    report->parameters = 1; /* logit_scale, which the configuration holds */
    for (size_t i = 0; i < im->tensor_count; i++) {
        const pix_clip_tensor *tensor = &im->tensors[i];
        /* A folded bias is made of a BatchNorm's weight and bias. */
        int64_t times = tensor->norm[0] && tensor->rank == 1 ? 2 : 1;
        if (!tensor->int8)
            report->parameters += times * (int64_t)pix_clip_tensor_elements(tensor);
    }
    copy_text(report->vocabulary, sizeof report->vocabulary, im->vocabulary);
    copy_text(report->no_vocabulary, sizeof report->no_vocabulary, h->no_vocabulary);
}

static pix_status make_folder_of(const char *path, pix_error *error) {
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return PIX_OK;
    char *folder = strndup(path, (size_t)(slash - path));
    pix_status status = folder ? pix_folder_make(folder, error) : pix_fail_memory(error);
    free(folder);
    return status;
}

static pix_status open_source(importer *im, const char *source, pix_gelu gelu, pix_error *error) {
    pix_status status = pix_checkpoint_open(source, &im->checkpoint, error);
    if (!status && gelu != PIX_GELU_AS_FOUND)
        pix_checkpoint_set_gelu(im->checkpoint, gelu == PIX_GELU_EXACT);
    return status;
}

pix_status pix_model_import(const char *source, const char *name, const char *pixm_path,
                            const pix_import_options *options, pix_import_report *report,
                            pix_error *error) {
    static const pix_import_options usual = {0};
    options = options ? options : &usual;
    importer im = {.path = pixm_path, .bundle = options->bundle, .precision = options->precision};
    pix_status status;
    if ((status = set_text(im.header.name, sizeof im.header.name, name, "the name", error)) ||
        (status = set_source(&im, source, error)) ||
        (status = open_source(&im, source, options->gelu, error)) ||
        (status = read_config(&im, error)) ||
        (status = choose_vocabulary(&im, options->vocabulary, error)) ||
        (status = lay_out(&im, error)) || (status = make_folder_of(im.path, error)) ||
        (status = pix_atomic_file_open(im.path, &im.file, error)) ||
        (status = write_contents(&im, options->progress, options->context, error)) ||
        (status = finish(&im, error)))
        goto done;
    report_import(&im, report);
    if (options->progress)
        options->progress(options->context, 1.0);
done:
    import_free(&im);
    return status;
}
