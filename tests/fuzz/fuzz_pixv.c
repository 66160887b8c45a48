/* A small valid .pixv file, cut or with bytes changed as the input says, its own checks made right
 * again where it wants that: it is refused in words, or it can be searched, gone on with and
 * closed.
 *
 * Byte 0: which checks to make right; byte 1: how much to cut off; then changes, as a place of two
 * bytes, from the start or the end of the file, and a value. */
#include "storage/shortlist.h"
#include "storage/vector_file_layout.h"
#include "tests/fuzz/fuzz.h"
#include "tests/vectors.h"

enum { DIMENSION = 20, VECTORS = 70, MOST_BYTES = 1 << 17 };

static const char fingerprint[] =
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static uint8_t whole[MOST_BYTES];
static size_t whole_size;
static off_t slots_at, slot_bytes;

static void make_whole(void) {
    double axes[3 * DIMENSION] = {0};
    float vector[DIMENSION];
    test_random random = {.state = 1};
    const pix_vector_file_plan plan = {
        .fingerprint = fingerprint, .dimension = DIMENSION, .capacity = 512, .axes = axes};
    pix_vector_file *file;
    char name[] = "/tmp/pixgrep-fuzz-XXXXXX";
    int made = mkstemp(name);
    demand(made >= 0 && !pix_vector_file_create(name, &plan, &file, NULL));
    for (int i = 0; i < VECTORS; i++) {
        test_vector(&random, vector, DIMENSION, 0.5, 5, 0);
        demand(!pix_vector_file_add(file, i + 1, vector, NULL));
    }
    pix_vector_file_bury(file, 3);
    demand(!pix_vector_file_publish(file, NULL));
    slots_at = file->slots_at;
    slot_bytes = file->slot_bytes;
    ssize_t size = pread(file->fd, whole, sizeof whole, 0);
    demand(size > 0 && (size_t)size < sizeof whole);
    whole_size = (size_t)size;
    pix_vector_file_close(file);
    (void)close(made);
    (void)unlink(name);
}

static void make_checks_right(uint8_t *bytes, uint8_t which) {
    pix_pixv_head head;
    memcpy(&head, bytes, sizeof head);
    size_t axes_bytes = 3 * (size_t)head.dimension * sizeof(double);
    if ((which & 1) && axes_bytes <= MOST_BYTES - PIX_PIXV_PAGE) {
        double *axes = malloc(axes_bytes + 1);
        demand(axes != NULL);
        memcpy(axes, bytes + PIX_PIXV_PAGE, axes_bytes);
        pix_pixv_head_check(&head, axes, head.check);
        memcpy(bytes, &head, sizeof head);
        free(axes);
    }
    for (int slot = 0; slot < 2 && (which & 2); slot++) {
        pix_pixv_state state;
        memcpy(&state, bytes + slots_at + slot * slot_bytes, sizeof state);
        pix_pixv_state_check(&state, state.check);
        memcpy(bytes + slots_at + slot * slot_bytes, &state, sizeof state);
    }
    size_t lines = (DIMENSION + 15) / 16 * 4, block = pix_block_bytes(lines);
    uint32_t seed = (uint32_t)(head.file_id ^ head.file_id >> 32);
    for (uint32_t i = 0; i < VECTORS / PIX_BLOCK && (which & 4); i++)
        pix_block_seal(bytes + slots_at + 2 * slot_bytes + i * block, lines, seed + i);
}

static void search(const pix_vector_file *file) {
    const pix_kernels *kernels;
    float vector[DIMENSION];
    test_random random = {.state = 2};
    test_vector(&random, vector, DIMENSION, 0.5, 5, 0);
    pix_frame_query query;
    demand(!pix_kernels_wanted(&kernels, NULL));
    demand(!pix_frame_query_init(&query, &file->frame, vector, &file->state.extent, NULL));
    const pix_shortlist_task task = {.file = file,
                                     .scan = pix_scan_for(kernels),
                                     .queries = &query,
                                     .count = 1,
                                     .wanted = 10,
                                     .limit = VECTORS};
    pix_shortlist list;
    int64_t bytes;
    (void)pix_shortlist_make(&task, &list, &bytes, NULL);
    for (size_t i = 0; i < list.count; i++)
        demand(list.items[i].position < file->state.count);
    pix_shortlist_free(&list);
    pix_frame_query_free(&query);
}

static void go_on(pix_vector_file *file) {
    float vector[DIMENSION];
    int64_t ids[PIX_BLOCK];
    test_random random = {.state = 3};
    test_vector(&random, vector, DIMENSION, 0.5, 5, 0);
    for (size_t i = 0; i < pix_vector_file_blocks(file); i++)
        demand(!pix_vector_file_ids(file, i, ids, NULL));
    if (!pix_vector_file_add(file, 1000, vector, NULL))
        demand(!pix_vector_file_publish(file, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t bytes[MOST_BYTES];
    if (size < 2)
        return 0;
    if (whole_size == 0)
        make_whole();
    memcpy(bytes, whole, whole_size);
    for (size_t i = 2; i + 3 <= size; i += 3) {
        size_t place = (size_t)data[i] | (size_t)data[i + 1] << 8;
        bytes[place % whole_size] = data[i + 2];
    }
    make_checks_right(bytes, data[0]);
    size_t left = whole_size - (size_t)data[1] * whole_size / 256 * (data[1] > 127);
    const char *path = fuzz_file(bytes, left);
    pix_vector_file *file;
    pix_error error;
    pix_status status = pix_vector_file_open(path, fingerprint, DIMENSION, false, &file, &error);
    if (status)
        demand_reason(status, &error);
    else
        search(file);
    pix_vector_file_close(file);
    if (!pix_vector_file_open(path, fingerprint, DIMENSION, true, &file, NULL))
        go_on(file);
    pix_vector_file_close(file);
    return 0;
}
