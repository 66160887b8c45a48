#include "core/image/tiff.h"

enum {
    PHOTOMETRIC_CFA = 32803,    /* a sensor's colour filter array */
    PHOTOMETRIC_LINEAR = 34892, /* the same, interpolated */
    TYPE_SHORT = 3,
    DIRECTORIES = 32 /* looked at, at most */
};

pix_tiff pix_tiff_view(const uint8_t *data, size_t size) {
    return (pix_tiff){data, size, size > 0 && data[0] == 'M'};
}

/* 0 beyond the end of the file. */
static uint32_t number(const pix_tiff *t, size_t offset, size_t bytes) {
    uint32_t value = 0;
    if (offset > t->size || t->size - offset < bytes)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint32_t)t->data[offset + i] << 8 * (t->big_endian ? bytes - 1 - i : i);
    return value;
}

typedef struct entry {
    uint32_t tag, count;
    uint32_t value;  /* the number itself when it is the only one */
    uint32_t offset; /* where several are */
    bool is_short;
} entry;

static uint32_t entries(const pix_tiff *t, size_t directory) {
    uint32_t count = number(t, directory, 2);
    size_t room = directory + 2 <= t->size ? (t->size - directory - 2) / 12 : 0;
    return count < room ? count : (uint32_t)room;
}

static entry read_entry(const pix_tiff *t, size_t directory, uint32_t index) {
    size_t at = directory + 2 + 12 * (size_t)index;
    bool is_short = number(t, at + 2, 2) == TYPE_SHORT;
    return (entry){.tag = number(t, at, 2),
                   .count = number(t, at + 4, 4),
                   .value = number(t, at + 8, is_short ? 2 : 4),
                   .offset = number(t, at + 8, 4),
                   .is_short = is_short};
}

uint32_t pix_tiff_value(const pix_tiff *t, uint32_t tag, uint32_t otherwise) {
    size_t directory = number(t, 4, 4);
    for (uint32_t i = 0; i < entries(t, directory); i++) {
        entry e = read_entry(t, directory, i);
        if (e.tag == tag)
            return e.is_short && e.count > 2 ? number(t, e.offset, 2) : e.value;
    }
    return otherwise;
}

/* Schemes that only cameras write: Sony, Samsung, Nikon, Pentax. */
static bool camera_compression(uint32_t scheme) {
    return scheme == 32767 || scheme == 32770 || scheme == 34713 || scheme == 65535;
}

static bool says_raw(const entry *e) {
    return e->tag == PIX_TIFF_DNG_VERSION ||
           (e->tag == PIX_TIFF_COMPRESSION && camera_compression(e->value)) ||
           (e->tag == PIX_TIFF_PHOTOMETRIC &&
            (e->value == PHOTOMETRIC_CFA || e->value == PHOTOMETRIC_LINEAR));
}

bool pix_tiff_is_raw(const pix_tiff *t) {
    uint32_t queue[DIRECTORIES] = {number(t, 4, 4)};
    size_t count = 1;
    for (size_t next = 0; next < count; next++) {
        size_t at = queue[next];
        uint32_t length = at ? entries(t, at) : 0;
        for (uint32_t i = 0; i < length; i++) {
            entry e = read_entry(t, at, i);
            if (says_raw(&e))
                return true;
            for (uint32_t j = 0; e.tag == PIX_TIFF_SUBIFDS && j < e.count && count < DIRECTORIES;
                 j++)
                queue[count++] =
                    e.count == 1 ? e.value : number(t, (size_t)e.offset + 4 * (size_t)j, 4);
        }
        if (length > 0 && count < DIRECTORIES)
            queue[count++] = number(t, at + 2 + 12 * (size_t)length, 4);
    }
    return false;
}
