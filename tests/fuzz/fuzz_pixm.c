/* A small valid .pixm, its bytes changed as the input says: opening refuses it in words, or every
 * tensor can be read to its ends, the vocabulary is the model's, and its source files are looked
 * for (its hash is made right again for that). */
#include <stddef.h>

#include "core/clip/model.h"
#include "core/clip/pixm.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/small_models.h"

enum { FILE_BYTES = 512 * 1024, FILE_LINE = PIX_SHA256_HEX - 1 + 2 + 5 /* "null" and NUL */ };

/* Returns the size of the file made in `file`. */
static size_t make_file(const pix_clip_config *config, uint8_t *file) {
    pix_clip_tensor *tensors;
    size_t count;
    demand(!pix_clip_tensors(config, &tensors, &count, NULL));
    pix_pixm_header header = {.version = PIX_PIXM_VERSION,
                              .header_bytes = sizeof header,
                              .name = "fuzz",
                              .source = "/dev/null",
                              .directory_offset = pix_pixm_align(sizeof header),
                              .directory_count = count,
                              .vocabulary_bytes = sizeof small_merges - 1,
                              .files_bytes = FILE_LINE,
                              .config = *config};
    memcpy(header.magic, pix_pixm_magic, sizeof header.magic);
    header.vocabulary_offset =
        pix_pixm_align(header.directory_offset + count * sizeof(pix_pixm_tensor));
    uint64_t at = pix_pixm_align(header.vocabulary_offset + header.vocabulary_bytes);
    memcpy(file + header.vocabulary_offset, small_merges, sizeof small_merges - 1);
    for (size_t i = 0; i < count; i++) {
        pix_pixm_tensor entry = {.rank = tensors[i].rank,
                                 .offset = at,
                                 .bytes = pix_clip_tensor_elements(&tensors[i]) * sizeof(float)};
        memcpy(entry.name, tensors[i].name, sizeof entry.name);
        memcpy(entry.shape, tensors[i].shape, sizeof entry.shape);
        memcpy(file + header.directory_offset + i * sizeof entry, &entry, sizeof entry);
        at = pix_pixm_align(at + entry.bytes);
    }
    free(tensors);
    header.files_offset = at;
    (void)snprintf((char *)file + at, FILE_LINE, "%0*d  null", PIX_SHA256_HEX - 1, 0);
    at = pix_pixm_align(at + FILE_LINE);
    header.file_bytes = at;
    demand(at <= FILE_BYTES);
    memcpy(file, &header, sizeof header);
    return (size_t)at;
}

/* As pix_model_verify_contents wants it. */
static void make_hash_right(uint8_t *file, size_t length) {
    uint8_t *hash = file + offsetof(pix_pixm_header, contents_sha256);
    pix_sha256 sha256;
    pix_sha256_init(&sha256);
    memset(hash, 0, PIX_SHA256_BYTES);
    pix_sha256_add(&sha256, file + sizeof(pix_pixm_header), length - sizeof(pix_pixm_header));
    pix_sha256_add(&sha256, file, sizeof(pix_pixm_header));
    pix_sha256_finish(&sha256, hash);
}

static void read_all(pix_model *model, size_t size) {
    pix_clip_tensor *tensors;
    size_t count, bytes = 0;
    volatile float sum = 0;
    const pix_clip_config *config = pix_model_config(model);
    demand(!pix_clip_tensors(config, &tensors, &count, NULL));
    for (size_t i = 0; i < count; i++) {
        const float *values;
        const pix_clip_tensor *tensor = &tensors[i];
        size_t size = pix_clip_tensor_bytes(tensor), elements = size / sizeof *values;
        int out = tensor->packed ? pix_clip_tensor_out(tensor) : 0;
        int in = tensor->packed ? pix_clip_tensor_in(tensor) : 0;
        if (tensor->int8 && tensor->packed)
            values = (const float *)(const void *)pix_model_panels_int8(model, tensor->name, out,
                                                                        in, tensor->packed, 0)
                         .codes;
        else if (tensor->packed)
            values = pix_model_panels(model, tensor->name, out, in, tensor->packed, 0).values;
        else
            values = pix_model_tensor(model, tensor->name, elements);
        sum = sum + values[0] + values[elements - 1];
        bytes += size;
    }
    demand(bytes < size);
    free(tensors);
    const pix_tokenizer *tokenizer;
    pix_error error = {0};
    pix_status status = pix_model_tokenizer(model, &tokenizer, &error);
    if (status)
        demand_reason(status, &error);
    else
        demand(pix_tokenizer_end(tokenizer) == pix_clip_token_count(config) - 1);
    bool checked;
    demand(!pix_model_verify_contents(model, &error));
    status = pix_model_verify(model, &checked, &error);
    if (status)
        demand_reason(status, &error);
}

/* The input: which model and how many 64-byte steps to cut off, then triples of a position and what
 * to put there. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t whole[2][FILE_BYTES], file[FILE_BYTES];
    static size_t lengths[2];
    if (lengths[0] == 0) {
        lengths[0] = make_file(&small_vit, whole[0]);
        lengths[1] = make_file(&small_resnet, whole[1]);
    }
    size_t kind = size > 0 ? data[0] & 1 : 0, cut = size > 0 ? (size_t)(data[0] >> 1) * 64 : 0;
    size_t length = lengths[kind];
    memcpy(file, whole[kind], length);
    for (size_t i = 1; i + 3 <= size; i += 3)
        file[((size_t)data[i] << 8 | data[i + 1]) % length] = data[i + 2];
    length -= cut < length ? cut : length;
    if (length > sizeof(pix_pixm_header))
        make_hash_right(file, length);
    pix_model *model;
    pix_error error = {0};
    pix_status status = pix_model_open(fuzz_file(file, length), &model, &error);
    demand((status == PIX_OK) == (model != NULL));
    if (status)
        demand_reason(status, &error);
    else
        read_all(model, length);
    pix_model_close(model);
    return 0;
}
