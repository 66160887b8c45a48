#include "indexer/control.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/control/channel.h"

enum {
    CLIENTS_LIMIT = 64,
    BACKLOG = 16,
    /* A client that says nothing, or takes nothing, for so long is left. */
    IDLE_MS = 60000,
    /* Without descriptors left, nobody is let in for so long. */
    FULL_MS = 1000
};

typedef enum client_state { READING, WAITING, WRITING } client_state;

typedef struct client {
    struct pix_control *control;
    struct client *next;
    int64_t id;
    client_state state;
    bool waiting_long; /* for a scan or an edit: it is told how far that is */
    bool closing;
    pix_channel channel;
    uv_poll_t poll;
    uv_timer_t idle;
    int open_handles;
} client;

struct pix_control {
    pix_control_settings settings;
    char *path;
    int listener, lock;
    uv_poll_t poll;
    uv_timer_t full;
    client *clients;
    size_t count;
    int64_t next_id;
};

static pix_status make_address(const char *path, struct sockaddr_un *address, pix_error *error) {
    size_t size = strlen(path);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (size >= sizeof address->sun_path)
        return pix_fail(error, PIX_ELIMIT, "%s: too long for a socket", path);
    memcpy(address->sun_path, path, size + 1);
    return PIX_OK;
}

/* The lock dies with its owner, so a socket whose lock is free is nobody's. */
static pix_status take_lock(const char *path, int *lock, pix_error *error) {
    char *name = NULL;
    if (asprintf(&name, "%s.lock", path) < 0)
        return pix_fail_memory(error);
    pix_status status = PIX_OK;
    *lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*lock < 0)
        status = pix_fail_errno(error, "cannot open %s", name);
    else if (flock(*lock, LOCK_EX | LOCK_NB))
        status = errno == EWOULDBLOCK
                     ? pix_fail(error, PIX_EBUSY, "%s: another pixgrepd listens there", path)
                     : pix_fail_errno(error, "cannot lock %s", name);
    free(name);
    return status;
}

static pix_status listen_at(const char *path, int *listener, pix_error *error) {
    struct sockaddr_un address;
    pix_status status = make_address(path, &address, error);
    if (status)
        return status;
    *listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*listener < 0)
        return pix_fail_errno(error, "cannot make a socket");
    (void)unlink(path);
    mode_t usual = umask(0177);
    int failed = bind(*listener, (const struct sockaddr *)&address, sizeof address);
    int cause = errno;
    (void)umask(usual);
    errno = cause;
    if (failed || listen(*listener, BACKLOG))
        return pix_fail_errno(error, "cannot listen at %s", path);
    return PIX_OK;
}

pix_status pix_control_bind(const char *path, int *listener, int *lock, pix_error *error) {
    *listener = *lock = -1;
    pix_status status = take_lock(path, lock, error);
    if (!status)
        status = listen_at(path, listener, error);
    if (!status)
        return PIX_OK;
    if (*listener >= 0)
        close(*listener);
    if (*lock >= 0)
        close(*lock);
    *listener = *lock = -1;
    return status;
}

static void free_when_closed(uv_handle_t *handle) {
    client *c = handle->data;
    if (--c->open_handles > 0)
        return;
    pix_channel_close(&c->channel);
    free(c);
}

/* From now on nobody knows the client; what is still computed for it is dropped when it comes. */
static void leave(client *c) {
    pix_control *control = c->control;
    if (c->closing)
        return;
    c->closing = true;
    for (client **link = &control->clients; *link; link = &(*link)->next)
        if (*link == c) {
            *link = c->next;
            break;
        }
    control->count--;
    if (c->waiting_long)
        control->settings.withdraw(control->settings.context, c->id);
    else if (c->state == WAITING)
        pix_answers_withdraw(control->settings.answers, c->id);
    (void)uv_poll_stop(&c->poll);
    uv_close((uv_handle_t *)&c->poll, free_when_closed);
    uv_close((uv_handle_t *)&c->idle, free_when_closed);
}

static void on_idle(uv_timer_t *timer) {
    leave(timer->data);
}

static void on_client(uv_poll_t *poll, int status, int events);

/* Waits for what the client's state wants; a client that computes for long is not idle. */
static void arm(client *c) {
    int events = c->state == WRITING ? UV_WRITABLE : c->state == READING ? UV_READABLE : 0;
    (void)uv_poll_start(&c->poll, events | UV_DISCONNECT, on_client);
    if (c->state == WAITING)
        (void)uv_timer_stop(&c->idle);
    else
        (void)uv_timer_start(&c->idle, on_idle, IDLE_MS, 0);
}

/* Queues a line and sends what can be sent. */
static void send_line(client *c, const char *line, size_t size) {
    bool done;
    if (pix_channel_put(&c->channel, line, size) || pix_channel_flush(&c->channel, &done, NULL)) {
        leave(c);
        return;
    }
    c->state = done ? READING : WRITING;
    arm(c);
}

