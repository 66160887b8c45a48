/* library.h - the models a person has: a folder of .pixm files and the name of the current one.
 *
 * The folder is $XDG_DATA_HOME/pixgrep/models; `current` in it is a text file holding a name.
 * Bundled models are found under PREFIX/share/pixgrep/models after the person's own; the one called
 * `tiny` stands in for a person who has imported none. */
#ifndef PIX_CLIP_LIBRARY_H
#define PIX_CLIP_LIBRARY_H

#include "core/clip/model.h"

/* A name is letters, digits, '.', '_', '@', '+' and '-', not beginning with '.' or '-'; anything
 * else is PIX_EINVALID. */
pix_status pix_library_check_name(const char *name, pix_error *error);

/* Heap path of NAME.pixm in the person's folder, of a name that is one. */
pix_status pix_library_path(const char *name, char **path, pix_error *error);

/* The name a model gets from the file or folder it is imported from ("ViT-B-32.pt" -> "ViT-B-32",
 * "model.safetensors", "model.safetensors.index.json" and "." -> the folder's); heap memory. */
char *pix_library_name_for(const char *source);

/* Opens the model that `name` means: a model's name, or a path to a .pixm when it contains '/';
 * NULL means the current one, or `tiny` as long as none has been imported or chosen. */
pix_status pix_library_open(const char *name, pix_model **out, pix_error *error);

/* Whether the model is one of those that come with pixgrep. */
bool pix_library_is_bundled(const pix_model *model);

/* Whether it is what pix_library_open(name) took without anybody having chosen it. */
bool pix_library_stands_in(const char *name, const pix_model *model);

/* One line for the person then: what the model is good for and how to get another; NULL when there
 * is nothing to tell. */
const char *pix_library_notice(const char *name, const pix_model *model);

pix_status pix_library_use(const char *name, pix_error *error);

/* Chooses a model unless one has been chosen: what stood in for one stays in use although others
 * have been imported since. */
pix_status pix_library_keep(const char *name, pix_error *error);

/* The chosen model's name in heap memory; *name = NULL when none is.  Without HOME, and so without
 * a place to keep a choice, PIX_ENOTFOUND. */
pix_status pix_library_current(char **name, pix_error *error);

/* The name in heap memory of what pix_library_open(NULL) opens: the chosen model, else the bundled
 * one that stands in; *name = NULL when there is neither. */
pix_status pix_library_in_use(char **name, pix_error *error);

/* Removes what imports that were killed left in the person's folder. */
void pix_library_tidy(void);

/* Deletes a model's file; if it was current, none is.  A bundled one is PIX_EUNSUPPORTED. */
pix_status pix_library_remove(const char *name, pix_error *error);

/* Calls `each` with every model's name, sorted; a non-zero return stops and is returned. */
pix_status pix_library_list(pix_status (*each)(void *context, const char *name), void *context,
                            pix_error *error);

#endif
