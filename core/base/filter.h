/* filter.h - what a filter asks of photos: a plain struct, all of whose memory is borrowed.
 *
 * Zeroed it asks for nothing.  storage/filter.h judges photos by it, core/control/filter.h sends it
 * over a socket. */
#ifndef PIX_BASE_FILTER_H
#define PIX_BASE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PIX_LANDSCAPE = 1, PIX_PORTRAIT = 2, PIX_SQUARE = 4 };

typedef struct pix_filter {
    const char *const *folders; /* at or below any of these; absolute, without a slash at the end */
    size_t folder_count;
    const char *since, *until;  /* since <= taken_at < until, compared as text; NULL: open */
    const char *camera;         /* a part of its name, in upper or lower case */
    const char *const *formats; /* any of these: "jpeg", "png", ... */
    size_t format_count;
    int64_t min_pixels;
    double latitude, longitude, radius_km; /* with has_place: within radius_km of this place, along
                                              the surface of the earth */
    bool has_place;
    unsigned orientations;       /* any of PIX_LANDSCAPE, ..., as the photo is shown; 0: all */
    int32_t min_long, min_short; /* sides in pixels */
} pix_filter;

#endif
