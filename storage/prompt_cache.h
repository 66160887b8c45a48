/* prompt_cache.h - the vectors of prompt ensembles, in a small file of their own.
 *
 * It is a cache: a damaged file is begun anew, a full one forgets what was used least lately, and
 * whoever cannot open or write it goes on without.  Several processes may use it at once; one
 * object belongs to one thread. */
#ifndef PIX_STORAGE_PROMPT_CACHE_H
#define PIX_STORAGE_PROMPT_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/sha256.h"

typedef struct pix_prompt_cache pix_prompt_cache;

/* What the vectors of a set of templates depend on, beside the text. */
typedef struct pix_prompt_key {
    const char *fingerprint; /* of the model */
    const char *precision;   /* it computes in */
    uint8_t templates[PIX_SHA256_BYTES];
    size_t template_count;
    size_t dimension;
} pix_prompt_key;

/* Vectors kept, and bytes of a text that is kept: some 40 MB of a usual model's. */
enum { PIX_PROMPTS_KEPT = 16384, PIX_PROMPT_TEXT = 4096 };

/* Makes the file (0600) and its folders (0700) when they are missing.  A SQLite file of another
 * program is PIX_EFORMAT and left alone. */
pix_status pix_prompt_cache_open(const char *path, pix_prompt_cache **out, pix_error *error);
void pix_prompt_cache_close(pix_prompt_cache *cache);

/* The vector [dimension] of a text; *found is false when there is none, or none that is sound. */
pix_status pix_prompt_cache_get(pix_prompt_cache *cache, const pix_prompt_key *key,
                                const char *text, size_t size, float *vector, bool *found,
                                pix_error *error);

/* Keeps the unit vectors [count, dimension] of some texts, all or none; longer texts are left out.
 */
pix_status pix_prompt_cache_put(pix_prompt_cache *cache, const pix_prompt_key *key,
                                const char *const *texts, const float *vectors, size_t count,
                                pix_error *error);

typedef struct pix_prompt {
    const char *fingerprint, *precision, *text;
    size_t text_size, template_count;
    int64_t used_at; /* Unix seconds, to the day */
} pix_prompt;

/* Every text, the one used last first.  A missing file holds none. */
pix_status pix_prompt_cache_list(const char *path,
                                 pix_status (*each)(void *context, const pix_prompt *prompt),
                                 void *context, pix_error *error);

/* Removes the file, whatever is in it, unless it is another program's; *removed says whether there
 * was one. */
pix_status pix_prompt_cache_clear(const char *path, bool *removed, pix_error *error);

#endif
