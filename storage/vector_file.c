#include "storage/vector_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/vector_file_layout.h"

static pix_status damaged(const pix_vector_file *file, const char *what, pix_error *error) {
    return pix_fail(error, PIX_EFORMAT, "%s: %s", file->path, what);
}

pix_status pix_vector_file_read(const pix_vector_file *file, off_t at, void *data, size_t size,
                                pix_error *error) {
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(file->fd, (char *)data + done, size - done, at + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return pix_fail_errno(error, "%s", file->path);
        if (got == 0)
            return damaged(file, "truncated", error);
        done += (size_t)got;
    }
    return PIX_OK;
}

void pix_pixv_head_check(const pix_pixv_head *head, const double *axes,
                         uint8_t check[PIX_SHA256_BYTES]) {
    pix_sha256 hash;
    pix_sha256_init(&hash);
    pix_sha256_add(&hash, head, offsetof(pix_pixv_head, check));
    pix_sha256_add(&hash, axes, 3 * (size_t)head->dimension * sizeof *axes);
    pix_sha256_finish(&hash, check);
}

void pix_pixv_state_check(const pix_pixv_state *state, uint8_t check[PIX_SHA256_BYTES]) {
    pix_sha256_of(state, offsetof(pix_pixv_state, check), check);
}

pix_status pix_vector_file_shape(pix_vector_file *file, const pix_pixv_head *head,
                                 const double *axes, pix_error *error) {
    size_t dimension = head->dimension;
    file->file_id = head->file_id;
    file->capacity = (size_t)head->capacity;
    pix_status status = pix_frame_init(&file->frame, dimension, axes, head->seed, error);
    if (status)
        return status;
    file->lines = file->frame.padded / 4;
    file->block_bytes = pix_block_bytes(file->lines);
    file->slots_at = (off_t)(PIX_PIXV_PAGE + pix_pixv_pages(3 * dimension * sizeof *axes));
    file->slot_bytes = (off_t)(PIX_PIXV_PAGE + pix_pixv_pages(file->block_bytes) +
                               pix_pixv_pages(file->capacity / 8));
    file->blocks_at = file->slots_at + 2 * file->slot_bytes;
    if (!(file->tail = calloc(1, file->block_bytes)))
        return pix_fail_memory(error);
    return PIX_OK;
}

/* Positions fit 32 bits, and so every sum of sizes is far from overflowing. */
static bool is_sane(const pix_pixv_head *head) {
    return head->dimension >= 1 && head->dimension <= PIX_ROTATION_LIMIT &&
           head->capacity % 512 == 0 && head->capacity <= UINT64_C(1) << 32 &&
           memchr(head->fingerprint, 0, sizeof head->fingerprint);
}

static pix_status check_size(const pix_vector_file *file, size_t least, pix_error *error) {
    struct stat info;
    if (fstat(file->fd, &info))
        return pix_fail_errno(error, "%s", file->path);
    return (size_t)info.st_size < least ? damaged(file, "truncated", error) : PIX_OK;
}

static pix_status load_head(pix_vector_file *file, const char *fingerprint, int dimension,
                            pix_error *error) {
    pix_pixv_head head;
    pix_status status = pix_vector_file_read(file, 0, &head, sizeof head, error);
    if (status)
        return status;
    if (memcmp(head.magic, pix_pixv_magic, sizeof head.magic) != 0)
        return damaged(file, "not a .pixv file", error);
    if (head.version != PIX_PIXV_VERSION)
        return pix_fail(error, PIX_EMISMATCH, "%s: made by another version of pixgrep", file->path);
    if (!is_sane(&head))
        return damaged(file, "its head is damaged", error);
    size_t size = 3 * (size_t)head.dimension * sizeof(double);
    double *axes = malloc(size);
    if (!axes)
        return pix_fail_memory(error);
    uint8_t check[PIX_SHA256_BYTES];
    status = pix_vector_file_read(file, PIX_PIXV_PAGE, axes, size, error);
    if (!status) {
        pix_pixv_head_check(&head, axes, check);
        if (memcmp(check, head.check, sizeof check) != 0)
            status = damaged(file, "its head is damaged", error);
        else if (strcmp(head.fingerprint, fingerprint) != 0 ||
                 head.dimension != (unsigned)dimension)
            status = pix_fail(error, PIX_EMISMATCH, "%s: of another model", file->path);
        else if ((status = pix_vector_file_shape(file, &head, axes, error)) == PIX_EFORMAT)
            (void)pix_error_prefix(error, "%s", file->path);
    }
    free(axes);
    return status ? status : check_size(file, (size_t)file->blocks_at, error);
}

