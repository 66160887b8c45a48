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
                               IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF |
                               IN_ONLYDIR | IN_EXCL_UNLINK;
/* A file that is open is told of when its last name goes. */
static const uint32_t INDEX_EVENTS = IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

typedef struct watch {
    int descriptor;
    unsigned losses; /* before it was last looked at */
    char *path;
} watch;

struct pix_watches {
    int fd;
    pthread_mutex_t lock; /* of what follows */
    void *tree;           /* of watches by descriptor, tsearch(3) */
    size_t count;
    void *refused; /* of their paths */
    size_t refused_count;
    pix_paths roots; /* sorted */
    int index;       /* the descriptor of its file; -1: none */
    int gone;        /* a descriptor that ended before its path was known */
    unsigned losses; /* of events: what a folder is called since is known when it is added again */
    unsigned moves;  /* of folders, that were told */
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

static int compare_paths(const void *a, const void *b) {
    return strcmp(a, b);
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
    watches->index = watches->gone = -1;
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
    tdestroy(watches->refused, free);
    pix_paths_free(&watches->roots);
    pthread_mutex_destroy(&watches->lock);
    pix_bytes_free(&watches->path);
    free(watches->moved_from);
    free(watches);
}

int pix_watches_fd(const pix_watches *watches) {
    return watches->fd;
}

static void refuse(pix_watches *watches, const char *folder) {
    char *path = strdup(folder);
    char **found = path ? tsearch(path, &watches->refused, compare_paths) : NULL;
    if (found && *found == path)
        watches->refused_count++;
    else
        free(path);
}

static void accept_refused(pix_watches *watches, const char *folder) {
    char **found = tfind(folder, &watches->refused, compare_paths);
    if (!found)
        return;
    char *path = *found;
    (void)tdelete(folder, &watches->refused, compare_paths);
    free(path);
    watches->refused_count--;
}

void pix_watches_recount(pix_watches *watches) {
    pthread_mutex_lock(&watches->lock);
    tdestroy(watches->refused, free);
    watches->refused = NULL;
    watches->refused_count = 0;
    pthread_mutex_unlock(&watches->lock);
}

/* Notes the path of a descriptor, a new one or one whose folder has got another name. */
static void remember(pix_watches *watches, int descriptor, const char *folder, unsigned losses) {
    watch *new = calloc(1, sizeof *new);
    char *path = strdup(folder);
    watch **found = NULL;
    if (new &&path) {
        new->descriptor = descriptor;
        found = tsearch(new, &watches->tree, compare);
    }
    if (!found) {
        refuse(watches, folder);
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
    (*found)->losses = losses;
    accept_refused(watches, folder);
}

/* Without the lock while the kernel is asked: that may take for ever.  What is told of the folder
 * before its path is known is dropped, and found by whoever lists it next; when something was moved
 * meanwhile, the folder is asked for again, under a name that it may have no more.  The lock is
 * held at the end. */
static int add_watch(pix_watches *watches, const char *folder, unsigned *losses) {
    int descriptor;
    unsigned moves;
    pthread_mutex_lock(&watches->lock);
    do {
        watches->gone = -1;
        moves = watches->moves;
        *losses = watches->losses;
        pthread_mutex_unlock(&watches->lock);
        descriptor = inotify_add_watch(watches->fd, folder, EVENTS);
        int cause = errno;
        pthread_mutex_lock(&watches->lock);
        errno = cause;
    } while (moves != watches->moves);
    return descriptor;
}

void pix_watches_add(pix_watches *watches, const char *folder) {
    unsigned losses;
    int descriptor = add_watch(watches, folder, &losses);
    if (descriptor >= 0 && descriptor != watches->gone)
        remember(watches, descriptor, folder, losses);
    else if (descriptor < 0 && (errno == ENOSPC || errno == ENOMEM))
        refuse(watches, folder);
    pthread_mutex_unlock(&watches->lock);
}

void pix_watches_add_index(pix_watches *watches, const char *file) {
    int descriptor = inotify_add_watch(watches->fd, file, INDEX_EVENTS);
    pthread_mutex_lock(&watches->lock);
    if (watches->index >= 0 && watches->index != descriptor)
        (void)inotify_rm_watch(watches->fd, watches->index);
    watches->index = descriptor;
    pthread_mutex_unlock(&watches->lock);
}

size_t pix_watches_count(pix_watches *watches, size_t *refused) {
    pthread_mutex_lock(&watches->lock);
    size_t count = watches->count;
    *refused = watches->refused_count;
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

/* Descriptors, gathered from the tree before they are taken out of it. */
typedef struct leaving {
    int *items;
    size_t count, capacity;
} leaving;

static void add_leaving(leaving *gone, int descriptor) {
    int *items = pix_array_reserve(gone->items, &gone->capacity, gone->count, 1, sizeof *items);
    if (!items)
        return;
    gone->items = items;
    items[gone->count++] = descriptor;
}

static void leave(pix_watches *watches, leaving *gone) {
    for (size_t i = 0; i < gone->count; i++) {
        (void)inotify_rm_watch(watches->fd, gone->items[i]);
        forget(watches, gone->items[i]);
    }
    free(gone->items);
}

/* A folder and what is below it got another name, or (`to` NULL) left what is watched. */
typedef struct moving {
    const char *from, *to;
    leaving gone;
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
    add_leaving(&m->gone, w->descriptor);
}

static void move_below(pix_watches *watches, const char *from, const char *to) {
    moving m = {.from = from, .to = to};
    watches->moves++;
    twalk_r(watches->tree, move_one, &m);
    leave(watches, &m.gone);
}

void pix_watches_drop(pix_watches *watches, const char *folder) {
    pthread_mutex_lock(&watches->lock);
    move_below(watches, folder, NULL);
    pthread_mutex_unlock(&watches->lock);
}

typedef struct sorting_out {
    const pix_paths *roots;
    leaving gone;
} sorting_out;

static void sort_out_one(const void *node, VISIT visit, void *context) {
    sorting_out *s = context;
    const watch *w = *(watch *const *)node;
    if (visit != postorder && visit != leaf)
        return;
    bool kept = false;
    for (size_t i = 0; i < s->roots->count && !kept; i++)
        kept = pix_path_is_within(w->path, s->roots->items[i]);
    if (!kept)
        add_leaving(&s->gone, w->descriptor);
}

static bool are_equal(const pix_paths *a, const pix_paths *b) {
    bool equal = a->count == b->count;
    for (size_t i = 0; i < a->count && equal; i++)
        equal = strcmp(a->items[i], b->items[i]) == 0;
    return equal;
}

void pix_watches_keep(pix_watches *watches, const pix_paths *roots) {
    sorting_out s = {.roots = roots};
    pthread_mutex_lock(&watches->lock);
    if (!are_equal(&watches->roots, roots)) {
        twalk_r(watches->tree, sort_out_one, &s);
        leave(watches, &s.gone);
        pix_paths_free(&watches->roots);
        for (size_t i = 0; i < roots->count; i++)
            if (pix_paths_add(&watches->roots, roots->items[i]))
                break; /* of one that is missing here, only its end is not told */
    }
    pthread_mutex_unlock(&watches->lock);
}

static void forget_move(pix_watches *watches) {
    watches->cookie = 0;
    free(watches->moved_from);
    watches->moved_from = NULL;
}

/* Nothing came of the last IN_MOVED_FROM: what left took its watches along. */
static void end_move(pix_watches *watches) {
    if (watches->cookie != 0 && watches->moved_folder && watches->moved_from)
        move_below(watches, watches->moved_from, NULL);
    forget_move(watches);
}

/* Paths may be wrong from now on, until everything is scanned. */
static void lose(pix_watches *watches) {
    watches->losses++;
    forget_move(watches);
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

/* A folder went: its parent's watch tells of it, but a root has none, and when it is moved its
 * watches go along. */
static void note_end(pix_watches *watches, const struct inotify_event *event, const char *folder,
                     pix_watches_news *news) {
    bool root = pix_paths_has(&watches->roots, folder);
    news->root |= root;
    if (event->mask & IN_IGNORED)
        forget(watches, event->wd);
    else if (event->mask & IN_MOVE_SELF && root)
        move_below(watches, folder, NULL);
}

static pix_status note(pix_watches *watches, const struct inotify_event *event,
                       pix_changes *changes, int64_t now_ns, pix_watches_news *news) {
    watch key = {.descriptor = event->wd};
    watch *const *found = tfind(&key, &watches->tree, compare);
    if (event->wd == watches->index) {
        news->index = true;
        if (event->mask & IN_IGNORED)
            watches->index = -1;
        return PIX_OK;
    }
    if (!found) {
        if (event->mask & IN_IGNORED)
            watches->gone = event->wd;
        return PIX_OK;
    }
    if ((*found)->losses != watches->losses && !(event->mask & IN_IGNORED))
        return PIX_OK;
    pix_bytes *path = &watches->path;
    pix_bytes_clear(path);
    const char *folder = (*found)->path;
    if (pix_bytes_append_text(path, folder))
        return PIX_ENOMEM;
    if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) {
        if (event->mask & IN_UNMOUNT) /* back before anyone looks, it would be watched no more */
            pix_changes_add_all(changes, now_ns);
        note_end(watches, event, path->data, news);
        return PIX_OK;
    }
    if (event->len == 0 || strcmp(event->name, ".nomedia") == 0) {
        pix_changes_add(changes, folder, PIX_CHANGE_OTHER, now_ns);
        return PIX_OK;
    }
    if (!matters(watches, event))
        return PIX_OK;
    if ((folder[1] && pix_bytes_append(path, "/", 1)) || pix_bytes_append_text(path, event->name))
        return PIX_ENOMEM;
    note_file(watches, event, path->data, changes, now_ns);
    return PIX_OK;
}

static void note_all(pix_watches *watches, const char *events, size_t size, pix_changes *changes,
                     int64_t now_ns, pix_watches_news *news) {
    for (const char *at = events; at < events + size;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
        at += sizeof *event + event->len;
        if (event->mask & IN_Q_OVERFLOW)
            lose(watches);
        if (event->mask & IN_Q_OVERFLOW || note(watches, event, changes, now_ns, news)) {
            news->lost = true;
            pix_changes_add_all(changes, now_ns);
        }
    }
}

pix_status pix_watches_read(pix_watches *watches, pix_changes *changes, int64_t now_ns,
                            pix_watches_news *news, pix_error *error) {
    *news = (pix_watches_news){0};
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
        note_all(watches, events, (size_t)size, changes, now_ns, news);
        pthread_mutex_unlock(&watches->lock);
    }
}
