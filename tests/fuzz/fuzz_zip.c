/* Any bytes as a zip archive: no member lies outside it or on another, and every one expands to
 * what it says or not at all. */
#include "core/weights/zip.h"
#include "tests/fuzz/fuzz.h"

enum { LARGEST = 1 << 20 };

static void check_member(const pix_zip *zip, const pix_zip_member *member, const uint8_t *data,
                         size_t size) {
    demand(pix_zip_find(zip, member->name) == member);
    demand(member->data >= data && member->stored_size <= size &&
           (size_t)(member->data - data) <= size - member->stored_size);
    demand(!member->stored || member->size == member->stored_size);
    const uint8_t *content;
    pix_bytes expanded = {0};
    pix_error error = {0};
    pix_status status = pix_zip_view(member, LARGEST, &expanded, &content, &error);
    volatile unsigned sum = 0;
    if (status)
        demand_reason(status, &error);
    else
        for (size_t at = 0; at < member->size; at++)
            sum = sum + content[at];
    demand(expanded.size <= LARGEST);
    pix_bytes_free(&expanded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pix_zip *zip;
    pix_error error = {0};
    pix_status status = pix_zip_open(data, size, &zip, &error);
    if (status) {
        demand(!zip);
        demand_reason(status, &error);
        return 0;
    }
    size_t total = 0;
    for (size_t i = 0; i < pix_zip_count(zip); i++) {
        check_member(zip, pix_zip_at(zip, i), data, size);
        total += pix_zip_at(zip, i)->stored_size;
    }
    demand(total <= size);
    pix_zip_close(zip);
    return 0;
}
