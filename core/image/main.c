/* pixgrep-decode - turns photos into crops for the process that started it (protocol.h).
 *
 * It needs nothing but the descriptors it is given, so that it can be shut in later. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/image/preprocess.h"
#include "core/image/protocol.h"

/* A photo that needs more address space than this fails alone. */
#define MEMORY_LIMIT ((rlim_t)4 << 30)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LIMIT_MEMORY = 0 }; /* the sanitizers reserve terabytes */
#else
enum { LIMIT_MEMORY = 1 };
#endif

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

/* Takes over the descriptor `photo`. */
static void answer(const pix_decode_request *request, int photo, uint8_t *crop, size_t crop_size) {
    pix_decode_reply reply;
    memset(&reply, 0, sizeof reply);
    pix_decode_options options = {.size = request->size,
                                  .exact = request->exact,
                                  .ignore_rotation = request->ignore_rotation};
    if (request->size < 1 || crop_size != 3 * (size_t)request->size * (size_t)request->size)
        reply.error.status = pix_fail(&reply.error, PIX_EINVALID, "crop of a wrong size");
    else
        reply.error.status = pix_preprocess(photo, &options, crop, &reply.photo, &reply.error);
    (void)close(photo);
    (void)send(PIX_DECODE_SOCKET, &reply, sizeof reply, MSG_NOSIGNAL);
}

int main(void) {
    struct rlimit limit = {MEMORY_LIMIT, MEMORY_LIMIT};
    if (LIMIT_MEMORY)
        (void)setrlimit(RLIMIT_AS, &limit);
    struct stat memory;
    if (fstat(PIX_DECODE_MEMORY, &memory) || memory.st_size <= 0) {
        (void)fprintf(stderr, "pixgrep-decode: is started by pixgrep and pixgrepd\n");
        return 2;
    }
    size_t crop_size = (size_t)memory.st_size;
    uint8_t *crop = mmap(NULL, crop_size, PROT_READ | PROT_WRITE, MAP_SHARED, PIX_DECODE_MEMORY, 0);
    if (crop == MAP_FAILED)
        return 2;
    pix_decode_request request;
    for (int photo; receive(&request, &photo);)
        answer(&request, photo, crop, crop_size);
    return 0;
}
