#include "core/image/decoder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/base/threads.h"
#include "core/image/protocol.h"

enum { DEFAULT_TIMEOUT_MS = 60000, SIZE_LIMIT = 4096 };

/* What a photo still gets when the caller is stopping, which is looked at so often. */
enum { LAST_MS = 10000, LOOK_MS = 200 };

/* 512 megapixels of three 16-bit samples; nothing larger fits into a decoder's address space. */
#define FILE_LIMIT ((off_t)3 << 30)

struct pix_decoder {
    pix_decode_options options;
    char *program;
    int memory; /* memfd; sealed, so that the child cannot shrink it under us */
    const uint8_t *crop;
    size_t crop_size;
    pid_t child; /* 0: none */
    bool fresh;  /* the child saw no photo before this one */
    bool all;    /* the child is to load every library, not only that of JPEG */
    int socket;
};

static pix_status make_memory(pix_decoder *d, pix_error *error) {
    d->memory = memfd_create("pixgrep-crop", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (d->memory < 0 || ftruncate(d->memory, (off_t)d->crop_size) ||
        fcntl(d->memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return pix_fail_errno(error, "cannot make shared memory for pixels");
    void *crop = mmap(NULL, d->crop_size, PROT_READ, MAP_SHARED, d->memory, 0);
    if (crop == MAP_FAILED)
        return pix_fail_errno(error, "cannot map shared memory for pixels");
    d->crop = crop;
    return PIX_OK;
}

pix_status pix_decoder_open(const char *program, const pix_decode_options *options,
                            pix_decoder **out, pix_error *error) {
    *out = NULL;
    if (options->size < 1 || options->size > SIZE_LIMIT)
        return pix_fail(error, PIX_EINVALID, "a crop of %d pixels is not between 1 and %d",
                        options->size, SIZE_LIMIT);
    pix_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return pix_fail_memory(error);
    d->options = *options;
    d->memory = d->socket = -1;
    d->crop_size = 3 * (size_t)options->size * (size_t)options->size;
    d->program = program ? strdup(program) : pix_place_installed("libexec/pixgrep/pixgrep-decode");
    pix_status status = PIX_OK;
    if (!d->program)
        status = pix_fail_memory(error);
    else if (access(d->program, X_OK))
        status = pix_fail_errno(error, "cannot run %s", d->program);
    if (!status)
        status = make_memory(d, error);
    if (status)
        pix_decoder_close(d);
    else
        *out = d;
    return status;
}

/* Ends the child and gives its wait status.  A dying child has let go of the socket before its
 * status is final, so SIGKILL cannot disguise how it died. */
static int end_child(pix_decoder *d) {
    int how = 0;
    if (d->child == 0)
        return 0;
    (void)kill(d->child, SIGKILL);
    while (waitpid(d->child, &how, 0) < 0 && errno == EINTR)
        continue;
    (void)close(d->socket);
    d->child = 0;
    d->socket = -1;
    return how;
}

void pix_decoder_close(pix_decoder *d) {
    if (!d)
        return;
    (void)end_child(d);
    if (d->crop)
        (void)munmap((void *)(uintptr_t)d->crop, d->crop_size);
    if (d->memory >= 0)
        (void)close(d->memory);
    free(d->program);
    free(d);
}

/* The child sees its two descriptors and /dev/null, nothing else: libraries chat on stderr about
 * every odd file.  With PIXGREP_DECODE_STDERR set it keeps ours. */
static int arrange_files(posix_spawn_file_actions_t *files, int socket, int memory) {
    int failed = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (!failed && !getenv("PIXGREP_DECODE_STDERR"))
        failed = posix_spawn_file_actions_addopen(files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(files, socket, PIX_DECODE_SOCKET);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(files, memory, PIX_DECODE_MEMORY);
    if (!failed)
        failed = posix_spawn_file_actions_addclosefrom_np(files, PIX_DECODE_MEMORY + 1);
    return failed;
}

/* The signals that ask a program to end stay blocked from the first instruction on: a terminal or a
 * service manager sends them to the whole group, and the parent wants to finish the photo in hand.
 * The child ends when its socket closes. */
static int arrange_signals(posix_spawnattr_t *attributes) {
    sigset_t blocked, usual;
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGINT);
    (void)sigaddset(&blocked, SIGTERM);
    (void)sigaddset(&blocked, SIGHUP);
    (void)sigfillset(&usual);
    int failed =
        posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!failed)
        failed = posix_spawnattr_setsigmask(attributes, &blocked);
    if (!failed)
        failed = posix_spawnattr_setsigdefault(attributes, &usual);
    return failed;
}

/* `socket` and `memory` are above the numbers they get in the child. */
static int spawn(pix_decoder *d, int socket, int memory) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&files);
    if (failed)
        return failed;
    failed = posix_spawnattr_init(&attributes);
    if (!failed) {
        char *arguments[] = {d->program, NULL};
        failed = arrange_files(&files, socket, memory);
        if (!failed)
            failed = arrange_signals(&attributes);
        if (!failed)
            failed = posix_spawn(&d->child, d->program, &files, &attributes, arguments, environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    return failed;
}

/* Whatever the reason, it is not the photo's. */
static pix_status fail_start(const pix_decoder *d, pix_error *error) {
    char reason[128];
    return pix_fail(error, PIX_EBUSY, "cannot start %s: %s", d->program,
                    strerror_r(errno, reason, sizeof reason));
}

static pix_status start_child(pix_decoder *d, pix_error *error) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return fail_start(d, error);
    int socket = fcntl(pair[1], F_DUPFD_CLOEXEC, PIX_DECODE_MEMORY + 1);
    int memory = fcntl(d->memory, F_DUPFD_CLOEXEC, PIX_DECODE_MEMORY + 1);
    int failed = socket < 0 || memory < 0 ? errno : spawn(d, socket, memory);
    (void)close(pair[1]);
    if (socket >= 0)
        (void)close(socket);
    if (memory >= 0)
        (void)close(memory);
    if (failed) {
        d->child = 0;
        (void)close(pair[0]);
        errno = failed;
        return fail_start(d, error);
    }
    d->socket = pair[0];
    return PIX_OK;
}

static bool send_request(const pix_decoder *d, int fd) {
    pix_decode_request request;
    memset(&request, 0, sizeof request);
    request.size = d->options.size;
    request.exact = d->options.exact;
    request.ignore_rotation = d->options.ignore_rotation;
    request.all = d->all;
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    struct iovec data = {&request, sizeof request};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    ssize_t sent;
    do
        sent = sendmsg(d->socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == sizeof request;
}

/* Neither the limits nor the filter nor a library's mistake ends in SIGKILL. */
static pix_status fail_dead(pix_decoder *d, pix_error *error) {
    int how = end_child(d);
    if (WIFEXITED(how) && WEXITSTATUS(how) == 127) /* the dynamic linker's word */
        return pix_fail(error, PIX_EBUSY, "cannot start %s: a library is missing", d->program);
    if (WIFEXITED(how))
        return pix_fail(error, PIX_ECRASHED, "the decoder ended with status %d", WEXITSTATUS(how));
    int number = WTERMSIG(how);
    if (number == SIGKILL)
        return pix_fail(error, PIX_EINTERRUPTED,
                        "the decoder was killed from outside, perhaps for want of memory");
    if (number == SIGBUS)
        return pix_fail(error, PIX_ECRASHED,
                        "the decoder died of SIGBUS: the file shrank or its disk failed");
    const char *name = sigabbrev_np(number);
    return pix_fail(error, PIX_ECRASHED, "the decoder died of SIG%s", name ? name : "?");
}

/* The processor time that the child has taken so far; -1 when nobody says. */
static int64_t work_of(const pix_decoder *d) {
    clockid_t clock;
    struct timespec taken;
    if (clock_getcpuclockid(d->child, &clock) || clock_gettime(clock, &taken))
        return -1;
    return (int64_t)taken.tv_sec * 1000000000 + taken.tv_nsec;
}

/* Whether the reply or the child's end is there before the time is over; *stopped when that is for
 * the caller's sake. */
static bool is_ready(const pix_decoder *d, int64_t timeout_ms, bool *stopped) {
    int64_t deadline = pix_now_ns() + timeout_ms * 1000000;
    *stopped = false;
    for (;;) {
        int64_t now = pix_now_ns(), last = now + (int64_t)LAST_MS * 1000000;
        if (!*stopped && d->options.stopping && atomic_load(d->options.stopping)) {
            *stopped = true;
            deadline = last < deadline ? last : deadline;
        }
        int64_t left_ms = (deadline - now + 999999) / 1000000;
        if (left_ms < 0)
            left_ms = 0;
        struct pollfd event = {.fd = d->socket, .events = POLLIN};
        bool looks = d->options.stopping && left_ms > LOOK_MS;
        int ready = poll(&event, 1, looks ? LOOK_MS : (int)left_ms);
        if (ready > 0)
            return true;
        if (ready == 0 && left_ms == 0)
            return false;
    }
}

/* A photo may take so much work, not so long: on a busy machine the child gets more time.  One that
 * hardly works at all is stopped, locked up, or waits for a disk.  It has to work for a twentieth
 * of what is left each time, so after 18 times `timeout_ms` at the latest it is over. */
static pix_status wait_for_child(pix_decoder *d, int64_t work_before, int timeout_ms,
                                 pix_error *error) {
    int64_t worked_ms = 0;
    for (;;) {
        int64_t period_ms = timeout_ms - worked_ms, earlier_ms = worked_ms;
        bool stopped;
        if (is_ready(d, period_ms, &stopped))
            return PIX_OK;
        if (stopped) {
            (void)end_child(d);
            return pix_fail(error, PIX_EINTERRUPTED, "decoding was stopped");
        }
        int64_t work = work_of(d);
        worked_ms = work < 0 || work_before < 0 ? timeout_ms : (work - work_before) / 1000000;
        bool enough = worked_ms >= timeout_ms - timeout_ms / 10;
        if (!enough && worked_ms - earlier_ms >= period_ms / 20)
            continue;
        (void)end_child(d);
        return enough ? pix_fail(error, PIX_ETIMEOUT, "decoding took longer than %g s",
                                 timeout_ms / 1000.0)
                      : pix_fail(error, PIX_EINTERRUPTED, "the decoder waited for most of %g s",
                                 (double)period_ms / 1000.0);
    }
}

/* Ends the text, and leaves nothing in it that a terminal or a parser could stumble over. */
static void make_printable(char *text, size_t size) {
    text[size - 1] = '\0';
    bool utf8 = pix_is_utf8(text, strlen(text));
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < ' ' || *c == 0x7F || (!utf8 && *c > 0x7F))
            *c = '?';
}

/* What comes from the child may come from whoever took it over: nothing in it is trusted. */
static void sanitise(pix_decode_reply *reply) {
    pix_photo *photo = &reply->photo;
    make_printable(photo->format, sizeof photo->format);
    make_printable(photo->taken_at, sizeof photo->taken_at);
    make_printable(photo->camera, sizeof photo->camera);
    make_printable(reply->error.text, sizeof reply->error.text);
    if (photo->orientation < 1 || photo->orientation > 8)
        photo->orientation = 1;
    if (reply->error.status && !pix_status_is_failure(reply->error.status))
        reply->error.status = PIX_EFORMAT;
}

static pix_status receive_reply(pix_decoder *d, pix_decode_reply *reply, pix_error *error) {
    ssize_t got;
    do
        got = recv(d->socket, reply, sizeof *reply, MSG_TRUNC);
    while (got < 0 && errno == EINTR);
    if (got > 0 && (got != sizeof *reply || (reply->wants_all && d->all))) {
        (void)end_child(d);
        return pix_fail(error, PIX_ECRASHED, "the decoder's answer makes no sense");
    }
    if (got <= 0)
        return fail_dead(d, error);
    sanitise(reply);
    return PIX_OK;
}

/* Has the child look at the photo; one is started if there is none. */
static pix_status ask(pix_decoder *d, int fd, pix_decode_reply *reply, pix_error *error) {
    int timeout_ms = d->options.timeout_ms > 0 ? d->options.timeout_ms : DEFAULT_TIMEOUT_MS;
    d->fresh = d->child == 0;
    pix_status status = d->fresh ? start_child(d, error) : PIX_OK;
    if (status)
        return status;
    int64_t work_before = work_of(d);
    bool sent = send_request(d, fd);
    if (!sent && !d->fresh) { /* it died between two photos, which is not this photo's fault */
        (void)end_child(d);
        d->fresh = true;
        status = start_child(d, error);
        if (status)
            return status;
        work_before = work_of(d);
        sent = send_request(d, fd);
    }
    if (!sent) /* it is dead, or the kernel has no room for one descriptor more */
        return errno == EPIPE || errno == ECONNRESET ? fail_dead(d, error) : fail_start(d, error);
    status = wait_for_child(d, work_before, timeout_ms, error);
    return status ? status : receive_reply(d, reply, error);
}

/* A first guess at which libraries will be needed; the child knows better, later. */
static bool begins_as_jpeg(int fd) {
    unsigned char start[3];
    return pread(fd, start, sizeof start, 0) == sizeof start && start[0] == 0xFF &&
           start[1] == 0xD8 && start[2] == 0xFF;
}

/* One try, with a child that has the libraries for it. */
static pix_status try_photo(pix_decoder *d, int fd, pix_decode_reply *reply, pix_error *error) {
    if (d->child == 0)
        d->all = !begins_as_jpeg(fd);
    pix_status status = ask(d, fd, reply, error);
    if (!status && reply->wants_all) {
        (void)end_child(d);
        d->all = true;
        status = ask(d, fd, reply, error);
    }
    if (!status && reply->error.status)
        status = pix_fail(error, reply->error.status, "%s", reply->error.text);
    return status;
}

/* Perhaps because of memory that a library kept of earlier photos. */
static bool may_be_inherited(pix_status status) {
    return status == PIX_ELIMIT || status == PIX_ENOMEM;
}

pix_status pix_decoder_run(pix_decoder *d, int fd, uint8_t *crop, pix_photo *photo,
                           pix_error *error) {
    pix_decode_reply reply = {0};
    pix_status status = try_photo(d, fd, &reply, error);
    if (may_be_inherited(status) && !d->fresh) {
        (void)end_child(d);
        status = try_photo(d, fd, &reply, error);
    }
    if (status)
        return status;
    memcpy(crop, d->crop, d->crop_size);
    *photo = reply.photo;
    return PIX_OK;
}

pix_status pix_photo_open(const char *path, int *fd, pix_error *error) {
    *fd = -1;
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (opened < 0)
        return pix_fail_errno(error, "cannot open");
    struct stat about;
    pix_status status = PIX_OK;
    if (fstat(opened, &about))
        status = pix_fail_errno(error, "cannot open");
    else if (!S_ISREG(about.st_mode))
        status = pix_fail(error, PIX_EUNSUPPORTED, "not a regular file");
    else if (about.st_size > FILE_LIMIT)
        status = pix_fail(error, PIX_ELIMIT, "the file of %lld bytes is over the limit of 3 GiB",
                          (long long)about.st_size);
    if (status)
        (void)close(opened);
    else
        *fd = opened;
    return status;
}
