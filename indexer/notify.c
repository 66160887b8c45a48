#include "indexer/notify.h"

#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/bytes.h"

/* The listener's address; a name that begins with '@' is in the abstract name space. */
static socklen_t find_listener(struct sockaddr_un *address) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    const char *name = getenv("NOTIFY_SOCKET");
    size_t size = name ? strlen(name) : 0;
    if (size < 2 || size >= sizeof address->sun_path || (name[0] != '/' && name[0] != '@'))
        return 0;
    memcpy(address->sun_path, name, size);
    if (name[0] == '@')
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (name[0] == '/'));
}

void pix_notify(const char *format, ...) {
    struct sockaddr_un address;
    socklen_t address_size = find_listener(&address);
    char text[512];
    if (address_size == 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (size > 0 && (size_t)size < sizeof text)
        (void)sendto(fd, text, (size_t)size, MSG_NOSIGNAL, (const struct sockaddr *)&address,
                     address_size);
    close(fd);
}

void pix_notify_status(const char *text) {
    char line[384] = "";
    for (size_t i = 0; text[i] && i < sizeof line - 1; i++)
        line[i] = (char)(text[i] == '\n' ? ' ' : text[i]);
    pix_notify("STATUS=%s", line);
}

int64_t pix_notify_watchdog_us(void) {
    const char *period = getenv("WATCHDOG_USEC"), *process = getenv("WATCHDOG_PID");
    int64_t us, id;
    if (!period || pix_parse_integer(period, 1, INT64_MAX, &us))
        return 0;
    if (process && (pix_parse_integer(process, 1, INT_MAX, &id) || id != getpid()))
        return 0;
    return us;
}
