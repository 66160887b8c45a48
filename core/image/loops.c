#include "core/image/loops.h"

#include <string.h>

/* The faster of two comes later. */
static const pix_loops *const all[] = {&pix_loops_portable,
#if defined(__x86_64__)
                                       &pix_loops_avx2, &pix_loops_avx512vnni,
#endif
                                       NULL};

const pix_loops *pix_loops_at(size_t index) {
    for (const pix_loops *const *loops = all; *loops; loops++)
        if ((*loops)->supported() && index-- == 0)
            return *loops;
    return NULL;
}

/* How much of an x86 CPU each name allows; 0 for a name that is none of them. */
static size_t rank(const char *name) {
    static const char *const names[] = {"portable", "avx2", "avxvnni", "avx512", "avx512vnni"};
    size_t count = sizeof names / sizeof *names;
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return 0;
}

const pix_loops *pix_loops_choose(const char *name) {
    const pix_loops *loops, *best = &pix_loops_portable;
    for (size_t i = 0; (loops = pix_loops_at(i)); i++)
        if (!name || !*name || rank(loops->name) <= rank(name))
            best = loops;
    return best;
}
