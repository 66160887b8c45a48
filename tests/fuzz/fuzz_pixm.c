/* A small valid .pixm, its bytes changed as the input says: opening refuses it in words, or every
 * tensor can be read to its ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/clip/model.h"
#include "core/clip/pixm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_BYTES = 64 * 1024 };

static const pix_clip_config config = {.embed_dim = 2,
                                       .image_size = 4,
                                       .vision_width = 2,
                                       .vision_layers = 1,
                                       .vision_heads = 1,
                                       .patch_size = 2,
                                       .context_length = 3,
                                       .vocab_size = 520,
                                       .text_width = 2,
                                       .text_layers = 1,
                                       .text_heads = 1,
                                       .vision_mlp_width = 8,
                                       .text_mlp_width = 8,
                                       .end_token = -1,
                                       .layer_norm_eps = 1e-5f,
                                       .logit_scale = 1};

/* Returns the size of the file made in `file`. */
static size_t make_file(uint8_t *file) {
    static const char merges[] = "a b\nt h\ni n\ne r</w>\no n</w>\nt o</w>\n";
    pix_clip_tensor *tensors;
    size_t count;
    if (pix_clip_tensors(&config, &tensors, &count, NULL))
        abort();
    pix_pixm_header header = {.version = PIX_PIXM_VERSION,
                              .header_bytes = sizeof header,
                              .name = "fuzz",
                              .source = "/fuzz",
                              .directory_offset = pix_pixm_align(sizeof header),
                              .directory_count = count,
                              .vocabulary_bytes = sizeof merges - 1,
                              .config = config};
    memcpy(header.magic, pix_pixm_magic, sizeof header.magic);
    header.vocabulary_offset =
        pix_pixm_align(header.directory_offset + count * sizeof(pix_pixm_tensor));
    uint64_t at = pix_pixm_align(header.vocabulary_offset + header.vocabulary_bytes);
    memcpy(file + header.vocabulary_offset, merges, sizeof merges - 1);
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
    header.file_bytes = at;
    if (at > FILE_BYTES)
        abort();
    memcpy(file, &header, sizeof header);
    return (size_t)at;
}

static void read_all(pix_model *model) {
    pix_clip_tensor *tensors;
    size_t count;
    volatile float sum = 0;
    if (pix_clip_tensors(pix_model_config(model), &tensors, &count, NULL))
        abort();
    for (size_t i = 0; i < count; i++) {
        size_t elements = pix_clip_tensor_elements(&tensors[i]);
        const float *values = pix_model_tensor(model, tensors[i].name, elements);
        sum = sum + values[0] + values[elements - 1];
    }
    free(tensors);
    const pix_tokenizer *tokenizer;
    pix_error error = {0};
    if (pix_model_tokenizer(model, &tokenizer, &error) && !error.text[0])
        abort();
}

/* The input: how many 64-byte steps to cut off, then triples of a position and what to put there.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t file[FILE_BYTES];
    memset(file, 0, sizeof file);
    size_t length = make_file(file);
    for (size_t i = 1; i + 3 <= size; i += 3)
        file[((size_t)data[i] << 8 | data[i + 1]) % length] = data[i + 2];
    if (size > 0)
        length -= (size_t)data[0] * 64 < length ? (size_t)data[0] * 64 : length;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, file, length) != (ssize_t)length)
        abort();
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    pix_model *model;
    pix_error error = {0};
    pix_status status = pix_model_open(path, &model, &error);
    if (status ? model || !error.text[0] : !model)
        abort();
    if (model)
        read_all(model);
    pix_model_close(model);
    close(fd);
    return 0;
}
