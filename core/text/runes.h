/* runes.h - text as an array of code points: what the cleaning steps work on.
 *
 * A zeroed pix_runes is empty.  Not thread-safe.  Surrogates never occur: the reader of UTF-8 does
 * not produce them. */
#ifndef PIX_TEXT_RUNES_H
#define PIX_TEXT_RUNES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/error.h"

typedef struct pix_runes {
    uint32_t *data;
    size_t size;
    size_t capacity;
} pix_runes;

void pix_runes_free(pix_runes *runes);
/* Room for `extra` more code points. */
pix_status pix_runes_reserve(pix_runes *runes, size_t extra);
pix_status pix_runes_append(pix_runes *runes, const uint32_t *data, size_t size);
void pix_runes_swap(pix_runes *a, pix_runes *b);
bool pix_runes_equal(const pix_runes *a, const pix_runes *b);

enum { PIX_REPLACEMENT = 0xFFFD };

/* Appends the code points of `text`, U+FFFD for each maximal subpart that is not UTF-8. */
pix_status pix_runes_append_utf8(pix_runes *runes, const char *text, size_t size);
pix_status pix_runes_write_utf8(const uint32_t *data, size_t size, pix_bytes *out);

#endif