static bool is_valid(const pix_vector_file *file, const pix_pixv_state *state) {
    uint8_t check[PIX_SHA256_BYTES];
    pix_pixv_state_check(state, check);
    return memcmp(check, state->check, sizeof check) == 0 && state->file_id == file->file_id &&
           state->count <= file->capacity && state->dead <= state->count &&
           state->covered_id >= 0 && state->extent.length >= 0 && state->extent.length <= 16 &&
           state->extent.cross >= 0 && state->extent.cross <= 16;
}

/* The newer of the valid states. */
static pix_status read_state(const pix_vector_file *file, pix_pixv_state *state, pix_error *error) {
    bool found = false;
    for (int slot = 0; slot < 2; slot++) {
        pix_pixv_state one;
        pix_status status = pix_vector_file_read(file, file->slots_at + slot * file->slot_bytes,
                                                 &one, sizeof one, error);
        if (status)
            return status;
        if (!is_valid(file, &one) || one.sequence % 2 != (uint64_t)slot ||
            (found && one.sequence < state->sequence))
            continue;
        *state = one;
        found = true;
    }
    return found ? PIX_OK : damaged(file, "its state is damaged", error);
}

static off_t slot_of(const pix_vector_file *file, const pix_pixv_state *state) {
    return file->slots_at + (off_t)(state->sequence % 2) * file->slot_bytes;
}

static pix_status read_tail(const pix_vector_file *file, const pix_pixv_state *state,
                            pix_error *error) {
    if (state->count % PIX_BLOCK == 0)
        return PIX_OK;
    pix_status status = pix_vector_file_read(file, slot_of(file, state) + PIX_PIXV_PAGE, file->tail,
                                             file->block_bytes, error);
    uint32_t seed = pix_vector_file_seed(file, (size_t)state->count / PIX_BLOCK);
    if (!status && !pix_scan_portable(file->tail, file->lines, NULL, 0, seed, NULL))
        status = damaged(file, "its last block is damaged", error);
    return status;
}

static pix_status read_dead(pix_vector_file *file, const pix_pixv_state *state, pix_error *error) {
    size_t size = file->capacity / 8;
    if (!file->dead && (state->dead > 0 || file->writing)) {
        file->dead = calloc(size, 1);
        if (!file->dead)
            return pix_fail_memory(error);
    }
    if (state->dead == 0)
        return PIX_OK;
    off_t at = slot_of(file, state) + PIX_PIXV_PAGE + (off_t)pix_pixv_pages(file->block_bytes);
    pix_status status = pix_vector_file_read(file, at, file->dead, size, error);
    uint8_t check[PIX_SHA256_BYTES];
    if (status)
        return status;
    pix_sha256_of(file->dead, size, check);
    return memcmp(check, state->dead_check, sizeof check) == 0
               ? PIX_OK
               : damaged(file, "its list of dead vectors is damaged", error);
}

/* Maps everything that the state covers. */
static pix_status map_blocks(pix_vector_file *file, const pix_pixv_state *state, pix_error *error) {
    size_t needed = (size_t)file->blocks_at + (size_t)state->count / PIX_BLOCK * file->block_bytes;
    struct stat info;
    if (fstat(file->fd, &info))
        return pix_fail_errno(error, "%s", file->path);
    if ((size_t)info.st_size < needed)
        return damaged(file, "truncated", error);
    if (needed <= file->map.size)
        return PIX_OK;
    pix_mapping_close(&file->map);
    return pix_mapping_make(&file->map, file->fd, (size_t)info.st_size, file->path, true, error);
}

/* A writer that publishes twice meanwhile overwrites what belongs to the state just read: then the
 * checks fail and the state is another one. */
static pix_status load_state(pix_vector_file *file, pix_error *error) {
    pix_pixv_state state;
    pix_status status = read_state(file, &state, error);
    while (!status) {
        if (file->state.sequence == state.sequence)
            return map_blocks(file, &file->state, error);
        if (!(status = read_tail(file, &state, error)) &&
            !(status = read_dead(file, &state, error)) &&
            !(status = map_blocks(file, &state, error))) {
            file->state = state;
            return PIX_OK;
        }
        pix_pixv_state later;
        if (status != PIX_EFORMAT || read_state(file, &later, error) ||
            later.sequence == state.sequence)
            break;
        state = later;
        status = PIX_OK;
    }
    return status;
}

