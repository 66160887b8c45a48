/* imported.h - what an import has found and made, as it is told. */
#ifndef PIX_INDEXER_IMPORTED_H
#define PIX_INDEXER_IMPORTED_H

#include <stdbool.h>

#include "core/clip/model.h"

typedef struct pix_imported {
    const char *name, *source, *pixm; /* what it is called, where it came from, where it is */
    pix_import_report report;
    double seconds;
    bool current;
} pix_imported;

/* Lines for a person to standard output, and to standard error what is amiss. */
void pix_imported_print(const pix_imported *imported);

/* One JSON object; to standard error only that a vocabulary does not fit or that int8 is far from
 * float32. */
void pix_imported_print_json(const pix_imported *imported);

/* ,"fidelity":{...}, or null for NULL. */
void pix_fidelity_print_json(const pix_fidelity *fidelity);

#endif
