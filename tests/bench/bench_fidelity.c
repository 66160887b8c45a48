/* find PHOTOS -name '*.jpg' | bench_fidelity MODEL.pixm: what int8 makes of a library's photos, a
 * path a line, beside float32: cosines, how many of the ten best photos for a text are the same,
 * and the error of scores, for the built-in texts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/threads.h"
#include "core/clip/fidelity.h"
#include "core/clip/samples.h"
#include "core/clip/session.h"
#include "core/image/decoder.h"

enum { BATCH = 16, MOST = 4096 };

/* Of photos or of texts: unit vectors by precision, [2][count, size]. */
typedef struct features {
    size_t count, size;
    float *vectors[2];
} features;

static pix_status make_room(features *f, size_t most, size_t size, pix_error *error) {
    f->size = size;
    for (int i = 0; i < 2; i++)
        if (!(f->vectors[i] = calloc(most * size, sizeof(float))))
            return pix_fail_memory(error);
    return PIX_OK;
}

static pix_status normalise(const features *f, size_t first, size_t count, pix_error *error) {
    pix_status status = PIX_OK;
    for (int precision = 0; precision < 2; precision++)
        for (size_t i = first; i < first + count && !status; i++)
            status = pix_normalise(f->vectors[precision] + i * f->size, f->size, error);
    return status;
}

/* The photos of a batch in both precisions. */
static pix_status encode_photos(pix_session *const sessions[2], const uint8_t *rgb, int count,
                                features *f, pix_error *error) {
    pix_status status = PIX_OK;
    for (int precision = 0; precision < 2 && !status; precision++)
        status = pix_session_encode_images(sessions[precision], rgb, count,
                                           f->vectors[precision] + f->count * f->size, error);
    if (!status)
        status = normalise(f, f->count, (size_t)count, error);
    f->count += (size_t)count;
    return status;
}

/* One photo into `crop`; what cannot be read is told and left out. */
static bool decode(pix_decoder *decoder, const char *path, uint8_t *crop) {
    pix_photo photo;
    pix_error error;
    int fd;
    pix_status status = pix_photo_open(path, &fd, &error);
    if (!status) {
        status = pix_decoder_run(decoder, fd, crop, &photo, &error);
        (void)close(fd);
    }
    if (status)
        (void)fprintf(stderr, "bench_fidelity: %s: %s\n", path, error.text);
    return !status;
}

static pix_status read_photos(pix_session *const sessions[2], int size, features *f,
                              pix_error *error) {
    size_t crop = 3 * (size_t)size * (size_t)size, length;
    uint8_t *rgb = malloc(BATCH * crop);
    pix_decoder *decoder = NULL;
    char *line = NULL;
    int waiting = 0;
    pix_status status =
        rgb ? pix_decoder_open(NULL, &(pix_decode_options){.size = size}, &decoder, error)
            : pix_fail_memory(error);
    for (size_t room = 0;
         !status && f->count + (size_t)waiting < MOST && getline(&line, &room, stdin) > 0;) {
        length = strcspn(line, "\n");
        line[length] = '\0';
        waiting += decode(decoder, line, rgb + (size_t)waiting * crop);
        if (waiting == BATCH) {
            status = encode_photos(sessions, rgb, waiting, f, error);
            waiting = 0;
        }
    }
    if (!status && waiting > 0)
        status = encode_photos(sessions, rgb, waiting, f, error);
    free(line);
    free(rgb);
    pix_decoder_close(decoder);
    return status;
}

static pix_status read_texts(pix_model *model, pix_session *const sessions[2], features *f,
                             pix_error *error) {
    const pix_tokenizer *tokenizer;
    pix_ids ids = {0};
    pix_status status = pix_model_tokenizer(model, &tokenizer, error);
    for (size_t i = 0; i < pix_sample_text_count && !status; i++) {
        const char *text = pix_sample_texts[i];
        if (pix_tokenizer_encode(tokenizer, text, strlen(text), &ids))
            status = pix_fail_memory(error);
        if (!status)
            (void)pix_tokenizer_truncate(tokenizer, &ids,
                                         (size_t)pix_model_config(model)->context_length);
        for (int precision = 0; precision < 2 && !status; precision++)
            status = pix_session_encode_text(sessions[precision], ids.data, ids.count,
                                             f->vectors[precision] + i * f->size, error);
    }
    pix_ids_free(&ids);
    f->count = pix_sample_text_count;
    return status ? status : normalise(f, 0, f->count, error);
}

static pix_status compare(pix_model *model, pix_error *error) {
    const pix_clip_config *config = pix_model_config(model);
    size_t size = (size_t)config->embed_dim;
    pix_session *sessions[2] = {NULL, NULL};
    features photos = {0}, texts = {0};
    double least, mean, overlap;
    pix_status status = PIX_OK;
    for (int i = 0; i < 2 && !status; i++)
        status =
            pix_session_new(model, (pix_precision)i, BATCH, pix_cpu_count(), &sessions[i], error);
    if (!status)
        status = make_room(&photos, MOST + BATCH, size, error);
    if (!status)
        status = make_room(&texts, pix_sample_text_count, size, error);
    if (!status)
        status = read_texts(model, sessions, &texts, error);
    if (!status)
        status = read_photos(sessions, config->image_size, &photos, error);
    const pix_feature_pairs a = {photos.count, size, photos.vectors[PIX_FP32],
                                 photos.vectors[PIX_INT8]};
    const pix_feature_pairs b = {texts.count, size, texts.vectors[PIX_FP32],
                                 texts.vectors[PIX_INT8]};
    if (!status)
        status = pix_fidelity_overlap(&a, &b, 10, &overlap, error);
    if (!status) {
        pix_fidelity_cosines(&a, &least, &mean);
        printf("%s, %zu photos: cosine %.4f (least %.4f)", pix_model_name(model), photos.count,
               mean, least);
        pix_fidelity_cosines(&b, &least, &mean);
        printf(", %zu texts: %.4f (least %.4f), of the 10 best %.1f %% the same, score error "
               "%.1f %%\n",
               texts.count, mean, least, 100 * overlap, 100 * pix_fidelity_score_error(&a, &b));
    }
    for (int i = 0; i < 2; i++) {
        pix_session_free(sessions[i]);
        free(photos.vectors[i]);
        free(texts.vectors[i]);
    }
    return status;
}

int main(int count, char **arguments) {
    if (count != 2) {
        (void)fprintf(stderr, "usage: bench_fidelity MODEL.pixm < PATHS\n");
        return 2;
    }
    pix_model *model;
    pix_error error;
    pix_status status = pix_model_open(arguments[1], &model, &error);
    if (!status)
        status = compare(model, &error);
    pix_model_close(model);
    if (status)
        (void)fprintf(stderr, "bench_fidelity: %s\n", error.text);
    return status ? 1 : 0;
}
