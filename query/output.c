#include "query/output.h"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

static int failure; /* errno of the first write that failed */

/* For fopencookie(3): all of `size`, or what was written before a failure. */
static ssize_t write_bytes(void *cookie, const char *data, size_t size) {
    (void)cookie;
    size_t done = 0;
    while (done < size) {
        ssize_t written = write(STDOUT_FILENO, data + done, size - done);
        if (written >= 0) {
            done += (size_t)written;
        } else if (errno != EINTR) {
            failure = failure ? failure : errno;
            break;
        }
    }
    return (ssize_t)done;
}

static int close_output(void *cookie) {
    (void)cookie;
    if (close(STDOUT_FILENO) && !failure)
        failure = errno;
    return 0;
}

FILE *pix_output_open(void) {
    failure = 0;
    FILE *output = fopencookie(
        NULL, "w", (cookie_io_functions_t){.write = write_bytes, .close = close_output});
    if (output && isatty(STDOUT_FILENO))
        (void)setvbuf(output, NULL, _IOLBF, BUFSIZ);
    return output;
}

int pix_output_close(FILE *output) {
    if (fclose(output) && !failure)
        failure = errno;
    return failure;
}
