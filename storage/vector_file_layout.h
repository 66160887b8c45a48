/* vector_file_layout.h - what reading and writing a .pixv file share.
 *
 * Private to vector_file.c and vector_file_write.c. */
#ifndef PIX_STORAGE_VECTOR_FILE_LAYOUT_H
#define PIX_STORAGE_VECTOR_FILE_LAYOUT_H

#include <assert.h>

#include "storage/scan_kernels.h"
#include "storage/vector_file.h"

static const char pix_pixv_magic[8] = {'p', 'i', 'x', 'v', 'e', 'c', 't', 's'};

static_assert(sizeof(pix_pixv_head) == 144, "the head has no padding");
static_assert(sizeof(pix_pixv_state) == 152, "a state has no padding");

void pix_pixv_head_check(const pix_pixv_head *head, const double *axes,
                         uint8_t check[PIX_SHA256_BYTES]);
void pix_pixv_state_check(const pix_pixv_state *state, uint8_t check[PIX_SHA256_BYTES]);

/* Reads all of it; PIX_EFORMAT when the file ends before. */
pix_status pix_vector_file_read(const pix_vector_file *file, off_t at, void *data, size_t size,
                                pix_error *error);

/* An open file that nothing was loaded of. */
pix_status pix_vector_file_begin(const char *path, int flags, pix_vector_file **out,
                                 pix_error *error);

/* What follows from a head. */
pix_status pix_vector_file_shape(pix_vector_file *file, const pix_pixv_head *head,
                                 const double *axes, pix_error *error);

/* Makes a file whose state is loaded ready for writing. */
pix_status pix_vector_file_prepare(pix_vector_file *file, pix_error *error);

static inline size_t pix_pixv_pages(size_t bytes) {
    return (bytes + PIX_PIXV_PAGE - 1) / PIX_PIXV_PAGE * PIX_PIXV_PAGE;
}

#endif
