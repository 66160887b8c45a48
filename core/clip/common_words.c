#include "core/clip/common_words.h"

#include <stdlib.h>
#include <string.h>

#include "core/clip/session.h"

static const char *const words[] = {
    "person", "man",    "woman",   "child",   "baby",      "face",    "hand",     "group",
    "crowd",  "family", "dog",     "cat",     "bird",      "horse",   "cow",      "fish",
    "insect", "flower", "tree",    "leaf",    "grass",     "forest",  "garden",   "mountain",
    "hill",   "beach",  "sea",     "lake",    "river",     "snow",    "sky",      "cloud",
    "sunset", "night",  "rain",    "city",    "street",    "road",    "bridge",   "building",
    "house",  "church", "castle",  "tower",   "room",      "kitchen", "bedroom",  "window",
    "door",   "chair",  "table",   "bed",     "sofa",      "lamp",    "book",     "paper",
    "text",   "sign",   "map",     "screen",  "computer",  "phone",   "camera",   "television",
    "car",    "bus",    "train",   "bicycle", "boat",      "ship",    "airplane", "truck",
    "food",   "bread",  "cake",    "fruit",   "vegetable", "meat",    "cup",      "glass",
    "bottle", "plate",  "clothes", "shirt",   "dress",     "shoe",    "hat",      "bag",
    "watch",  "toy",    "ball",    "game",    "guitar",    "piano",   "drawing",  "painting",
    "statue", "flag",   "money",   "tool",    "machine",   "clock",   "fire",
};
enum { WORDS = sizeof words / sizeof *words };

static pix_status encode(pix_model *model, const pix_tokenizer *tokenizer, int threads,
                         float *vectors, pix_error *error) {
    size_t dimension = (size_t)pix_model_config(model)->embed_dim;
    size_t context = (size_t)pix_model_config(model)->context_length;
    pix_ids ids[WORDS] = {0};
    pix_session *session = NULL;
    pix_status status = PIX_OK;
    for (size_t i = 0; i < WORDS && !status; i++) {
        if (pix_tokenizer_encode(tokenizer, words[i], strlen(words[i]), &ids[i]))
            status = pix_fail_memory(error);
        (void)pix_tokenizer_truncate(tokenizer, &ids[i], context);
    }
    if (!status)
        status = pix_session_new(model, pix_model_precision(model), 0, threads, &session, error);
    if (!status)
        status = pix_session_encode_texts(session, ids, WORDS, vectors, error);
    for (size_t i = 0; i < WORDS && !status; i++)
        status = pix_normalise(vectors + i * dimension, dimension, error);
    pix_session_free(session);
    for (size_t i = 0; i < WORDS; i++)
        pix_ids_free(&ids[i]);
    return status;
}

pix_status pix_common_words_encode(pix_model *model, int threads, float **vectors, size_t *count,
                                   pix_error *error) {
    *vectors = NULL;
    *count = 0;
    const pix_tokenizer *tokenizer;
    if (!pix_model_has_text(model, NULL))
        return PIX_OK;
    pix_status status = pix_model_tokenizer(model, &tokenizer, error);
    if (status)
        return status;
    float *out = calloc((size_t)WORDS * (size_t)pix_model_config(model)->embed_dim, sizeof *out);
    if (!out)
        return pix_fail_memory(error);
    status = encode(model, tokenizer, threads, out, error);
    if (status) {
        free(out);
        return status;
    }
    *vectors = out;
    *count = WORDS;
    return PIX_OK;
}
