/* selection.h - the present photos that a filter lets through, as sets of ids.
 *
 * It is of the moment it is made.  Once made it never changes: any thread may read it. */
#ifndef PIX_STORAGE_SELECTION_H
#define PIX_STORAGE_SELECTION_H

#include "storage/filter.h"

typedef struct pix_selection pix_selection;

/* `model_id` is whose vectors has_embedding knows; 0 for none.  `filter` is borrowed for the call.
 */
pix_status pix_selection_new(pix_store *store, int64_t model_id, const pix_filter *filter,
                             pix_selection **out, pix_error *error);
void pix_selection_free(pix_selection *selection);

bool pix_selection_has_image(const pix_selection *selection, int64_t image_id);
/* Whether at least one such photo has this vector. */
bool pix_selection_has_embedding(const pix_selection *selection, int64_t embedding_id);

/* Calls `each` for the present photos of `selection` (NULL: all), sorted by path; a non-zero return
 * ends it and is returned. */
pix_status pix_selection_each(pix_store *store, const pix_selection *selection,
                              pix_status (*each)(void *context, int64_t image_id), void *context,
                              pix_error *error);

int64_t pix_selection_images(const pix_selection *selection);     /* how many photos */
int64_t pix_selection_embeddings(const pix_selection *selection); /* how many vectors they have */

/* When there is no photo at all: how many would fit but for their time, which is unknown. */
int64_t pix_selection_undated(const pix_selection *selection);

#endif
