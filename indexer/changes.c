#include "indexer/changes.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static const int64_t QUIET_NS = 500000000, LONGEST_NS = 5000000000;
enum { PATHS_LIMIT = 50000 };

typedef struct item {
    int64_t not_before_ns; /* 0: since it changed */
    bool settled;
    char path[];
} item;

struct pix_changes {
    void *tree; /* of items by path, tsearch(3) */
    size_t count;
    bool all;
    pix_paths renames;
    int64_t first_ns, last_ns; /* of what is not put off; -1: there is nothing */
    int64_t put_off_ns;        /* the earliest of what is; -1: nothing */
};

/* By bytes, a slash being the lowest: what is in a folder comes right after it. */
static int compare(const void *a, const void *b) {
    const unsigned char *x = (const unsigned char *)((const item *)a)->path;
    const unsigned char *y = (const unsigned char *)((const item *)b)->path;
    while (*x && *x == *y) {
        x++;
        y++;
    }
    int left = *x == '/' ? 1 : *x ? *x + 1 : 0;
    int right = *y == '/' ? 1 : *y ? *y + 1 : 0;
    return left - right;
}

pix_changes *pix_changes_new(void) {
    pix_changes *changes = calloc(1, sizeof *changes);
    if (changes)
        changes->first_ns = changes->last_ns = changes->put_off_ns = -1;
    return changes;
}

static void forget_paths(pix_changes *changes) {
    tdestroy(changes->tree, free);
    changes->tree = NULL;
    changes->count = 0;
    changes->put_off_ns = -1;
}

void pix_changes_free(pix_changes *changes) {
    if (!changes)
        return;
    forget_paths(changes);
    pix_paths_free(&changes->renames);
    free(changes);
}

static void note_time(pix_changes *changes, int64_t now_ns) {
    if (changes->first_ns < 0)
        changes->first_ns = now_ns;
    changes->last_ns = now_ns;
}

void pix_changes_add_all(pix_changes *changes, int64_t now_ns) {
    note_time(changes, now_ns);
    forget_paths(changes);
    changes->all = true;
}

/* The path's item, made when there is none; NULL when there is no room for it. */
static item *find(pix_changes *changes, const char *path, bool *made) {
    *made = false;
    size_t size = strlen(path) + 1;
    item *new = calloc(1, sizeof *new + size);
    if (!new)
        return NULL;
    memcpy(new->path, path, size);
    item **found = tsearch(new, &changes->tree, compare);
    if (!found || *found != new) {
        free(new);
        return found ? *found : NULL;
    }
    *made = true;
    if (++changes->count <= PATHS_LIMIT)
        return new;
    return NULL;
}

void pix_changes_add(pix_changes *changes, const char *path, pix_change change, int64_t now_ns) {
    bool made;
    if (changes->all)
        return;
    item *at = find(changes, path, &made);
    if (!at) {
        pix_changes_add_all(changes, now_ns);
        return;
    }
    note_time(changes, now_ns);
    at->not_before_ns = 0;
    if (change != PIX_CHANGE_OTHER)
        at->settled = change == PIX_CHANGE_SETTLED;
}

void pix_changes_put_off(pix_changes *changes, const char *path, int64_t until_ns) {
    bool made;
    if (changes->all)
        return;
    item *at = find(changes, path, &made);
    if (!at) {
        pix_changes_add_all(changes, until_ns);
        return;
    }
    if (!made) /* it changed again, or has been put off */
        return;
    at->not_before_ns = until_ns;
    if (changes->put_off_ns < 0 || until_ns < changes->put_off_ns)
        changes->put_off_ns = until_ns;
}

void pix_changes_rename(pix_changes *changes, const char *from, const char *to, int64_t now_ns) {
    pix_changes_add(changes, from, PIX_CHANGE_SETTLED, now_ns);
    pix_changes_add(changes, to, PIX_CHANGE_SETTLED, now_ns);
    if (changes->renames.count > PATHS_LIMIT || pix_paths_add(&changes->renames, from))
        return;
    if (pix_paths_add(&changes->renames, to))
        free(changes->renames.items[--changes->renames.count]);
}

int64_t pix_changes_due(const pix_changes *changes) {
    int64_t due = changes->put_off_ns;
    if (changes->first_ns < 0)
        return due;
    int64_t quiet = changes->last_ns + QUIET_NS, longest = changes->first_ns + LONGEST_NS;
    int64_t fresh = quiet < longest ? quiet : longest;
    return due < 0 || fresh < due ? fresh : due;
}

typedef struct taking {
    pix_changes *changes;
    pix_change_batch *batch;
    int64_t now_ns;
    item **taken; /* room for all */
    size_t count;
    int64_t put_off_ns;
} taking;

static void take_item(const void *node, VISIT visit, void *context) {
    taking *t = context;
    if (visit != postorder && visit != leaf)
        return;
    item *at = *(item *const *)node;
    if (at->not_before_ns <= t->now_ns)
        t->taken[t->count++] = at;
    else if (t->put_off_ns < 0 || at->not_before_ns < t->put_off_ns)
        t->put_off_ns = at->not_before_ns;
}

static pix_status add_taken(const taking *t) {
    const char *above = NULL;
    for (size_t i = 0; i < t->count; i++) {
        const item *at = t->taken[i];
        if (at->settled && pix_paths_add(&t->batch->settled, at->path))
            return PIX_ENOMEM;
        if (above && pix_path_is_within(at->path, above))
            continue;
        above = at->path;
        if (pix_paths_add(&t->batch->paths, at->path))
            return PIX_ENOMEM;
    }
    pix_paths_sort(&t->batch->paths);
    pix_paths_sort(&t->batch->settled);
    return PIX_OK;
}

static pix_status take_paths(pix_changes *changes, int64_t now_ns, pix_change_batch *batch) {
    taking t = {.changes = changes, .batch = batch, .now_ns = now_ns, .put_off_ns = -1};
    t.taken = calloc(changes->count + 1, sizeof(item *));
    if (!t.taken)
        return PIX_ENOMEM;
    twalk_r(changes->tree, take_item, &t);
    pix_status status = add_taken(&t);
    for (size_t i = 0; i < t.count && !status; i++) {
        (void)tdelete(t.taken[i], &changes->tree, compare);
        free(t.taken[i]);
        changes->count--;
    }
    free(t.taken);
    if (!status)
        changes->put_off_ns = t.put_off_ns;
    return status;
}

void pix_changes_take(pix_changes *changes, int64_t now_ns, pix_change_batch *batch) {
    batch->all = changes->all;
    if (!batch->all && take_paths(changes, now_ns, batch)) {
        forget_paths(changes);
        batch->all = true;
    }
    batch->renames = changes->renames;
    changes->renames = (pix_paths){0};
    changes->all = false;
    changes->first_ns = changes->last_ns = -1;
}

void pix_change_batch_free(pix_change_batch *batch) {
    pix_paths_free(&batch->paths);
    pix_paths_free(&batch->settled);
    pix_paths_free(&batch->renames);
    *batch = (pix_change_batch){0};
}
