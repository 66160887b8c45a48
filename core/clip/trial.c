#include "core/clip/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/threads.h"
#include "core/clip/samples.h"
#include "core/clip/session.h"

enum { MOST_PICTURES = 16, LEAST_PICTURES = 4 };

/* Operations in float32 that all pictures together may take: about two seconds' on two cores. */
static const double work_limit = 4e11;

/* Of a picture's products in the blocks, which are nearly all of its operations. */
static double work_of_picture(const pix_clip_config *c) {
    double width = c->vision_width, side = (double)c->image_size / 4, blocks = 0;
    if (c->vision_kind == PIX_VISION_VIT)
        return 2 * (4 * width + 2.0 * c->vision_mlp_width) * width * c->vision_layers *
               pix_clip_vision_tokens(c);
    /* From stage to stage there are twice as many channels and a quarter as many pixels: a block
     * takes the same everywhere, 1 + 9 + 4 + some of the first's 4 * width^2 at each pixel. */
    for (int stage = 0; stage < 4; stage++)
        blocks += c->resnet_layers[stage];
    return 2 * 17 * width * width * side * side * blocks;
}

static size_t picture_count(const pix_clip_config *c) {
    double many = work_limit / (2 * work_of_picture(c));
    return many > MOST_PICTURES    ? MOST_PICTURES
           : many < LEAST_PICTURES ? LEAST_PICTURES
                                   : (size_t)many;
}

/* Samples take turns: the first of two is of the first half. */
static size_t number_of(size_t place, size_t half) {
    return place < half ? 2 * place : 2 * (place - half) + 1;
}

static size_t picture_bytes(const pix_clip_config *c) {
    return 3 * (size_t)c->image_size * (size_t)c->image_size;
}

static pix_status draw_pictures(pix_trial *trial, const pix_clip_config *c, pix_error *error) {
    size_t count = 2 * trial->pictures, size;
    if (pix_size_multiply(count, picture_bytes(c), &size))
        trial->rgb = malloc(size);
    if (!trial->rgb)
        return pix_fail_memory(error);
    for (size_t i = 0; i < count; i++)
        pix_sample_picture((uint32_t)number_of(i, trial->pictures), c->image_size,
                           trial->rgb + i * picture_bytes(c));
    return PIX_OK;
}

static pix_status read_texts(pix_trial *trial, pix_model *model, pix_error *error) {
    const pix_tokenizer *tokenizer;
    size_t count = 2 * trial->texts, context = (size_t)pix_model_config(model)->context_length;
    trial->ids = calloc(count, sizeof *trial->ids);
    if (!trial->ids)
        return pix_fail_memory(error);
    pix_status status = pix_model_tokenizer(model, &tokenizer, error);
    for (size_t i = 0; i < count && !status; i++) {
        const char *text = pix_sample_texts[number_of(i, trial->texts)];
        if (pix_tokenizer_encode(tokenizer, text, strlen(text), &trial->ids[i]))
            status = pix_fail_memory(error);
        else
            (void)pix_tokenizer_truncate(tokenizer, &trial->ids[i], context);
    }
    return status;
}

static pix_status allocate_features(pix_trial *trial, pix_error *error) {
    for (int i = 0; i < 2; i++) {
        size_t size = trial->features * sizeof(float);
        trial->picture_features[i] = calloc(trial->pictures, size);
        trial->text_features[i] = calloc(trial->texts + 1, size);
        if (!trial->picture_features[i] || !trial->text_features[i])
            return pix_fail_memory(error);
    }
    return PIX_OK;
}

pix_status pix_trial_init(pix_trial *trial, pix_model *model, pix_error *error) {
    const pix_clip_config *c = pix_model_config(model);
    bool reads = pix_model_has_text(model, NULL);
    *trial = (pix_trial){.pictures = picture_count(c),
                         .texts = reads ? pix_sample_text_count / 2 : 0,
                         .features = (size_t)c->embed_dim};
    pix_status status;
    if ((status = draw_pictures(trial, c, error)) ||
        (reads && (status = read_texts(trial, model, error))) ||
        (status = allocate_features(trial, error)) ||
        (status = pix_ranges_init(&trial->vision, c->vision_layers, c->vision_width,
                                  c->vision_mlp_width, error)) ||
        (status = pix_ranges_init(&trial->text, c->text_layers, c->text_width, c->text_mlp_width,
                                  error)))
        pix_trial_free(trial);
    return status;
}

void pix_trial_free(pix_trial *trial) {
    for (size_t i = 0; trial->ids && i < 2 * trial->texts; i++)
        pix_ids_free(&trial->ids[i]);
    free(trial->ids);
    free(trial->rgb);
    for (int i = 0; i < 2; i++) {
        free(trial->picture_features[i]);
        free(trial->text_features[i]);
    }
    pix_ranges_free(&trial->vision);
    pix_ranges_free(&trial->text);
    *trial = (pix_trial){0};
}

/* One half's features, as the towers give them. */
static pix_status encode_half(const pix_trial *trial, int half, pix_model *model,
                              pix_session *session, pix_precision precision, pix_error *error) {
    size_t bytes = picture_bytes(pix_model_config(model));
    size_t batch = (size_t)pix_model_batch_size(model), first = (size_t)half * trial->pictures;
    pix_status status = PIX_OK;
    for (size_t i = 0; i < trial->pictures && !status; i += batch) {
        size_t count = trial->pictures - i < batch ? trial->pictures - i : batch;
        status = pix_session_encode_images(session, trial->rgb + (first + i) * bytes, (int)count,
                                           trial->picture_features[precision] + i * trial->features,
                                           error);
    }
    if (!status && trial->texts > 0)
        status = pix_session_encode_texts(session, trial->ids + (size_t)half * trial->texts,
                                          trial->texts, trial->text_features[precision], error);
    return status;
}

/* What has no direction is near nothing. */
static void normalise(float *features, size_t count, size_t size) {
    for (size_t i = 0; i < count; i++, features += size)
        if (pix_normalise(features, size, NULL))
            features[0] = NAN;
}

pix_status pix_trial_run(pix_trial *trial, pix_model *model, pix_precision precision,
                         pix_error *error) {
    pix_session *session;
    pix_status status = pix_session_new(model, precision, pix_model_batch_size(model),
                                        pix_cpu_count(), &session, error);
    if (!status && precision == PIX_FP32) {
        pix_session_observe(session, &trial->vision, &trial->text);
        status = encode_half(trial, 0, model, session, precision, error);
        pix_session_observe(session, NULL, NULL);
    }
    if (!status)
        status = encode_half(trial, 1, model, session, precision, error);
    pix_session_free(session);
    if (status)
        return status;
    normalise(trial->picture_features[precision], trial->pictures, trial->features);
    normalise(trial->text_features[precision], trial->texts, trial->features);
    return PIX_OK;
}

pix_fidelity pix_trial_fidelity(const pix_trial *trial) {
    pix_fidelity fidelity;
    const pix_feature_pairs pictures = {trial->pictures, trial->features,
                                        trial->picture_features[PIX_FP32],
                                        trial->picture_features[PIX_INT8]};
    const pix_feature_pairs texts = {trial->texts, trial->features, trial->text_features[PIX_FP32],
                                     trial->text_features[PIX_INT8]};
    pix_fidelity_cosines(&pictures, &fidelity.image_least, &fidelity.image_mean);
    pix_fidelity_cosines(&texts, &fidelity.text_least, &fidelity.text_mean);
    fidelity.score_error = pix_fidelity_score_error(&pictures, &texts);
    return fidelity;
}
