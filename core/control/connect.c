#include "core/control/connect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/control/protocol.h"

/* Whoever else could have made the socket must not hear what is asked. */
static bool is_own(int fd) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

static pix_status connect_to(const char *path, pix_channel *channel, pix_error *error) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size >= sizeof address.sun_path)
        return pix_fail(error, PIX_ENOTFOUND, "%s: too long for a socket", path);
    memcpy(address.sun_path, path, size + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return pix_fail_errno(error, "cannot make a socket");
    pix_status status = PIX_OK;
    if (connect(fd, (const struct sockaddr *)&address, sizeof address))
        status = errno == ECONNREFUSED || errno == ENOENT
                     ? pix_fail(error, PIX_ENOTFOUND, "no pixgrepd watch is running")
                     : pix_fail_errno(error, "%s", path);
    else if (!is_own(fd))
        status = pix_fail(error, PIX_ENOTFOUND, "%s: somebody else listens there", path);
    if (status)
        close(fd);
    else
        pix_channel_init(channel, fd);
    return status;
}

pix_status pix_control_connect(pix_channel *channel, pix_error *error) {
    char *path = pix_control_place();
    if (!path)
        return pix_fail(error, PIX_ENOTFOUND, "no place for a socket: XDG_RUNTIME_DIR is not set");
    pix_status status = connect_to(path, channel, error);
    free(path);
    return status;
}
