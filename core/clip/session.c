#include "core/clip/session.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "core/clip/pixels.h"
#include "core/clip/resnet.h"
#include "core/clip/text_tower.h"
#include "core/clip/vit_batch.h"
#include "core/tensor/dot.h"

/* Tokens of texts that are computed at once: enough that a product's cost is arithmetic. */
enum { TEXT_ROWS = 512 };

struct pix_session {
    pix_precision precision;
    int max_images;
    size_t picture; /* elements: image_size * image_size * 3 */
    bool is_resnet;
    pix_compute compute; /* its pool is the session's own */
    pix_vit vit;         /* one of the two towers, only when max_images > 0 */
    pix_vit_batch batch;
    pix_resnet resnet;
    pix_resnet_scratch resnet_scratch;
    pix_text_tower text;
    pix_text_trie trie;  /* the texts that wait to be computed, */
    int32_t *ends;       /* [trie.capacity] their last rows */
    int waiting;         /* and how many they are */
    pix_scratch scratch; /* of the texts */
    float byte_values[3][256];
};

static pix_status open_vision(pix_session *session, const pix_model *model, pix_error *error) {
    pix_resnet_sizes sizes;
    pix_status status;
    if (!session->is_resnet) {
        status = pix_vit_init(&session->vit, model, session->precision, &session->compute, error);
        return status
                   ? status
                   : pix_vit_batch_init(&session->batch, &session->vit, session->max_images, error);
    }
    status = pix_resnet_init(&session->resnet, model, session->precision, error);
    if (!status && !pix_resnet_measure(pix_model_config(model), session->precision,
                                       (size_t)session->max_images, &session->compute, &sizes))
        status = pix_fail_memory(error);
    return status ? status : pix_resnet_scratch_init(&session->resnet_scratch, &sizes, error);
}

/* The text tower, its scratch and what texts wait in. */
static pix_status open_text(pix_session *session, const pix_model *model, pix_error *error) {
    int context = pix_model_config(model)->context_length;
    int rows = context > TEXT_ROWS ? context : TEXT_ROWS;
    pix_scratch_sizes sizes = {0};
    pix_status status =
        pix_text_tower_init(&session->text, model, session->precision, &session->compute, error);
    if (!status)
        status = pix_text_trie_init(&session->trie, rows, error);
    if (status)
        return status;
    session->ends = calloc((size_t)rows, sizeof *session->ends);
    if (!session->ends ||
        !pix_transformer_measure(&session->text.transformer, (size_t)rows, (size_t)context, &sizes))
        return pix_fail_memory(error);
    return pix_scratch_init(&session->scratch, &sizes, error);
}

/* Of the tower that will run first, what runs in the session's precision. */
static void read_ahead(const pix_session *session, const pix_model *model) {
    bool int8 = session->precision == PIX_INT8;
    if (session->max_images == 0)
        pix_model_read_ahead(model, int8 ? "int8.transformer." : "transformer.");
    else
        pix_model_read_ahead(model, int8 ? "int8.visual." : "visual.");
}

pix_status pix_session_new(pix_model *model, pix_precision precision, int max_images, int threads,
                           pix_session **out, pix_error *error) {
    *out = NULL;
    const pix_clip_config *config = pix_model_config(model);
    if (max_images < 0 || max_images > INT_MAX / pix_clip_vision_tokens(config))
        return pix_fail(error, PIX_EINVALID, "a batch of %d images", max_images);
    pix_session *session = calloc(1, sizeof *session);
    if (!session)
        return pix_fail_memory(error);
    session->precision = precision;
    session->max_images = max_images;
    session->picture = 3 * (size_t)config->image_size * (size_t)config->image_size;
    session->is_resnet = config->vision_kind == PIX_VISION_RESNET;
    pix_pixel_values(session->byte_values);
    pix_status status = pix_kernels_wanted(&session->compute.kernels, error);
    if (!status && threads > 1)
        status = pix_pool_new(threads, &session->compute.pool, error);
    if (!status)
        status = open_text(session, model, error);
    if (!status && max_images > 0)
        status = open_vision(session, model, error);
    if (status)
        goto fail;
    read_ahead(session, model);
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
    pix_resnet_scratch_free(&session->resnet_scratch);
    pix_vit_batch_free(&session->batch);
    pix_vit_free(&session->vit);
    pix_resnet_free(&session->resnet);
    pix_text_tower_free(&session->text);
    pix_text_trie_free(&session->trie);
    pix_pool_free(session->compute.pool);
    free(session->ends);
    free(session);
}