static void send_error(client *c, const pix_error *problem) {
    char *line = NULL;
    size_t size;
    FILE *out = open_memstream(&line, &size);
    if (out)
        pix_answer_error(out, problem);
    if (!out || fclose(out))
        leave(c);
    else
        send_line(c, line, size);
    free(line);
}

static void send_done(client *c) {
    static const char line[] = "{\"ok\":true}\n";
    send_line(c, line, sizeof line - 1);
}

static void send_status(client *c) {
    char *line = NULL;
    size_t size;
    FILE *out = open_memstream(&line, &size);
    if (!out) {
        leave(c);
        return;
    }
    (void)fprintf(out, "{\"ok\":true,\"version\":\"" PIX_VERSION "\",\"pid\":%d,\"clients\":%zu",
                  (int)getpid(), c->control->count);
    c->control->settings.status(c->control->settings.context, out);
    (void)fputs("}\n", out);
    if (fclose(out))
        leave(c);
    else
        send_line(c, line, size);
    free(line);
}

static void begin_request(client *c, const pix_request *request) {
    pix_scan_request *scan = calloc(1, sizeof *scan);
    bool failed = !scan;
    for (size_t i = 0; i < request->folder_count && !failed; i++)
        failed = pix_paths_add(&scan->folders, request->folders[i]) != PIX_OK;
    if (failed) {
        pix_scan_request_free(scan);
        leave(c);
        return;
    }
    scan->call = request->call;
    scan->waiter = c->id;
    c->waiting_long = true;
    c->state = WAITING;
    arm(c);
    c->control->settings.request(c->control->settings.context, scan);
}

static void begin_answer(client *c, pix_answer_job *job) {
    job->asker = c->id;
    job->fd = c->channel.passed;
    c->channel.passed = -1;
    c->state = WAITING;
    arm(c);
    pix_answers_submit(c->control->settings.answers, job);
}

/* Does what a line asks for. */
static void obey(client *c, const char *line, size_t size) {
    const pix_control_settings *settings = &c->control->settings;
    pix_error error;
    pix_answer_job *job = pix_answer_job_new();
    if (!job) {
        leave(c);
        return;
    }
    if (pix_request_parse(line, size, &job->request, &error)) {
        send_error(c, &error);
        pix_answer_job_free(job);
        return;
    }
    switch (job->request.call) {
    case PIX_CALL_HELLO:
    case PIX_CALL_TOKENIZE:
    case PIX_CALL_ENCODE_TEXT:
    case PIX_CALL_ENCODE_IMAGE:
    case PIX_CALL_SELECT:
    case PIX_CALL_SEARCH:
        begin_answer(c, job);
        return;
    case PIX_CALL_STATUS:
        send_status(c);
        break;
    case PIX_CALL_PAUSE:
    case PIX_CALL_RESUME:
        settings->pause(settings->context, job->request.call == PIX_CALL_PAUSE);
        send_done(c);
        break;
    case PIX_CALL_RESCAN:
    case PIX_CALL_FORGET:
    case PIX_CALL_MOVE:
    case PIX_CALL_APPROVE:
    case PIX_CALL_RETRY:
        begin_request(c, &job->request);
        break;
    }
    pix_answer_job_free(job);
}

/* Lines that are there already, one at a time. */
static void obey_all(client *c) {
    const char *line;
    size_t size;
    while (!c->closing && c->state == READING && pix_channel_line(&c->channel, &line, &size))
        obey(c, line, size);
}

/* Whether the other end is closed, and not only for what comes from there. */
static bool has_gone(const client *c) {
    struct pollfd end = {.fd = c->channel.fd};
    return poll(&end, 1, 0) == 1 && end.revents & (POLLHUP | POLLERR);
}

static void on_client(uv_poll_t *poll, int status, int events) {
    client *c = poll->data;
    pix_error error;
    bool done;
    (void)events;
    if (status < 0) {
        leave(c);
    } else if (c->state == WAITING) {
        if (has_gone(c))
            leave(c);
        else
            (void)uv_poll_stop(poll); /* it has said all it wanted, and still listens */
    } else if (c->state == WRITING) {
        if (pix_channel_flush(&c->channel, &done, &error)) {
            leave(c);
        } else if (done) {
            c->state = READING;
            arm(c);
            obey_all(c);
        }
    } else if (c->state == READING) {
        pix_status read = pix_channel_fill(&c->channel, &error);
        if (read == PIX_ELIMIT)
            send_error(c, &error);
        if (read)
            leave(c);
        else
            obey_all(c);
    }
}

/* Only the same person: the folder's permissions say so already, and so does this. */
static bool is_owner(int fd) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

