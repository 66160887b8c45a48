/* Any bytes as a safetensors file, under Hugging Face's names where it has them; every tensor is
 * read.
 */
#include <stdlib.h>

#include "core/weights/convert.h"
#include "core/weights/names.h"
#include "core/weights/safetensors.h"

enum { MAX_ELEMENTS = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static float values[MAX_ELEMENTS];
    pix_tensors tensors = {0};
    pix_error error;
    pix_status status = pix_safetensors_read(data, size, &tensors, &error);
    if (!status)
        status = pix_tensors_sort(&tensors, &error);
    if (!status && pix_names_are_hugging_face(&tensors))
        status = pix_names_from_hugging_face(&tensors, &error);
    for (size_t i = 0; !status && i < tensors.count; i++) {
        const pix_tensor *tensor = &tensors.items[i];
        size_t elements;
        bool converts = true;
        if (pix_shape_elements(tensor->info.shape, tensor->info.rank, &elements, &error))
            abort();
        for (int part = 0; part < tensor->part_count; part++)
            converts = converts && pix_dtype_converts(tensor->parts[part].dtype);
        if (elements <= MAX_ELEMENTS && converts)
            pix_tensor_convert(tensor, values);
    }
    pix_tensors_free(&tensors);
    return 0;
}
