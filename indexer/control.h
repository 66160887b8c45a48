/* control.h - the control socket of `pixgrepd watch`: who asks, and who answers.
 *
 * Only the owner may connect.  A client has one call at a time; what the scanner or the answering
 * thread must do first is waited for without holding up other clients.  All of it runs in the
 * loop's thread. */
#ifndef PIX_INDEXER_CONTROL_H
#define PIX_INDEXER_CONTROL_H

#include <uv.h>

#include "indexer/answers.h"
#include "indexer/scanner.h"

typedef struct pix_control pix_control;

typedef struct pix_control_settings {
    uv_loop_t *loop;
    pix_answers *answers;
    /* What the calls that the scanner serves do, in the loop's thread.  _status writes members of
     * an object, each after a comma. */
    void (*status)(void *context, FILE *out);
    void (*pause)(void *context, bool paused);
    void (*request)(void *context, pix_scan_request *request); /* takes it */
    void (*withdraw)(void *context, int64_t waiter);           /* nobody waits any more */
    void *context;
} pix_control_settings;

/* Binds the socket, in the place of one that a daemon left behind; PIX_EBUSY when one is alive.
 * Before other threads are started: the mask of new files is changed for a moment. */
pix_status pix_control_bind(const char *path, int *listener, int *lock, pix_error *error);

/* Takes both descriptors. */
pix_status pix_control_start(const pix_control_settings *settings, const char *path, int listener,
                             int lock, pix_control **out, pix_error *error);

/* Hands on what the answering thread, and what the scanner has done. */
void pix_control_deliver(pix_control *control);
void pix_control_deliver_scan(pix_control *control, pix_scan_request *request); /* takes it */
/* Tells those who wait for a scan how far it is. */
void pix_control_tell_progress(pix_control *control, const pix_run_counts *counts);

/* Removes the socket and closes its handles; the memory is freed by _free once the loop has ended.
 */
void pix_control_stop(pix_control *control);
void pix_control_free(pix_control *control);

#endif
