#include "core/clip/precision.h"

#include <string.h>

static const char *const names[] = {[PIX_FP32] = "fp32", [PIX_INT8] = "int8"};

const char *pix_precision_name(pix_precision precision) {
    return names[precision];
}

bool pix_precision_parse(const char *name, pix_precision *out) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (pix_precision)i;
            return true;
        }
    return false;
}

pix_precision pix_precision_or(const char *name, pix_precision otherwise) {
    pix_precision precision = otherwise;
    if (name)
        (void)pix_precision_parse(name, &precision);
    return precision;
}
