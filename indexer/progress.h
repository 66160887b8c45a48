/* progress.h - one line on the terminal that says how far a run is.
 *
 * Drawn only when standard error is a terminal, at most five times a second.  The time left is
 * told only once the number of photos is known, and follows the pace of the last ten seconds.
 * One thread at a time; a NULL pix_progress draws nothing. */
#ifndef PIX_INDEXER_PROGRESS_H
#define PIX_INDEXER_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pix_progress pix_progress;

typedef struct pix_progress_state {
    int64_t done, total, failed;
    bool total_known; /* false: `total` is what has been counted so far */
} pix_progress_state;

/* NULL when standard error is no terminal. */
pix_progress *pix_progress_new(void);
void pix_progress_free(pix_progress *progress);

/* Draws the line if it is time to. */
void pix_progress_draw(pix_progress *progress, const pix_progress_state *state);
/* As above, for work of which a share of `done`, 0..1, is over: "WHAT: 43 %, 12.0 s left". */
void pix_progress_draw_share(pix_progress *progress, const char *what, double done);
/* Takes the line off the terminal, before something else is printed. */
void pix_progress_clear(pix_progress *progress);

/* Things done per second over the last ten, and the line without its terminal codes, as of
 * `now_ns`; for tests, and for _draw. */
typedef struct pix_pace {
    struct {
        int64_t at_ns, done;
    } samples[50];
    size_t count, next;
} pix_pace;
void pix_pace_add(pix_pace *pace, int64_t now_ns, int64_t done);
double pix_pace_rate(const pix_pace *pace); /* 0 when not known yet */
void pix_progress_line(const pix_pace *pace, const pix_progress_state *state, char *out,
                       size_t size);
/* Of a pace in millionths of the whole. */
void pix_progress_share_line(const pix_pace *pace, const char *what, double done, char *out,
                             size_t size);

#endif