pix_status pix_vector_file_begin(const char *path, int flags, pix_vector_file **out,
                                 pix_error *error) {
    *out = NULL;
    pix_vector_file *file = calloc(1, sizeof *file);
    if (!file)
        return pix_fail_memory(error);
    pix_status status = PIX_OK;
    struct stat info = {0};
    file->writing = (flags & O_ACCMODE) == O_RDWR;
    file->fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (file->fd < 0 || fstat(file->fd, &info))
        status = pix_fail_errno(error, "%s", path);
    else if (!S_ISREG(info.st_mode))
        status = pix_fail(error, PIX_EFORMAT, "%s: not a regular file", path);
    else if (!(file->path = strdup(path)))
        status = pix_fail_memory(error);
    if (status) {
        pix_vector_file_close(file);
        return status;
    }
    file->device = info.st_dev;
    file->inode = info.st_ino;
    file->state.sequence = UINT64_MAX; /* none was loaded */
    *out = file;
    return PIX_OK;
}

static pix_status check_blocks(const pix_vector_file *file, pix_error *error) {
    const pix_kernels *kernels;
    pix_status status = pix_kernels_wanted(&kernels, error);
    if (status)
        return status;
    pix_scan_block *scan = pix_scan_for(kernels);
    for (size_t i = 0; i < pix_vector_file_blocks(file); i++)
        if (!scan(pix_vector_file_block(file, i), file->lines, NULL, 0,
                  pix_vector_file_seed(file, i), NULL))
            return damaged(file, "a block is damaged", error);
    return PIX_OK;
}

pix_status pix_vector_file_open(const char *path, const char *fingerprint, int dimension,
                                bool writing, pix_vector_file **out, pix_error *error) {
    *out = NULL;
    pix_vector_file *file;
    pix_status status = pix_vector_file_begin(path, writing ? O_RDWR : O_RDONLY, &file, error);
    if (status)
        return status;
    status = load_head(file, fingerprint, dimension, error);
    if (!status)
        status = load_state(file, error);
    if (!status && writing && !(status = check_blocks(file, error)))
        status = pix_vector_file_prepare(file, error);
    if (status) {
        pix_vector_file_close(file);
        return status;
    }
    *out = file;
    return PIX_OK;
}

void pix_vector_file_close(pix_vector_file *file) {
    if (!file)
        return;
    pix_mapping_close(&file->map);
    if (file->fd >= 0)
        close(file->fd);
    pix_frame_free(&file->frame);
    free(file->pending);
    free(file->dead);
    free(file->tail);
    free(file->path);
    free(file);
}

pix_status pix_vector_file_refresh(pix_vector_file *file, const char *path, bool *replaced,
                                   pix_error *error) {
    struct stat info;
    *replaced = stat(path, &info) || info.st_dev != file->device || info.st_ino != file->inode;
    return *replaced ? PIX_OK : load_state(file, error);
}

uint32_t pix_vector_file_live(const pix_vector_file *file, size_t index) {
    size_t count = (size_t)file->state.count - index * PIX_BLOCK;
    uint32_t there = count >= PIX_BLOCK ? 0xFFFF : (UINT32_C(1) << count) - 1;
    if (!file->dead)
        return there;
    return there & ~(uint32_t)(file->dead[index / 4] >> index % 4 * PIX_BLOCK) & 0xFFFF;
}

static uint32_t word_of(const uint8_t *block, size_t line, size_t vector) {
    uint32_t word;
    memcpy(&word, block + line * PIX_LINE + vector * sizeof word, sizeof word);
    return word;
}

pix_coded pix_block_coded(const uint8_t *block, size_t lines, size_t vector) {
    uint32_t words[PIX_FACT_ID];
    pix_coded coded;
    static_assert(sizeof words == sizeof coded, "one line of facts each");
    for (size_t i = 0; i < PIX_FACT_ID; i++)
        words[i] = word_of(block, lines + i, vector);
    memcpy(&coded, words, sizeof coded);
    return coded;
}

int64_t pix_block_id(const uint8_t *block, size_t lines, size_t vector) {
    uint64_t low = word_of(block, lines + PIX_FACT_ID, vector);
    uint64_t high = word_of(block, lines + PIX_FACT_ID + 1, vector);
    return (int64_t)(high << 32 | low);
}
