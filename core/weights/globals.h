/* globals.h - the names a pickle may mention, and what stands for a call of each. */
#ifndef PIX_WEIGHTS_GLOBALS_H
#define PIX_WEIGHTS_GLOBALS_H

typedef enum pix_global_use {
    PIX_GLOBAL_REFUSED,
    PIX_GLOBAL_DATA,   /* a name that is itself data; a call is refused */
    PIX_GLOBAL_RECORD, /* a record of the call */
    PIX_GLOBAL_FIRST,  /* the first argument */
    PIX_GLOBAL_DICT,   /* a dict: empty, or of the pairs or the dict it is given */
    PIX_GLOBAL_OBJECT  /* an inert object */
} pix_global_use;

/* `name` is "module name", as pickletools prints it. */
pix_global_use pix_global_find(const char *name);

#endif
