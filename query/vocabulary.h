/* vocabulary.h - the tokenizer that a command line means, and the model where one is optional. */
#ifndef PIX_QUERY_VOCABULARY_H
#define PIX_QUERY_VOCABULARY_H

#include "core/clip/model.h"
#include "core/text/tokenizer.h"
#include "query/options.h"

/* The model called `name`; for NULL the current one, and *out = NULL when none is. */
pix_status pix_query_open_any_model(const char *name, pix_model **out, pix_error *error);

/* A tokenizer from a vocabulary file that must fit a model of `token_count` tokens. */
pix_status pix_query_vocabulary_open(const char *path, size_t token_count, pix_tokenizer **out,
                                     pix_error *error);

/* A tokenizer and where it comes from; `tokenizer` is borrowed from one of the others. */
typedef struct pix_query_vocabulary {
    const pix_tokenizer *tokenizer;
    size_t context_length;
    pix_tokenizer *owned;
    pix_model *model;
} pix_query_vocabulary;

/* --vocab FILE; else the model of --model; else the current model; else, with no model at all, an
 * installed vocabulary; else that of the bundled model.  Without a model the sizes are OpenAI's:
 * 49,408 tokens, context 77. */
pix_status pix_query_vocabulary_choose(const pix_query_options *options, pix_query_vocabulary *out,
                                       pix_error *error);
void pix_query_vocabulary_close(pix_query_vocabulary *vocabulary);

#endif
