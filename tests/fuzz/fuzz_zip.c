/* Any bytes as a zip archive, and as the PyTorch archive it may hold: every member is expanded,
 * every tensor read. */
#include <stdlib.h>

#include "core/weights/convert.h"
#include "core/weights/torch_archive.h"
#include "core/weights/zip.h"

enum { MAX_ELEMENTS = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_members(const uint8_t *data, size_t size) {
    pix_zip *zip;
    pix_error error;
    if (pix_zip_open(data, size, &zip, &error))
        return;
    unsigned sum = 0;
    for (size_t i = 0; i < pix_zip_count(zip); i++) {
        const pix_zip_member *member = pix_zip_at(zip, i);
        const uint8_t *content;
        pix_bytes expanded = {0};
        if (pix_zip_find(zip, member->name) != member)
            abort();
        if (pix_zip_view(member, 1 << 20, &expanded, &content, &error) == PIX_OK)
            for (size_t at = 0; at < member->size; at++)
                sum += content[at];
        pix_bytes_free(&expanded);
    }
    volatile unsigned used = sum;
    (void)used;
    pix_zip_close(zip);
}

static void read_tensors(const uint8_t *data, size_t size) {
    static float values[MAX_ELEMENTS];
    pix_tensors tensors = {0};
    const char *format;
    pix_error error;
    pix_status status = pix_torch_archive_read(data, size, &tensors, &format, &error);
    for (size_t i = 0; !status && i < tensors.count; i++) {
        const pix_tensor *tensor = &tensors.items[i];
        size_t elements;
        if (pix_shape_elements(tensor->info.shape, tensor->info.rank, &elements, &error))
            abort();
        if (elements <= MAX_ELEMENTS && pix_dtype_converts(tensor->parts[0].dtype))
            pix_tensor_convert(tensor, values);
    }
    pix_tensors_free(&tensors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_members(data, size);
    read_tensors(data, size);
    return 0;
}
