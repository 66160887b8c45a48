#include "core/base/mapping.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/bytes.h"

/* The mappings that the handler knows; one that finds no place is as without a guard.  A place is
 * free while its start is 0 and being filled while it is 1: the handler runs in a thread that
 * touches a mapping, so that one's place is complete. */
enum { PLACES = 64 };
static struct place {
    _Atomic(uintptr_t) start;
    size_t size;
    bool checked;
    pix_bytes line; /* what is to be said when it is lost */
} places[PLACES];

static void (*end_program)(const char *line);
static atomic_ullong losses;
static atomic_bool ending;

static const char lost[] = ": became shorter, or cannot be read, while it was in use\n";

static void remember(const pix_mapping *mapping, const char *path, bool checked) {
    for (struct place *p = places; p < places + PLACES; p++) {
        uintptr_t nobody = 0;
        if (!atomic_compare_exchange_strong(&p->start, &nobody, 1))
            continue;
        p->size = mapping->size;
        p->checked = checked;
        if (pix_bytes_append_escaped(&p->line, path, strlen(path)) ||
            pix_bytes_append_text(&p->line, lost))
            pix_bytes_free(&p->line);
        atomic_store(&p->start, (uintptr_t)mapping->data);
        return;
    }
}

static void forget(const pix_mapping *mapping) {
    for (struct place *p = places; p < places + PLACES; p++) {
        if (atomic_load(&p->start) != (uintptr_t)mapping->data)
            continue;
        pix_bytes_free(&p->line);
        atomic_store(&p->start, 0);
        return;
    }
}

pix_status pix_mapping_make(pix_mapping *mapping, int fd, size_t size, const char *path,
                            bool checked, pix_error *error) {
    *mapping = (pix_mapping){0};
    if (size == 0)
        return PIX_OK;
    void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        return pix_fail_errno(error, "%s: cannot map", path);
    *mapping = (pix_mapping){.data = data, .size = size};
    remember(mapping, path, checked);
    return PIX_OK;
}

void pix_mapping_close(pix_mapping *mapping) {
    if (mapping->data) {
        forget(mapping);
        (void)munmap((void *)mapping->data, mapping->size);
    }
    *mapping = (pix_mapping){0};
}

static const struct place *find(uintptr_t at) {
    for (const struct place *p = places; p < places + PLACES; p++) {
        uintptr_t start = atomic_load(&p->start);
        if (start > 1 && at >= start && at - start < p->size)
            return p;
    }
    return NULL;
}

static bool put_zeros(uintptr_t at) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *place = (void *)(at / page * page); /* NOLINT(performance-no-int-to-ptr) */
    return mmap(place, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
           MAP_FAILED;
}

/* Only what a signal handler may do: mmap is a system call and no more. */
static void on_bus_error(int number, siginfo_t *info, void *context) {
    const int saved = errno;
    const struct place *p = info->si_code > 0 ? find((uintptr_t)info->si_addr) : NULL;
    (void)context;
    if (p && p->checked && put_zeros((uintptr_t)info->si_addr)) {
        atomic_fetch_add(&losses, 1);
        errno = saved;
        return;
    }
    if (p && p->line.data) {
        while (atomic_exchange(&ending, true)) /* another thread says it */
            (void)pause();
        end_program(p->line.data);
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

void pix_mapping_guard(void (*end)(const char *line)) {
    end_program = end;
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGBUS, &action, NULL);
}

uint64_t pix_mapping_losses(void) {
    return atomic_load(&losses);
}
