/* pixgrepd move: files that are elsewhere now are told to the index. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "indexer/commands.h"
#include "indexer/edit.h"
#include "indexer/format.h"
#include "indexer/targets.h"

/* A folder may have left a link behind that leads to its new place: the name comes first, then what
 * it stands for. */
static pix_status move_from(pix_store *store, const char *named, const char *to, int64_t *photos,
                            pix_error *error) {
    char *from = pix_folder_path_as_named(named, error);
    if (!from)
        return error->status;
    pix_status status = pix_store_move(store, from, to, photos, error);
    bool exists = false;
    char *real = status == PIX_ENOTFOUND ? pix_folder_path(named, &exists, NULL) : NULL;
    if (exists && strcmp(real, from) != 0)
        status = pix_store_move(store, real, to, photos, error);
    free(real);
    free(from);
    return status;
}

/* The identities that roots have in their new place; what is not there yet keeps its old one. */
static pix_status identify_roots(pix_store *store, const char *to, pix_error *error) {
    pix_targets roots;
    pix_status status = pix_targets_choose(store, NULL, 0, &roots, error);
    for (size_t i = 0; i < roots.count && !status; i++) {
        const pix_target *root = &roots.items[i];
        int64_t id;
        if (!root->away[0] && pix_path_is_within(root->root, to))
            status = pix_store_root_put(store, root->root, root->identity.text,
                                        root->identity.is_mount, &id, error);
    }
    pix_targets_free(&roots);
    return status;
}

pix_status pix_edit_move(const pix_edit *edit, pix_error *error) {
    bool exists = false;
    int64_t photos = 0;
    char *to = pix_folder_path(edit->paths->items[1], &exists, error);
    pix_status status =
        to ? move_from(edit->store, edit->paths->items[0], to, &photos, error) : error->status;
    if (!status)
        status = identify_roots(edit->store, to, error);
    if (!status) {
        pix_print_path(edit->output, to);
        (void)fprintf(edit->output, ": %s %s\n", pix_text_count(photos),
                      photos == 1 ? "photo is here now" : "photos are here now");
        if (!exists)
            (void)fputs("pixgrepd: move: there is no such folder yet\n", edit->notes);
    }
    free(to);
    return status;
}

pix_exit pix_command_move(const pix_options *options, pix_error *error) {
    return pix_edit_command(options, PIX_CALL_MOVE, error);
}
