#include "core/clip/text_tower.h"

#include <inttypes.h>
#include <string.h>

#include "core/tensor/layers.h"

pix_status pix_text_tower_init(pix_text_tower *tower, const pix_model *model,
                               pix_precision precision, const pix_compute *compute,
                               pix_error *error) {
    const pix_clip_config *c = pix_model_config(model);
    size_t width = (size_t)c->text_width;
    *tower = (pix_text_tower){
        .context_length = c->context_length,
        .vocab_size = c->vocab_size,
        .embed_dim = c->embed_dim,
        .end_token = c->end_token,
        .transformer = {.width = c->text_width,
                        .heads = c->text_heads,
                        .mlp_width = c->text_mlp_width,
                        .exact_gelu = c->exact_gelu,
                        .eps = c->layer_norm_eps,
                        .precision = precision,
                        .compute = compute},
    };
    tower->token_embedding =
        pix_model_tensor(model, "token_embedding.weight", (size_t)c->vocab_size * width);
    tower->positional_embedding =
        pix_model_tensor(model, "positional_embedding", (size_t)c->context_length * width);
    tower->ln_final_weight = pix_model_tensor(model, "ln_final.weight", width);
    tower->ln_final_bias = pix_model_tensor(model, "ln_final.bias", width);
    const pix_linear_place projection = {PIX_FP32, "", "text_projection", NULL};
    pix_linear_init(&tower->text_projection, 1, model, &projection, c->embed_dim, c->text_width);
    return pix_transformer_init(&tower->transformer, model, "transformer.", c->text_layers, error);
}

void pix_text_tower_free(pix_text_tower *tower) {
    pix_transformer_free(&tower->transformer);
    *tower = (pix_text_tower){0};
}

pix_status pix_text_tower_length(const pix_text_tower *tower, const int32_t *ids, size_t count,
                                 int *length, pix_error *error) {
    if (count > (size_t)tower->context_length)
        return pix_fail(error, PIX_ELIMIT, "%zu tokens, more than the %d the model reads", count,
                        tower->context_length);
    if (count == 0)
        return pix_fail(error, PIX_EINVALID, "no tokens");
    int32_t end = tower->end_token;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= tower->vocab_size)
            return pix_fail(error, PIX_EINVALID, "token %" PRId32 " is not among the model's %d",
                            ids[i], tower->vocab_size);
        if (tower->end_token < 0 && ids[i] > end)
            end = ids[i];
    }
    for (size_t i = 0; i < count; i++)
        if (ids[i] == end) {
            *length = (int)i + 1;
            return PIX_OK;
        }
    return pix_fail(error, PIX_EINVALID, "the tokens do not hold the end token %" PRId32, end);
}

void pix_text_tower_embed(const pix_text_tower *tower, pix_scratch *scratch,
                          const pix_text_trie *trie) {
    size_t width = (size_t)tower->transformer.width;
    for (int row = 0; row < trie->rows; row++) {
        float *x = scratch->x + (size_t)row * width;
        memcpy(x, tower->token_embedding + (size_t)trie->token[row] * width, width * sizeof *x);
        pix_bias_add(x, 1, width, tower->positional_embedding + (size_t)trie->depth[row] * width);
    }
}

void pix_text_tower_encode(const pix_text_tower *tower, pix_scratch *scratch, pix_text_trie *trie,
                           const int32_t *ends, int count, float *features) {
    size_t width = (size_t)tower->transformer.width;
    pix_pass pass = {.rows = trie->rows, .results = count, .trie = trie, .ends = ends};
    pix_text_tower_embed(tower, scratch, trie);
    pix_transformer_run(&tower->transformer, scratch, &pass);
    const pix_layer_norm ln_final = {width, tower->ln_final_weight, tower->ln_final_bias,
                                     tower->transformer.eps};
    pix_layer_norm_run(&ln_final, tower->transformer.compute, count, scratch->x, scratch->x, NULL);
    const pix_activations last = {.x = scratch->x, .stride = width};
    pix_linear_run(&tower->text_projection, tower->transformer.compute, count, &last,
                   (pix_epilogue){0}, features, (size_t)tower->embed_dim);
}
