/* Any bytes as a safetensors file, under Hugging Face's names where it has them: together its
 * tensors are no larger than the file, and every one is read. */
#include "core/weights/convert.h"
#include "core/weights/names.h"
#include "core/weights/safetensors.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_ELEMENTS = 1 << 20 };

/* Returns its size in bytes. */
static size_t read_tensor(const pix_tensor *tensor, const uint8_t *data, size_t size) {
    static float values[MAX_ELEMENTS];
    size_t elements, bytes = 0;
    bool converts = true;
    pix_error error;
    demand(!pix_shape_elements(tensor->info.shape, tensor->info.rank, &elements, &error));
    for (int i = 0; i < tensor->part_count && elements > 0; i++) {
        const pix_tensor_part *part = &tensor->parts[i];
        size_t row = tensor->info.rank > 0 ? elements / (size_t)tensor->info.shape[0] : 1;
        size_t of_part = row * (size_t)part->rows * pix_dtype_size(part->dtype);
        demand(part->data >= data && of_part <= size &&
               (size_t)(part->data - data) <= size - of_part);
        converts = converts && pix_dtype_converts(part->dtype);
        bytes += of_part;
    }
    if (elements <= MAX_ELEMENTS && converts)
        pix_tensor_convert(tensor, values);
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pix_tensors tensors = {0};
    pix_error error = {0};
    pix_status status = pix_safetensors_read(data, size, &tensors, &error);
    if (!status)
        status = pix_tensors_sort(&tensors, &error);
    if (!status && pix_names_are_hugging_face(&tensors))
        status = pix_names_from_hugging_face(&tensors, &error);
    if (status)
        demand_reason(status, &error);
    size_t bytes = 0;
    for (size_t i = 0; !status && i < tensors.count; i++)
        bytes += read_tensor(&tensors.items[i], data, size);
    demand(bytes <= size);
    pix_tensors_free(&tensors);
    return 0;
}
