#include "core/tensor/isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tensor/kernels.h"

/* The faster of two comes later; NULL ends it. */
static const pix_kernels *const all[] = {
    &pix_kernels_portable,
#if defined(__x86_64__)
    &pix_kernels_avx2,
    &pix_kernels_avxvnni,
    &pix_kernels_avx512,
    &pix_kernels_avx512vnni,
#elif defined(__aarch64__)
    &pix_kernels_neon,
    &pix_kernels_dotprod,
    &pix_kernels_i8mm,
#endif
    NULL,
};

const pix_kernels *pix_kernels_at(size_t index) {
    for (const pix_kernels *const *each = all; *each; each++)
        if ((*each)->supported() && index-- == 0)
            return *each;
    return NULL;
}

const char *pix_kernels_name(const pix_kernels *kernels) {
    return kernels->name;
}

static pix_status unknown(const char *name, pix_error *error) {
    char list[200] = "";
    size_t used = 0;
    const pix_kernels *kernels;
    for (size_t i = 0; (kernels = pix_kernels_at(i)) && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "",
                                 kernels->name);
    return pix_fail(error, PIX_EUNSUPPORTED,
                    "this CPU has no instructions called \"%s\"; it can run %s", name, list);
}

pix_status pix_kernels_choose(const char *name, const pix_kernels **out, pix_error *error) {
    *out = NULL;
    const pix_kernels *kernels, *found = NULL;
    for (size_t i = 0; (kernels = pix_kernels_at(i)); i++)
        if (!name || !*name || strcmp(name, kernels->name) == 0)
            found = kernels;
    if (!found)
        return unknown(name, error);
    *out = found;
    return PIX_OK;
}

pix_status pix_kernels_wanted(const pix_kernels **out, pix_error *error) {
    pix_error why;
    pix_status status = pix_kernels_choose(getenv(PIX_ISA_VARIABLE), out, &why);
    return status ? pix_fail(error, status, PIX_ISA_VARIABLE ": %s", why.text) : PIX_OK;
}
