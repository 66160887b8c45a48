#include "indexer/watches.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "indexer/walk.h"

static const uint32_t EVENTS = IN_CREATE | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM |
                               IN_MOVED_TO | IN_DELETE | IN_ONLYDIR | IN_EXCL_UNLINK;

typedef struct watch {
    int descriptor;
    char *path;
} watch;

struct pix_watches {
    int fd;
    pthread_mutex_t lock; /* of what follows */
    void *tree;           /* of watches by descriptor, tsearch(3) */
    size_t count, refused;
    /* The reader's own: where something was moved away from, until it is known where to. */
    uint32_t cookie; /* 0: nothing */
    bool moved_folder;
    char *moved_from;
    pix_bytes path; /* of the event at hand */
};

static int compare(const void *a, const void *b) {
    int x = ((const watch *)a)->descriptor, y = ((const watch *)b)->descriptor;
    return (x > y) - (x < y);
}

static void free_watch(void *context) {
    watch *w = context;
    free(w->path);
    free(w);
}

pix_status pix_watches_open(pix_watches **out, pix_error *error) {
    *out = NULL;
    pix_watches *watches = calloc(1, sizeof *watches);
    if (!watches)
        return pix_fail_memory(error);
    pthread_mutex_init(&watches->lock, NULL);
    watches->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watches->fd < 0) {
        pix_status status = pix_fail_errno(error, "cannot watch folders");
        pix_watches_close(watches);
        return status;
    }
    *out = watches;
    return PIX_OK;
}

void pix_watches_close(pix_watches *watches) {
    if (!watches)
        return;
    if (watches->fd >= 0)
        close(watches->fd);
    tdestroy(watches->tree, free_watch);
    pthread_mutex_destroy(&watches->lock);
    pix_bytes_free(&watches->path);
    free(watches->moved_from);
    free(watches);
}

int pix_watches_fd(const pix_watches *watches) {
    return watches->fd;
}

/* Notes the path of a descriptor, a new one or one whose folder has got another name. */
static void remember(pix_watches *watches, int descriptor, const char *folder) {
    watch *new = calloc(1, sizeof *new);
    char *path = strdup(folder);
    watch **found = NULL;
    if (new &&path) {
        new->descriptor = descriptor;
        found = tsearch(new, &watches->tree, compare);
    }
    if (!found) {
        watches->refused++;
        (void)inotify_rm_watch(watches->fd, descriptor);
        free(new);
        free(path);
        return;
    }
    if (*found == new)
        watches->count++;
    else
        free(new);
    free((*found)->path);
    (*found)->path = path;
}

void pix_watches_add(pix_watches *watches, const char *folder) {
    /* What is told of the folder is read only when its path is known. */
    pthread_mutex_lock(&watches->lock);
    int descriptor = inotify_add_watch(watches->fd, folder, EVENTS);
    if (descriptor >= 0)
        remember(watches, descriptor, folder);
    else if (errno == ENOSPC || errno == ENOMEM)
        watches->refused++;
    pthread_mutex_unlock(&watches->lock);
}

size_t pix_watches_count(pix_watches *watches, size_t *refused) {
    pthread_mutex_lock(&watches->lock);
    size_t count = watches->count;
    *refused = watches->refused;
    pthread_mutex_unlock(&watches->lock);
    return count;
}

static void forget(pix_watches *watches, int descriptor) {
    watch key = {.descriptor = descriptor};
    watch **found = tfind(&key, &watches->tree, compare);
    if (!found)
        return;
    watch *gone = *found;
    (void)tdelete(&key, &watches->tree, compare);
    free_watch(gone);
    watches->count--;
}

/* A folder and what is below it got another name, or (`to` NULL) left what is watched. */
typedef struct moving {
    const char *from, *to;
    int *gone; /* descriptors */
    size_t count, capacity;
} moving;

static void move_one(const void *node, VISIT visit, void *context) {
    moving *m = context;
    watch *w = *(watch *const *)node;
    if ((visit != postorder && visit != leaf) || !pix_path_is_within(w->path, m->from))
        return;
    pix_bytes path = {0};
    if (m->to && !pix_bytes_append_text(&path, m->to) &&
        !pix_bytes_append_text(&path, w->path + strlen(m->from))) {
        free(w->path);
        w->path = path.data;
        return;
    }
    pix_bytes_free(&path);
    int *gone = pix_array_reserve(m->gone, &m->capacity, m->count, 1, sizeof *gone);
    if (gone) {
        m->gone = gone;
        m->gone[m->count++] = w->descriptor;
    }
}

