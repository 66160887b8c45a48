#include "core/clip/fidelity.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/tensor/dot.h"

void pix_fidelity_cosines(const pix_feature_pairs *pairs, double *least, double *mean) {
    double sum = 0, lowest = INFINITY;
    for (size_t i = 0; i < pairs->count; i++) {
        size_t at = i * pairs->size;
        double cosine = pix_dot(pairs->fp32 + at, pairs->int8 + at, pairs->size);
        cosine = isfinite(cosine) ? cosine : 0;
        sum += cosine;
        lowest = fmin(lowest, cosine);
    }
    *mean = sum / (double)pairs->count;
    *least = pairs->count > 0 ? lowest : NAN;
}

/* Of the scores of `text` for a picture. */
typedef struct pair_score {
    double fp32, error;
} pair_score;

static pair_score score(const pix_feature_pairs *pictures, size_t picture,
                        const pix_feature_pairs *texts, size_t text) {
    size_t size = pictures->size;
    double fp32 = pix_dot(pictures->fp32 + picture * size, texts->fp32 + text * size, size);
    double int8 = pix_dot(pictures->int8 + picture * size, texts->int8 + text * size, size);
    return (pair_score){.fp32 = fp32, .error = int8 - fp32};
}

double pix_fidelity_score_error(const pix_feature_pairs *pictures, const pix_feature_pairs *texts) {
    double spread = 0, spread_of_error = 0;
    for (size_t text = 0; text < texts->count; text++) {
        pair_score mean = {0};
        for (size_t i = 0; i < pictures->count; i++) {
            pair_score one = score(pictures, i, texts, text);
            mean.fp32 += one.fp32 / (double)pictures->count;
            mean.error += one.error / (double)pictures->count;
        }
        for (size_t i = 0; i < pictures->count; i++) {
            pair_score one = score(pictures, i, texts, text);
            spread += (one.fp32 - mean.fp32) * (one.fp32 - mean.fp32);
            spread_of_error += (one.error - mean.error) * (one.error - mean.error);
        }
    }
    return spread > 0 ? sqrt(spread_of_error / spread) : NAN;
}

/* The `top` best of `scores`, which are marked. */
static void mark_best(const double *scores, size_t count, size_t top, bool *best) {
    for (size_t i = 0; i < count; i++)
        best[i] = false;
    for (size_t rank = 0; rank < top; rank++) {
        size_t next = count;
        for (size_t i = 0; i < count; i++)
            if (!best[i] && (next == count || scores[i] > scores[next]))
                next = i;
        best[next] = true;
    }
}

pix_status pix_fidelity_overlap(const pix_feature_pairs *pictures, const pix_feature_pairs *texts,
                                size_t top, double *overlap, pix_error *error) {
    size_t count = pictures->count;
    *overlap = NAN;
    if (texts->count == 0 || top == 0 || count < top)
        return PIX_OK;
    double *fp32 = calloc(count, sizeof *fp32), *int8 = calloc(count, sizeof *int8);
    bool *in_fp32 = calloc(count, sizeof *in_fp32), *in_int8 = calloc(count, sizeof *in_int8);
    pix_status status = fp32 && int8 && in_fp32 && in_int8 ? PIX_OK : pix_fail_memory(error);
    size_t shared = 0;
    for (size_t text = 0; !status && text < texts->count; text++) {
        for (size_t i = 0; i < count; i++) {
            pair_score one = score(pictures, i, texts, text);
            fp32[i] = one.fp32;
            int8[i] = one.fp32 + one.error;
        }
        mark_best(fp32, count, top, in_fp32);
        mark_best(int8, count, top, in_int8);
        for (size_t i = 0; i < count; i++)
            shared += in_fp32[i] && in_int8[i];
    }
    if (!status)
        *overlap = (double)shared / (double)(top * texts->count);
    free(fp32);
    free(int8);
    free(in_fp32);
    free(in_int8);
    return status;
}

static bool are_near(double least, double mean) {
    return least >= 0.99 && mean >= 0.995;
}

bool pix_fidelity_is_enough(const pix_fidelity *f) {
    bool reads = !isnan(f->text_mean);
    return are_near(f->image_least, f->image_mean) &&
           (!reads || (are_near(f->text_least, f->text_mean) && f->score_error <= 0.1));
}

const char *pix_fidelity_text(const pix_fidelity *f, char out[PIX_FIDELITY_TEXT]) {
    int length = snprintf(out, PIX_FIDELITY_TEXT, "pictures %.4f (least %.4f)", f->image_mean,
                          f->image_least);
    if (!isnan(f->text_mean))
        (void)snprintf(out + length, (size_t)(PIX_FIDELITY_TEXT - length),
                       ", texts %.4f (least %.4f), score error %.1f %%", f->text_mean,
                       f->text_least, 100 * f->score_error);
    return out;
}

bool pix_fidelity_warning(const char *name, const pix_fidelity *fidelity, pix_precision precision,
                          char out[PIX_FIDELITY_WARNING]) {
    char text[PIX_FIDELITY_TEXT];
    if (precision != PIX_INT8 || pix_fidelity_is_enough(fidelity))
        return false;
    (void)snprintf(out, PIX_FIDELITY_WARNING,
                   "in int8 %s finds other photos than in fp32; cosines of the two: %s", name,
                   pix_fidelity_text(fidelity, text));
    return true;
}
