/* shards.h - weights in several files, and the index that says which file has which tensor.
 *
 * NAME.index.json is {"weight_map": {"tensor": "file", ...}}, as Hugging Face's libraries write it;
 * the files, NAME-00001-of-00002 and so on, lie beside it. */
#ifndef PIX_WEIGHTS_SHARDS_H
#define PIX_WEIGHTS_SHARDS_H

#include "core/weights/tensors.h"

/* Where "-00001-of-00002" stands in the name of a part, at its second byte or later, and the ending
 * after it; NULL when it does not.  A part has no more digits than the number of all. */
const char *pix_shards_number(const char *name, const char **ending);

/* *index becomes the heap path of the index that belongs to the part at `path`, or NULL when this
 * is not the name of a part. */
pix_status pix_shards_index_of(const char *path, char **index, pix_error *error);

bool pix_shards_looks_like(const uint8_t *data, size_t size);

typedef struct pix_shards {
    void *map;          /* the JSON object */
    const char **names; /* of the files, in byte order, each once; texts of `map` */
    size_t count;
} pix_shards;

/* Reads an index.  A name that is not that of a file beside it is refused. */
pix_status pix_shards_read(const uint8_t *data, size_t size, pix_shards *out, pix_error *error);
void pix_shards_free(pix_shards *shards);

/* `tables`: of each file, sorted.  Each tensor of the index must be where it says, and no tensor in
 * two files. */
pix_status pix_shards_check(const pix_shards *shards, const pix_tensors *tables, pix_error *error);

#endif
