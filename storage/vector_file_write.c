#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "storage/vector.h"
#include "storage/vector_file_layout.h"

/* Blocks that are written at once. */
enum { PENDING = 64 };

static pix_status write_at(const pix_vector_file *file, off_t at, const void *data, size_t size,
                           pix_error *error) {
    for (size_t done = 0; done < size;) {
        ssize_t put = pwrite(file->fd, (const char *)data + done, size - done, at + (off_t)done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return pix_fail_errno(error, "cannot write %s", file->path);
        done += (size_t)put;
    }
    return PIX_OK;
}

static pix_status sync_data(const pix_vector_file *file, pix_error *error) {
    return fdatasync(file->fd) ? pix_fail_errno(error, "cannot write %s", file->path) : PIX_OK;
}

pix_status pix_vector_file_prepare(pix_vector_file *file, pix_error *error) {
    file->pending = calloc(PENDING + 1, file->block_bytes);
    if (!file->pending)
        return pix_fail_memory(error);
    memcpy(file->pending, file->tail, file->block_bytes);
    return PIX_OK;
}

static pix_status write_head(pix_vector_file *file, const pix_vector_file_plan *plan,
                             pix_error *error) {
    pix_pixv_head head = {.version = PIX_PIXV_VERSION,
                          .dimension = (uint32_t)plan->dimension,
                          .capacity = (plan->capacity + 511) / 512 * 512};
    memcpy(head.magic, pix_pixv_magic, sizeof head.magic);
    uint64_t random[2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return pix_fail_errno(error, "getrandom");
    head.file_id = random[0];
    head.seed = random[1];
    (void)strncpy(head.fingerprint, plan->fingerprint, sizeof head.fingerprint - 1);
    pix_pixv_head_check(&head, plan->axes, head.check);
    pix_status status = pix_vector_file_shape(file, &head, plan->axes, error);
    if (!status)
        status = write_at(file, 0, &head, sizeof head, error);
    if (!status)
        status = write_at(file, PIX_PIXV_PAGE, plan->axes,
                          3 * (size_t)plan->dimension * sizeof *plan->axes, error);
    return status;
}

pix_status pix_vector_file_create(const char *path, const pix_vector_file_plan *plan,
                                  pix_vector_file **out, pix_error *error) {
    *out = NULL;
    pix_vector_file *file;
    pix_status status =
        pix_vector_file_begin(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, &file, error);
    if (status)
        return status;
    /* pix_remains_drop leaves it alone then; the store has one writer, so nobody else has it */
    (void)flock(file->fd, LOCK_EX | LOCK_NB);
    status = write_head(file, plan, error);
    if (!status && !(file->dead = calloc(file->capacity / 8, 1)))
        status = pix_fail_memory(error);
    if (!status)
        status = pix_vector_file_prepare(file, error);
    /* Both slots exist from the start, so that a file is never shorter than they are. */
    if (!status && ftruncate(file->fd, file->blocks_at))
        status = pix_fail_errno(error, "cannot write %s", path);
    if (status) {
        pix_vector_file_close(file);
        return status;
    }
    file->state.file_id = file->file_id;
    *out = file;
    return PIX_OK;
}

/* The block that vectors are added to. */
static uint8_t *open_block(const pix_vector_file *file) {
    return file->pending + file->pending_count * file->block_bytes;
}

static void put_word(uint8_t *block, size_t line, size_t vector, const void *word) {
    memcpy(block + line * PIX_LINE + vector * 4, word, 4);
}

pix_status pix_vector_file_flush(pix_vector_file *file, pix_error *error) {
    if (file->pending_count == 0)
        return PIX_OK;
    size_t first = (size_t)file->state.count / PIX_BLOCK - file->pending_count;
    pix_status status = write_at(file, file->blocks_at + (off_t)(first * file->block_bytes),
                                 file->pending, file->pending_count * file->block_bytes, error);
    memmove(file->pending, open_block(file), file->block_bytes);
    file->pending_count = 0;
    return status;
}

pix_status pix_vector_file_add(pix_vector_file *file, int64_t id, const float *vector,
                               pix_error *error) {
    pix_status status = pix_vector_check(vector, file->frame.dimension, error);
    if (status)
        return status;
    if (file->state.count >= file->capacity)
        return pix_fail(error, PIX_ELIMIT, "%s: is full", file->path);
    double *work = malloc(file->frame.dimension * sizeof *work);
    uint8_t *codes = malloc(file->frame.padded);
    if (!work || !codes) {
        free(work);
        free(codes);
        return pix_fail_memory(error);
    }
    pix_coded coded;
    pix_frame_code(&file->frame, vector, work, codes, &coded, &file->state.extent);
    size_t index = (size_t)file->state.count / PIX_BLOCK;
    size_t lane = (size_t)file->state.count % PIX_BLOCK;
    uint8_t *block = open_block(file);
    if (lane == 0)
        memset(block, 0, file->block_bytes);
    uint32_t words[PIX_BLOCK_FACTS] = {0};
    memcpy(words, &coded, sizeof coded);
    words[PIX_FACT_ID] = (uint32_t)(uint64_t)id;
    words[PIX_FACT_ID + 1] = (uint32_t)((uint64_t)id >> 32);
    for (size_t i = 0; i < file->lines; i++)
        put_word(block, i, lane, codes + 4 * i);
    for (size_t i = 0; i < PIX_BLOCK_FACTS; i++)
        put_word(block, file->lines + i, lane, &words[i]);
    free(work);
    free(codes);
    file->state.count++;
    if (lane + 1 < PIX_BLOCK)
        return PIX_OK;
    pix_block_seal(block, file->lines, pix_vector_file_seed(file, index));
    return ++file->pending_count == PENDING ? pix_vector_file_flush(file, error) : PIX_OK;
}

void pix_vector_file_bury(pix_vector_file *file, size_t position) {
    uint64_t bit = UINT64_C(1) << position % 64;
    if (file->dead[position / 64] & bit)
        return;
    file->dead[position / 64] |= bit;
    file->state.dead++;
}

/* What belongs to the next state, but not the state. */
static pix_status write_slot(pix_vector_file *file, off_t at, pix_error *error) {
    pix_status status = PIX_OK;
    if (file->state.count % PIX_BLOCK != 0) {
        memcpy(file->tail, file->pending, file->block_bytes);
        pix_block_seal(file->tail, file->lines,
                       pix_vector_file_seed(file, (size_t)file->state.count / PIX_BLOCK));
        status = write_at(file, at + PIX_PIXV_PAGE, file->tail, file->block_bytes, error);
    }
    if (status || file->state.dead == 0)
        return status;
    pix_sha256_of(file->dead, file->capacity / 8, file->state.dead_check);
    return write_at(file, at + PIX_PIXV_PAGE + (off_t)pix_pixv_pages(file->block_bytes), file->dead,
                    file->capacity / 8, error);
}

pix_status pix_vector_file_publish(pix_vector_file *file, pix_error *error) {
    pix_pixv_state *state = &file->state;
    pix_status status = pix_vector_file_flush(file, error);
    if (status)
        return status;
    state->sequence++; /* the first is 0 */
    off_t at = file->slots_at + (off_t)(state->sequence % 2) * file->slot_bytes;
    if ((status = write_slot(file, at, error)) || (status = sync_data(file, error)))
        return status;
    pix_pixv_state_check(state, state->check);
    if ((status = write_at(file, at, state, sizeof *state, error)))
        return status;
    return sync_data(file, error);
}

pix_status pix_vector_file_ids(const pix_vector_file *file, size_t index, int64_t ids[PIX_BLOCK],
                               pix_error *error) {
    uint8_t two[2 * PIX_LINE];
    const size_t lines = file->lines + PIX_FACT_ID;
    pix_status status = PIX_OK;
    if (index == file->state.count / PIX_BLOCK)
        memcpy(two, file->pending + lines * PIX_LINE, sizeof two);
    else
        status = pix_vector_file_read(
            file, file->blocks_at + (off_t)(index * file->block_bytes + lines * PIX_LINE), two,
            sizeof two, error);
    for (size_t i = 0; i < PIX_BLOCK && !status; i++) {
        uint32_t low, high;
        memcpy(&low, two + 4 * i, sizeof low);
        memcpy(&high, two + PIX_LINE + 4 * i, sizeof high);
        ids[i] = (int64_t)((uint64_t)high << 32 | low);
    }
    return status;
}
