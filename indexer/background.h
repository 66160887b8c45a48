/* background.h - keeps what a score is worth in this library up to date, at the end of a run. */
#ifndef PIX_INDEXER_BACKGROUND_H
#define PIX_INDEXER_BACKGROUND_H

#include "indexer/indexing.h"

/* Makes the background of the model anew if it is due. */
pix_status pix_background_refresh(pix_indexing *indexing, pix_error *error);

#endif
