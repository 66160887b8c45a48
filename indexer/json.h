/* json.h - one JSON object a line on standard output, with paths that may not be UTF-8. */
#ifndef PIX_INDEXER_JSON_H
#define PIX_INDEXER_JSON_H

#include <jansson.h>

/* Sets KEY to the path, or, when that is not UTF-8, KEY_base64 to its bytes. */
void pix_json_set_path(json_t *object, const char *key, const char *path);

/* Prints the object and a newline, and drops it. */
void pix_json_print(json_t *object);

#endif
