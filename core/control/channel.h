/* channel.h - lines over a local stream socket, and a descriptor that comes along with one.
 *
 * The bytes of a line are bounded, so that neither end can fill the other's memory.  One thread at
 * a time. */
#ifndef PIX_CONTROL_CHANNEL_H
#define PIX_CONTROL_CHANNEL_H

#include <stdbool.h>

#include "core/base/bytes.h"

/* The longest line either end takes. */
enum { PIX_LINE_LIMIT = 8 << 20 };

typedef struct pix_channel {
    int fd;
    int passed; /* the descriptor that came last and was not taken; -1: none */
    pix_bytes in, out;
    size_t read, written; /* what of them is done with */
    size_t looked;        /* of `in`: no newline before it */
} pix_channel;

void pix_channel_init(pix_channel *channel, int fd); /* takes the descriptor */
void pix_channel_close(pix_channel *channel);

/* Takes in what is there without waiting.  The other end's end is PIX_ENOTFOUND. */
pix_status pix_channel_fill(pix_channel *channel, pix_error *error);

/* The next whole line, which lives until the next call on the channel; false when there is none. */
bool pix_channel_line(pix_channel *channel, const char **line, size_t *size);

/* Whether part of a line is there. */
bool pix_channel_is_midway(const pix_channel *channel);

/* Queues bytes; _flush sends what can be sent without waiting and says whether all is gone. */
pix_status pix_channel_put(pix_channel *channel, const void *data, size_t size);
pix_status pix_channel_flush(pix_channel *channel, bool *done, pix_error *error);

/* For the end that asks: sends all of a line (which ends with a newline), and `passed` unless that
 * is -1, and _ask waits for a line of answer, too. */
pix_status pix_channel_send(pix_channel *channel, const char *line, size_t size, int passed,
                            int timeout_ms, pix_error *error);
pix_status pix_channel_ask(pix_channel *channel, const char *line, size_t size, int passed,
                           int timeout_ms, const char **answer, size_t *answer_size,
                           pix_error *error);
/* Waits for another line: more of the same answer, or that of another line sent. */
pix_status pix_channel_wait(pix_channel *channel, int timeout_ms, const char **answer,
                            size_t *answer_size, pix_error *error);

#endif