void pix_session_observe(pix_session *session, const pix_ranges *vision, const pix_ranges *text) {
    session->vit.transformer.ranges = vision;
    session->text.transformer.ranges = text;
}

int pix_model_batch_size(const pix_model *model) {
    /* Rows enough that a product's cost is arithmetic and not reading the weights; a ModifiedResNet
     * is short of them in its last stage only. */
    const pix_clip_config *config = pix_model_config(model);
    int rows = config->vision_kind == PIX_VISION_RESNET ? 800 : 1600;
    int images = rows / pix_clip_vision_tokens(config);
    return images < 1 ? 1 : images > 32 ? 32 : images;
}

static void encode_with_resnet(pix_session *session, const pix_pictures *pictures, int count,
                               float *features) {
    for (int i = 0; i < count; i++) {
        size_t at = (size_t)i * session->picture;
        if (pictures->rgb)
            pix_resnet_put_bytes(&session->resnet, &session->resnet_scratch, i, pictures->rgb + at,
                                 pictures->values);
        else
            pix_resnet_put_floats(&session->resnet, &session->resnet_scratch, i,
                                  pictures->pixels + at);
    }
    pix_resnet_encode(&session->resnet, &session->compute, &session->resnet_scratch, count,
                      features);
}

static pix_status encode(pix_session *session, const pix_pictures *pictures, int count,
                         float *features, pix_error *error) {
    if (count < 0 || count > session->max_images)
        return pix_fail(error, PIX_EINVALID, "%d images for a session of %d", count,
                        session->max_images);
    if (count > 0 && session->is_resnet)
        encode_with_resnet(session, pictures, count, features);
    else if (count > 0)
        pix_vit_batch_run(&session->batch, pictures, count, features);
    return PIX_OK;
}

pix_status pix_session_encode_images(pix_session *session, const uint8_t *rgb, int count,
                                     float *features, pix_error *error) {
    const pix_pictures pictures = {.rgb = rgb, .values = (const float(*)[256])session->byte_values};
    return encode(session, &pictures, count, features, error);
}

pix_status pix_session_encode_pixels(pix_session *session, const float *pixels, int count,
                                     float *features, pix_error *error) {
    return encode(session, &(pix_pictures){.pixels = pixels}, count, features, error);
}

static void forget_texts(pix_session *session) {
    pix_text_trie_clear(&session->trie);
    session->waiting = 0;
}

/* Computes the texts that wait; returns where the next one's feature goes. */
static float *flush_texts(pix_session *session, float *features) {
    int count = session->waiting;
    if (count > 0)
        pix_text_tower_encode(&session->text, &session->scratch, &session->trie, session->ends,
                              count, features);
    forget_texts(session);
    return features + (size_t)count * (size_t)session->text.embed_dim;
}

/* Lets a text wait, and computes those that do when there is no more room. */
static pix_status add_text(pix_session *session, const int32_t *ids, size_t count, float **features,
                           pix_error *error) {
    int length, end = -1;
    pix_status status = pix_text_tower_length(&session->text, ids, count, &length, error);
    if (status)
        return status;
    if (session->waiting < session->trie.capacity)
        end = pix_text_trie_add(&session->trie, ids, length);
    if (end < 0) {
        *features = flush_texts(session, *features);
        end = pix_text_trie_add(&session->trie, ids, length);
    }
    session->ends[session->waiting++] = end;
    return PIX_OK;
}

pix_status pix_session_encode_texts(pix_session *session, const pix_ids *texts, size_t count,
                                    float *features, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = add_text(session, texts[i].data, texts[i].count, &features, error);
    if (status)
        forget_texts(session);
    else
        (void)flush_texts(session, features);
    return status;
}

pix_status pix_session_encode_text(pix_session *session, const int32_t *ids, size_t count,
                                   float *feature, pix_error *error) {
    pix_status status = add_text(session, ids, count, &feature, error);
    if (!status)
        (void)flush_texts(session, feature);
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
