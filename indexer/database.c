/* Where the index is. */
#include <stdlib.h>
#include <string.h>

#include "core/base/files.h"
#include "indexer/commands.h"

char *pix_command_store_path(const pix_options *options, pix_error *error) {
    char *path = options->db ? strdup(options->db) : pix_place_data("index.db");
    if (!path && options->db)
        (void)pix_fail_memory(error);
    else if (!path)
        (void)pix_fail(error, PIX_ENOTFOUND,
                       "no place for the index: set HOME or XDG_DATA_HOME, or use --db");
    return path;
}

pix_status pix_command_open_store(const pix_options *options, pix_store_mode mode, pix_store **out,
                                  pix_error *error) {
    *out = NULL;
    char *path = pix_command_store_path(options, error);
    if (!path)
        return error->status;
    pix_status status = pix_store_open(path, mode, out, error);
    free(path);
    return status;
}

pix_status pix_command_open_existing(const pix_options *options, pix_store **out,
                                     pix_error *error) {
    pix_store *reader;
    *out = NULL;
    char *path = pix_command_store_path(options, error);
    if (!path)
        return error->status;
    pix_status status = pix_store_open(path, PIX_STORE_READ, &reader, error);
    pix_store_close(reader);
    if (!status || status == PIX_EUNSUPPORTED) /* older, perhaps: the writer brings it up to date */
        status = pix_store_open(path, PIX_STORE_WRITE, out, error);
    free(path);
    return status;
}