static void move_below(pix_watches *watches, const char *from, const char *to) {
    moving m = {.from = from, .to = to};
    twalk_r(watches->tree, move_one, &m);
    for (size_t i = 0; i < m.count; i++) {
        (void)inotify_rm_watch(watches->fd, m.gone[i]);
        forget(watches, m.gone[i]);
    }
    free(m.gone);
}

/* Nothing came of the last IN_MOVED_FROM: what left took its watches along. */
static void end_move(pix_watches *watches) {
    if (watches->cookie != 0 && watches->moved_folder && watches->moved_from)
        move_below(watches, watches->moved_from, NULL);
    watches->cookie = 0;
    free(watches->moved_from);
    watches->moved_from = NULL;
}

static void begin_move(pix_watches *watches, const struct inotify_event *event, const char *path) {
    end_move(watches);
    watches->cookie = event->cookie;
    watches->moved_folder = (event->mask & IN_ISDIR) != 0;
    watches->moved_from = strdup(path);
}

/* A move whose other half came before; false when it did not. */
static bool complete_move(pix_watches *watches, const struct inotify_event *event, const char *path,
                          pix_changes *changes, int64_t now_ns) {
    if (event->cookie == 0 || event->cookie != watches->cookie || !watches->moved_from) {
        end_move(watches);
        return false;
    }
    pix_changes_rename(changes, watches->moved_from, path, now_ns);
    if (watches->moved_folder)
        move_below(watches, watches->moved_from, path);
    watches->cookie = 0;
    return true;
}

static void note_file(pix_watches *watches, const struct inotify_event *event, const char *path,
                      pix_changes *changes, int64_t now_ns) {
    pix_change change = event->mask & IN_CREATE   ? PIX_CHANGE_BEGUN
                        : event->mask & IN_ATTRIB ? PIX_CHANGE_OTHER
                                                  : PIX_CHANGE_SETTLED;
    if (event->mask & IN_MOVED_FROM)
        begin_move(watches, event, path);
    else if (event->mask & IN_MOVED_TO && complete_move(watches, event, path, changes, now_ns))
        return;
    pix_changes_add(changes, path, change, now_ns);
}

/* One that is neither a photo nor a folder matters only when it was a photo, or hides a folder. */
static bool matters(const pix_watches *watches, const struct inotify_event *event) {
    return event->mask & IN_ISDIR || pix_walk_is_photo_name(event->name) ||
           (event->mask & IN_MOVED_TO && event->cookie == watches->cookie && watches->moved_from);
}

static pix_status note(pix_watches *watches, const struct inotify_event *event,
                       pix_changes *changes, int64_t now_ns) {
    watch key = {.descriptor = event->wd};
    watch *const *found = tfind(&key, &watches->tree, compare);
    if (!found)
        return PIX_OK;
    if (event->mask & IN_IGNORED) {
        forget(watches, event->wd);
        return PIX_OK;
    }
    const char *folder = (*found)->path;
    bool named = event->len > 0;
    if (!named || strcmp(event->name, ".nomedia") == 0) {
        if (!(event->mask & IN_UNMOUNT)) /* a drive that goes takes no photo out of the index */
            pix_changes_add(changes, folder, PIX_CHANGE_OTHER, now_ns);
        return PIX_OK;
    }
    if (!matters(watches, event))
        return PIX_OK;
    pix_bytes *path = &watches->path;
    pix_bytes_clear(path);
    if (pix_bytes_append_text(path, folder) || (folder[1] && pix_bytes_append(path, "/", 1)) ||
        pix_bytes_append_text(path, event->name))
        return PIX_ENOMEM;
    note_file(watches, event, path->data, changes, now_ns);
    return PIX_OK;
}

static void note_all(pix_watches *watches, const char *events, size_t size, pix_changes *changes,
                     int64_t now_ns, bool *lost) {
    for (const char *at = events; at < events + size;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
        at += sizeof *event + event->len;
        if (event->mask & IN_Q_OVERFLOW || note(watches, event, changes, now_ns)) {
            *lost = true;
            pix_changes_add_all(changes, now_ns);
        }
    }
}

pix_status pix_watches_read(pix_watches *watches, pix_changes *changes, int64_t now_ns, bool *lost,
                            pix_error *error) {
    *lost = false;
    for (;;) {
        _Alignas(struct inotify_event) char events[64 * (sizeof(struct inotify_event) + NAME_MAX)];
        ssize_t size = read(watches->fd, events, sizeof events);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno != EAGAIN)
            return pix_fail_errno(error, "cannot read what the kernel tells of folders");
        if (size <= 0)
            return PIX_OK;
        pthread_mutex_lock(&watches->lock);
        note_all(watches, events, (size_t)size, changes, now_ns, lost);
        pthread_mutex_unlock(&watches->lock);
    }
}
