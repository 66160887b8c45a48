/* sheet.h - --html: results as one page that needs nothing else, neither files nor a network.
 *
 * Thumbnails are inside it, photos are links.  Names can hold anything: what is shown is escaped,
 * and the page's own policy lets nothing run and nothing be fetched.  The file appears complete or
 * not at all. */
#ifndef PIX_QUERY_SHEET_H
#define PIX_QUERY_SHEET_H

#include "query/options.h"
#include "storage/store.h"

typedef struct pix_sheet pix_sheet;

pix_status pix_sheet_open(const char *path, const pix_query_options *options, pix_sheet **out,
                          pix_error *error);

/* A query, whose photos follow. */
pix_status pix_sheet_begin(pix_sheet *sheet, const char *query, pix_error *error);
/* A photo that cannot be read any more is there without its picture, with the reason. */
pix_status pix_sheet_add(pix_sheet *sheet, double score, const pix_photo_row *photo,
                         pix_error *error);
/* A line in the place of photos, when there are none. */
pix_status pix_sheet_remark(pix_sheet *sheet, const char *text, pix_error *error);

pix_status pix_sheet_commit(pix_sheet *sheet, pix_error *error);
/* Without _commit, whatever was at the path is still there. */
void pix_sheet_close(pix_sheet *sheet);

#endif
