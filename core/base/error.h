/* error.h - how every function of pixgrep reports failure.
 *
 * A function returns a pix_status (0 or negative) and, where it takes a pix_error, leaves one line
 * there that names the object and the cause.  The caller owns the pix_error, so it can ride inside
 * a job from thread to thread.  A NULL pix_error is allowed everywhere. */
#ifndef PIX_BASE_ERROR_H
#define PIX_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#define PIX_STATUS_MAP(X)                                                                          \
    X(PIX_OK, 0, "ok")                                                                             \
    X(PIX_ENOMEM, -1, "out of memory")                                                             \
    X(PIX_EIO, -2, "input/output error")                                                           \
    X(PIX_EFORMAT, -3, "malformed data")                                                           \
    X(PIX_EUNSUPPORTED, -4, "not supported")                                                       \
    X(PIX_ENOTFOUND, -5, "not found")                                                              \
    X(PIX_EINVALID, -6, "invalid argument")                                                        \
    X(PIX_ELIMIT, -7, "limit exceeded")                                                            \
    X(PIX_EMISMATCH, -8, "does not fit")                                                           \
    X(PIX_EBUSY, -9, "busy")                                                                       \
    X(PIX_ECANCELLED, -10, "cancelled")                                                            \
    X(PIX_ECRASHED, -11, "helper process died")                                                    \
    X(PIX_ETIMEOUT, -12, "timed out")                                                              \
    X(PIX_EINTERRUPTED, -13, "interrupted from outside")

typedef enum pix_status {
#define X(name, value, text) name = (value),
    PIX_STATUS_MAP(X)
#undef X
} pix_status;

typedef struct pix_error {
    pix_status status;
    char text[1024]; /* one line, NUL-terminated; of a longer one the middle is left out */
} pix_error;

/* A short English phrase for a status; never NULL. */
const char *pix_status_text(pix_status status);

/* Whether a number that came from elsewhere is a status other than PIX_OK. */
bool pix_status_is_failure(int64_t number);

/* Fills *error with the formatted text and returns `status`, so callers write
 * `return pix_fail(error, PIX_EFORMAT, "...")`. */
pix_status pix_fail(pix_error *error, pix_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As pix_fail, with ": strerror(errno)" appended; ENOENT gives PIX_ENOTFOUND, ENOMEM PIX_ENOMEM,
 * anything else PIX_EIO. */
pix_status pix_fail_errno(pix_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Out of memory, in words. */
pix_status pix_fail_memory(pix_error *error);

/* Puts "FORMATTED: " before the text already in *error and returns its status; for a NULL error,
 * which has none, PIX_EINVALID. */
pix_status pix_error_prefix(pix_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A failure's status is known where it is named: said this way, compilers and analysers know it too
 * and see no path on which a failed call returned PIX_OK. */
static inline pix_status pix_status_known(pix_status returned, pix_status status) {
    (void)returned;
    return status;
}
#define pix_fail(error, status, ...)                                                               \
    pix_status_known((pix_fail)(error, status, __VA_ARGS__), status)
#define pix_fail_memory(error) pix_status_known((pix_fail_memory)(error), PIX_ENOMEM)

#endif
