/* zip.h - the members of a zip archive that lies in memory.
 *
 * Only the central directory is believed, and only after checking that every member's header
 * agrees with it and that no two members overlap.  Stored members are used in place; deflated ones
 * are expanded on demand.  The archive's bytes are borrowed; an open archive is immutable. */
#ifndef PIX_WEIGHTS_ZIP_H
#define PIX_WEIGHTS_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/error.h"

typedef struct pix_zip_member {
    const char *name;
    const uint8_t *data; /* as the archive holds it */
    size_t stored_size;
    size_t size; /* once expanded; equals stored_size when `stored` */
    uint32_t crc32;
    bool stored; /* false: deflated */
} pix_zip_member;

typedef struct pix_zip pix_zip;

/* True when `data` begins like a zip archive. */
bool pix_zip_looks_like(const uint8_t *data, size_t size);

pix_status pix_zip_open(const uint8_t *data, size_t size, pix_zip **out, pix_error *error);
void pix_zip_close(pix_zip *zip);

/* Members in order of their names. */
size_t pix_zip_count(const pix_zip *zip);
const pix_zip_member *pix_zip_at(const pix_zip *zip, size_t index);
/* NULL when there is none of that name. */
const pix_zip_member *pix_zip_find(const pix_zip *zip, const char *name);

/* The content of a member of at most `limit` bytes: *data points into the archive, or into
 * *expanded (the caller's, empty) when the member is deflated. */
pix_status pix_zip_view(const pix_zip_member *member, size_t limit, pix_bytes *expanded,
                        const uint8_t **data, pix_error *error);

#endif
