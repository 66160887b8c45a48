#include "core/image/service.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/image/protocol.h"
#include "core/image/sandbox.h"
#include "core/image/vips.h"

/* The next request and the photo's descriptor; false when there are no more. */
static bool receive(pix_decode_request *request, int *photo) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec data = {request, sizeof *request};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    *photo = -1;
    ssize_t got = recvmsg(PIX_DECODE_SOCKET, &message, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (got > 0 && header && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(photo, CMSG_DATA(header), sizeof *photo);
    return got == sizeof *request && *photo >= 0;
}

static void reply_with(const pix_decode_reply *reply) {
    (void)send(PIX_DECODE_SOCKET, reply, sizeof *reply, MSG_NOSIGNAL);
}

/* Takes over the descriptor `photo`. */
static void answer(pix_decode_function *decode, const pix_decode_request *request, int photo,
                   uint8_t *crop, size_t crop_size) {
    pix_decode_reply reply;
    memset(&reply, 0, sizeof reply);
    pix_decode_options options = {.size = request->size,
                                  .exact = request->exact,
                                  .ignore_rotation = request->ignore_rotation};
    if (request->size < 1 || crop_size != 3 * (size_t)request->size * (size_t)request->size)
        reply.error.status = pix_fail(&reply.error, PIX_EINVALID, "crop of a wrong size");
    else
        reply.error.status = decode(photo, &options, crop, &reply.photo, &reply.error);
    reply.wants_all = pix_vips_is_missed();
    (void)close(photo);
    reply_with(&reply);
}

/* Whatever opens a file of its own does so now: libvips its modules.  The C library would read the
 * time zone whenever LibRaw asks; cameras tell local time, which no zone changes. */
static pix_status load(bool all, pix_error *error) {
    if (setenv("TZ", "UTC0", 1))
        return pix_fail_memory(error);
    if (!all)
        pix_vips_leave_out();
    else
        (void)pix_vips_start(NULL); /* each photo that needs it will say that it is not there */
    return pix_sandbox_close(error);
}

/* Without its walls nothing is decoded; PIX_EBUSY: it is not the photo's fault. */
static void answer_refusal(const pix_error *why) {
    pix_decode_reply reply;
    memset(&reply, 0, sizeof reply);
    reply.error = *why;
    reply.error.status = PIX_EBUSY;
    reply_with(&reply);
}

static pix_status map_crop(uint8_t **crop, size_t *size, pix_error *error) {
    struct stat memory;
    if (fstat(PIX_DECODE_MEMORY, &memory) || memory.st_size <= 0)
        return pix_fail(error, PIX_EINVALID, "is started by pixgrep and pixgrepd");
    *size = (size_t)memory.st_size;
    void *start = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, PIX_DECODE_MEMORY, 0);
    if (start == MAP_FAILED)
        return pix_fail_errno(error, "cannot map the memory for pixels");
    *crop = start;
    return PIX_OK;
}

/* Whoever asked may have ended before that would have ended this process, too. */
static bool is_orphan(void) {
    struct pollfd socket = {.fd = PIX_DECODE_SOCKET};
    return poll(&socket, 1, 0) == 1 && socket.revents & POLLHUP;
}

pix_status pix_decode_serve(pix_decode_function *decode, pix_error *error) {
    uint8_t *crop = NULL;
    size_t crop_size = 0;
    pix_decode_request request;
    int photo;
    pix_status status = map_crop(&crop, &crop_size, error);
    if (status || !receive(&request, &photo))
        return status;
    status = pix_sandbox_limit(error);
    if (!status && is_orphan())
        return PIX_OK;
    if (!status)
        status = load(request.all, error);
    if (status) {
        answer_refusal(error);
        return status;
    }
    do
        answer(decode, &request, photo, crop, crop_size);
    while (receive(&request, &photo));
    return PIX_OK;
}
