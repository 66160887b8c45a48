#include "core/control/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/threads.h"

enum { CHUNK = 65536 };

void pix_channel_init(pix_channel *channel, int fd) {
    *channel = (pix_channel){.fd = fd, .passed = -1};
}

void pix_channel_close(pix_channel *channel) {
    if (channel->fd >= 0)
        close(channel->fd);
    if (channel->passed >= 0)
        close(channel->passed);
    pix_bytes_free(&channel->in);
    pix_bytes_free(&channel->out);
    pix_channel_init(channel, -1);
}

/* Keeps the last descriptor of a message and closes any other. */
static void take_passed(pix_channel *channel, struct msghdr *message) {
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            if (channel->passed >= 0)
                close(channel->passed);
            channel->passed = fd;
        }
    }
}

/* Moves what is left of `in` to its start. */
static void compact(pix_channel *channel) {
    size_t left = channel->in.size - channel->read;
    if (channel->read == 0)
        return;
    memmove(channel->in.data, channel->in.data + channel->read, left);
    channel->in.size = left;
    channel->looked -= channel->read;
    channel->read = 0;
}

pix_status pix_channel_fill(pix_channel *channel, pix_error *error) {
    compact(channel);
    if (channel->in.size > PIX_LINE_LIMIT)
        return pix_fail(error, PIX_ELIMIT, "a line of more than %d bytes", PIX_LINE_LIMIT);
    if (pix_bytes_reserve(&channel->in, CHUNK))
        return pix_fail_memory(error);
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
    struct iovec room = {.iov_base = channel->in.data + channel->in.size, .iov_len = CHUNK};
    struct msghdr message = {.msg_iov = &room,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t size;
    do
        size = recvmsg(channel->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return errno == EAGAIN ? PIX_OK : pix_fail_errno(error, "cannot read from the socket");
    take_passed(channel, &message);
    if (size == 0)
        return pix_fail(error, PIX_ENOTFOUND, "the other end has closed the socket");
    channel->in.size += (size_t)size;
    channel->in.data[channel->in.size] = '\0';
    return PIX_OK;
}

bool pix_channel_line(pix_channel *channel, const char **line, size_t *size) {
    if (channel->in.size == channel->looked)
        return false;
    const char *start = channel->in.data + channel->read;
    const char *end =
        memchr(channel->in.data + channel->looked, '\n', channel->in.size - channel->looked);
    if (!end) {
        channel->looked = channel->in.size;
        return false;
    }
    *line = start;
    *size = (size_t)(end - start);
    channel->read = channel->looked = (size_t)(end - channel->in.data) + 1;
    return true;
}

bool pix_channel_is_midway(const pix_channel *channel) {
    return channel->in.size > channel->read;
}

pix_status pix_channel_put(pix_channel *channel, const void *data, size_t size) {
    return pix_bytes_append(&channel->out, data, size);
}

pix_status pix_channel_flush(pix_channel *channel, bool *done, pix_error *error) {
    *done = false;
    while (channel->written < channel->out.size) {
        ssize_t size = send(channel->fd, channel->out.data + channel->written,
                            channel->out.size - channel->written, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return errno == EAGAIN ? PIX_OK : pix_fail_errno(error, "cannot write to the socket");
        channel->written += (size_t)size;
    }
    pix_bytes_clear(&channel->out);
    channel->written = 0;
    *done = true;
    return PIX_OK;
}

static pix_status wait_for(const pix_channel *channel, short events, int64_t deadline_ns,
                           pix_error *error) {
    for (;;) {
        int64_t left_ms = (deadline_ns - pix_now_ns() + 999999) / 1000000;
        struct pollfd event = {.fd = channel->fd, .events = events};
        int ready = left_ms > 0 ? poll(&event, 1, (int)left_ms) : 0;
        if (ready > 0)
            return PIX_OK;
        if (ready < 0 && errno != EINTR)
            return pix_fail_errno(error, "cannot wait for the socket");
        if (ready == 0)
            return pix_fail(error, PIX_ETIMEOUT, "no answer from the socket");
    }
}

/* Sends the first byte, and with it the descriptor. */
static pix_status pass(const pix_channel *channel, const char *line, int passed,
                       int64_t deadline_ns, pix_error *error) {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    char first = line[0];
    struct iovec byte = {.iov_base = &first, .iov_len = 1};
    struct msghdr message = {.msg_iov = &byte,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof passed);
    memcpy(CMSG_DATA(part), &passed, sizeof passed);
    for (;;) {
        if (sendmsg(channel->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
            return PIX_OK;
        if (errno != EAGAIN && errno != EINTR)
            return pix_fail_errno(error, "cannot write to the socket");
        pix_status status = wait_for(channel, POLLOUT, deadline_ns, error);
        if (status)
            return status;
    }
}

pix_status pix_channel_wait(pix_channel *channel, int timeout_ms, const char **answer,
                            size_t *answer_size, pix_error *error) {
    int64_t deadline_ns = pix_now_ns() + (int64_t)timeout_ms * 1000000;
    pix_status status = PIX_OK;
    while (!status && !pix_channel_line(channel, answer, answer_size)) {
        status = wait_for(channel, POLLIN, deadline_ns, error);
        if (!status)
            status = pix_channel_fill(channel, error);
    }
    return status;
}

pix_status pix_channel_send(pix_channel *channel, const char *line, size_t size, int passed,
                            int timeout_ms, pix_error *error) {
    int64_t deadline_ns = pix_now_ns() + (int64_t)timeout_ms * 1000000;
    size_t sent = passed >= 0;
    pix_status status = sent ? pass(channel, line, passed, deadline_ns, error) : PIX_OK;
    if (!status && pix_channel_put(channel, line + sent, size - sent))
        status = pix_fail_memory(error);
    for (bool done = false; !status && !done;) {
        status = pix_channel_flush(channel, &done, error);
        if (!status && !done)
            status = wait_for(channel, POLLOUT, deadline_ns, error);
    }
    return status;
}

pix_status pix_channel_ask(pix_channel *channel, const char *line, size_t size, int passed,
                           int timeout_ms, const char **answer, size_t *answer_size,
                           pix_error *error) {
    pix_status status = pix_channel_send(channel, line, size, passed, timeout_ms, error);
    return status ? status : pix_channel_wait(channel, timeout_ms, answer, answer_size, error);
}
