/* notify.h - what a service manager is told: sd_notify(3)'s protocol, without its library.
 *
 * Says nothing, and is no error, where nobody listens.  Any thread. */
#ifndef PIX_INDEXER_NOTIFY_H
#define PIX_INDEXER_NOTIFY_H

#include <stdint.h>

/* Sends lines such as "READY=1" to $NOTIFY_SOCKET. */
void pix_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "STATUS=TEXT", whatever the text is: of names of files none is taken for another line. */
void pix_notify_status(const char *text);

/* How often the manager wants to hear WATCHDOG=1, in microseconds; 0: it does not. */
int64_t pix_notify_watchdog_us(void);

#endif
