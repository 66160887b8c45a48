#include <stdio.h>

#include "storage/statement.h"

pix_status pix_store_generation(pix_store *store, char out[PIX_GENERATION_SIZE], pix_error *error) {
    out[0] = '\0';
    pix_store_lock(store);
    pix_statement s = pix_statement_begin(store, PIX_SQL_GENERATION);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row)
        (void)snprintf(out, PIX_GENERATION_SIZE, "%s", pix_statement_text(&s, 0));
    pix_statement_end(&s);
    pix_store_unlock(store);
    return status;
}
