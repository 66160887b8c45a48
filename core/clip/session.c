#include "core/clip/session.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "core/clip/text_tower.h"
#include "core/clip/vit.h"
#include "core/tensor/dot.h"
#include "core/tensor/gemm.h"

struct pix_session {
    int max_images;
    pix_vit vit; /* only when max_images > 0 */
    pix_text_tower text;
    pix_scratch scratch;
    float byte_values[3][256];
};

pix_status pix_session_new(pix_model *model, int max_images, pix_session **out, pix_error *error) {
    *out = NULL;
    assert(pix_gemm_kernel() && "pix_gemm_open comes first");
    const pix_clip_config *config = pix_model_config(model);
    if (max_images < 0 || max_images > INT_MAX / pix_clip_vision_tokens(config))
        return pix_fail(error, PIX_EINVALID, "a batch of %d images", max_images);
    pix_session *session = calloc(1, sizeof *session);
    if (!session)
        return pix_fail_memory(error);
    session->max_images = max_images;
    pix_vit_byte_values(session->byte_values);
    pix_scratch_sizes sizes = {0};
    pix_status status = pix_text_tower_init(&session->text, model, error);
    if (!status && max_images > 0)
        status = pix_vit_init(&session->vit, model, error);
    if (status)
        goto fail;
    if (!pix_transformer_measure(&session->text.transformer, 1, (size_t)config->context_length,
                                 &sizes) ||
        (max_images > 0 && !pix_vit_measure(&session->vit, (size_t)max_images, &sizes))) {
        status = pix_fail_memory(error);
        goto fail;
    }
    status = pix_scratch_init(&session->scratch, &sizes, error);
    if (status)
        goto fail;
    pix_model_read_ahead(model, max_images > 0 ? "visual." : "transformer.");
    *out = session;
    return PIX_OK;
fail:
    pix_session_free(session);
    return status;
}

void pix_session_free(pix_session *session) {
    if (!session)
        return;
    pix_scratch_free(&session->scratch);
    pix_vit_free(&session->vit);
    pix_text_tower_free(&session->text);
    free(session);
}

int pix_model_batch_size(const pix_model *model) {
    /* Rows enough that a product's cost is arithmetic and not reading the weights. */
    int images = 1600 / pix_clip_vision_tokens(pix_model_config(model));
    return images < 1 ? 1 : images > 32 ? 32 : images;
}

static pix_status check_count(const pix_session *session, int count, pix_error *error) {
    if (count >= 0 && count <= session->max_images)
        return PIX_OK;
    return pix_fail(error, PIX_EINVALID, "%d images for a session of %d", count,
                    session->max_images);
}

pix_status pix_session_encode_images(pix_session *session, const uint8_t *rgb, int count,
                                     float *features, pix_error *error) {
    pix_status status = check_count(session, count, error);
    if (status || count == 0)
        return status;
    size_t size = (size_t)session->vit.image_size;
    for (int i = 0; i < count; i++)
        pix_vit_cut_bytes(&session->vit, &session->scratch, i, rgb + (size_t)i * 3 * size * size,
                          (const float(*)[256])session->byte_values);
    pix_vit_encode(&session->vit, &session->scratch, count, features);
    return PIX_OK;
}

pix_status pix_session_encode_pixels(pix_session *session, const float *pixels, int count,
                                     float *features, pix_error *error) {
    pix_status status = check_count(session, count, error);
    if (status || count == 0)
        return status;
    size_t size = (size_t)session->vit.image_size;
    for (int i = 0; i < count; i++)
        pix_vit_cut_floats(&session->vit, &session->scratch, i,
                           pixels + (size_t)i * 3 * size * size);
    pix_vit_encode(&session->vit, &session->scratch, count, features);
    return PIX_OK;
}

pix_status pix_session_encode_text(pix_session *session, const int32_t *ids, size_t count,
                                   float *feature, pix_error *error) {
    int length;
    pix_status status = pix_text_tower_length(&session->text, ids, count, &length, error);
    if (!status)
        pix_text_tower_encode(&session->text, &session->scratch, ids, length, feature);
    return status;
}

pix_status pix_normalise(float *vector, size_t size, pix_error *error) {
    double length = sqrt(pix_dot(vector, vector, size));
    if (!isfinite(length))
        return pix_fail(error, PIX_EFORMAT, "the vector is not finite");
    if (length == 0)
        return pix_fail(error, PIX_EFORMAT, "the vector is zero");
    for (size_t i = 0; i < size; i++)
        vector[i] = (float)((double)vector[i] / length);
    return PIX_OK;
}
