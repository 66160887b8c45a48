/* Any bytes as the config.json of a Hugging Face model: an error, or numbers that can be. */
#include <math.h>

#include "core/weights/hf_config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pix_checkpoint_hints hints = {.end_token = -1, .layer_norm_eps = 1e-5};
    pix_error error = {0};
    pix_status status = pix_hf_config_read(fuzz_file(data, size), &hints, &error);
    if (status) {
        demand_reason(status, &error);
        return 0;
    }
    demand(hints.vision_heads >= 0 && hints.vision_heads <= INT32_MAX);
    demand(hints.text_heads >= 0 && hints.text_heads <= INT32_MAX);
    demand(hints.end_token >= -1 && hints.end_token <= INT32_MAX);
    demand(isfinite(hints.layer_norm_eps) && hints.layer_norm_eps > 0);
    return 0;
}