static void welcome(pix_control *control, int fd) {
    client *c = calloc(1, sizeof *c);
    if (!c || uv_poll_init(control->settings.loop, &c->poll, fd)) {
        close(fd);
        free(c);
        return;
    }
    (void)uv_timer_init(control->settings.loop, &c->idle);
    c->control = control;
    c->poll.data = c->idle.data = c;
    c->open_handles = 2;
    c->id = ++control->next_id;
    pix_channel_init(&c->channel, fd);
    c->next = control->clients;
    control->clients = c;
    control->count++;
    arm(c);
}

static void on_listener(uv_poll_t *poll, int status, int events);

static void on_room(uv_timer_t *timer) {
    pix_control *control = timer->data;
    (void)uv_poll_start(&control->poll, UV_READABLE, on_listener);
}

/* A listener that is not heard is ready again at once: what does not end at once must be left. */
static void rest(pix_control *control) {
    (void)uv_poll_stop(&control->poll);
    (void)uv_timer_start(&control->full, on_room, FULL_MS, 0);
}

static void on_listener(uv_poll_t *poll, int status, int events) {
    static const char full[] = "{\"ok\":false,\"code\":-9,\"error\":\"too many clients\"}\n";
    pix_control *control = poll->data;
    (void)status;
    (void)events;
    int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
        rest(control);
    if (fd < 0)
        return;
    if (is_owner(fd) && control->count < CLIENTS_LIMIT) {
        welcome(control, fd);
        return;
    }
    if (control->count >= CLIENTS_LIMIT)
        (void)send(fd, full, sizeof full - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

pix_status pix_control_start(const pix_control_settings *settings, const char *path, int listener,
                             int lock, pix_control **out, pix_error *error) {
    *out = NULL;
    pix_control *control = calloc(1, sizeof *control);
    char *copy = strdup(path);
    if (!control || !copy || uv_poll_init(settings->loop, &control->poll, listener)) {
        free(control);
        free(copy);
        close(listener);
        close(lock);
        return pix_fail_memory(error);
    }
    control->settings = *settings;
    control->path = copy;
    control->listener = listener;
    control->lock = lock;
    (void)uv_timer_init(settings->loop, &control->full);
    control->poll.data = control->full.data = control;
    (void)uv_poll_start(&control->poll, UV_READABLE, on_listener);
    *out = control;
    return PIX_OK;
}

static client *find_client(const pix_control *control, int64_t id) {
    client *c = control->clients;
    while (c && c->id != id)
        c = c->next;
    return c;
}

/* One who has not read the last of these gets no other, so that nothing piles up. */
static void send_progress(client *c, const char *line, size_t size) {
    bool done;
    if (pix_channel_flush(&c->channel, &done, NULL) ||
        (done &&
         (pix_channel_put(&c->channel, line, size) || pix_channel_flush(&c->channel, &done, NULL))))
        leave(c);
}

/* The end of a call: its last line, then what the client has said meanwhile. */
static void finish(client *c, const char *line, size_t size) {
    c->waiting_long = false;
    send_line(c, line, size);
    if (!c->closing)
        obey_all(c);
}

void pix_control_deliver(pix_control *control) {
    pix_answer_job *job;
    while ((job = pix_answers_collect(control->settings.answers))) {
        client *c = find_client(control, job->asker);
        if (c && job->line)
            finish(c, job->line, job->size);
        else if (c)
            leave(c);
        pix_answer_job_free(job);
    }
}

void pix_control_deliver_scan(pix_control *control, pix_scan_request *request) {
    client *c = find_client(control, request->waiter);
    if (c && request->answer)
        finish(c, request->answer, strlen(request->answer));
    else if (c)
        leave(c);
    pix_scan_request_free(request);
}

void pix_control_tell_progress(pix_control *control, const pix_run_counts *counts) {
    char line[160];
    int size = snprintf(line, sizeof line,
                        "{\"ok\":true,\"seen\":%" PRId64 ",\"encoded\":%" PRId64
                        ",\"failed\":%" PRId64 "}\n",
                        counts->seen, counts->encoded, counts->failed);
    for (client *c = control->clients, *next; c; c = next) {
        next = c->next;
        if (c->waiting_long)
            send_progress(c, line, (size_t)size);
    }
}

void pix_control_stop(pix_control *control) {
    if (!control)
        return;
    while (control->clients)
        leave(control->clients);
    (void)unlink(control->path);
    (void)uv_poll_stop(&control->poll);
    uv_close((uv_handle_t *)&control->poll, NULL);
    uv_close((uv_handle_t *)&control->full, NULL);
}

void pix_control_free(pix_control *control) {
    if (!control)
        return;
    close(control->listener);
    close(control->lock);
    free(control->path);
    free(control);
}
