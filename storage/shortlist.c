/* The blocks are dealt out in parts.  Each part has its own heap of lower bounds for each query;
 * the least of a full heap is a floor for the part and, as a number that only rises, for all of
 * them. A bound is computed roughly first, for 16 vectors at once, which spares nearly all of them
 * the exact one. */
#include "storage/shortlist.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"

/* More parts than threads, because threads are not always equally fast; and none of them tiny. */
enum { PARTS_PER_THREAD = 4, PART_BLOCKS = 128 };

/* What a part knows of one query. */
typedef struct finding {
    float *lows; /* a heap of the `wanted` highest, the least on top */
    size_t low_count;
    pix_shortlist list;
} finding;

typedef struct scan_state {
    const pix_shortlist_task *task;
    size_t blocks, parts;
    finding *findings;                           /* [parts, queries] */
    _Atomic float floors[PIX_SHORTLIST_QUERIES]; /* of each query */
    atomic_int failure;                          /* a pix_status; ends every part */
    atomic_llong blocks_read;
} scan_state;

static float float_below(double value) {
    float rounded = (float)value;
    return (double)rounded > value ? nextafterf(rounded, -INFINITY) : rounded;
}

static float float_above(double value) {
    float rounded = (float)value;
    return (double)rounded < value ? nextafterf(rounded, INFINITY) : rounded;
}

static void raise_floor(_Atomic float *floor, float value) {
    float now = atomic_load_explicit(floor, memory_order_relaxed);
    while (now < value && !atomic_compare_exchange_weak(floor, &now, value))
        ;
}

/* Of a full heap, the least gives way. */
static void push_low(finding *f, size_t wanted, float low) {
    float *heap = f->lows;
    size_t i;
    if (f->low_count < wanted) {
        for (i = f->low_count++; i > 0 && heap[(i - 1) / 2] > low; i = (i - 1) / 2)
            heap[i] = heap[(i - 1) / 2];
    } else {
        i = 0;
        for (size_t child = 1; child < wanted; child = 2 * i + 1) {
            child += child + 1 < wanted && heap[child + 1] < heap[child];
            if (heap[child] >= low)
                break;
            heap[i] = heap[child];
            i = child;
        }
    }
    heap[i] = low;
}

/* Forgets what the floor has passed meanwhile. */
static void prune(pix_shortlist *list, float floor) {
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].high >= floor)
            list->items[kept++] = list->items[i];
    list->count = kept;
}

static pix_status note(scan_state *s, finding *f, size_t q, pix_candidate candidate) {
    const size_t wanted = s->task->wanted;
    if (f->low_count < wanted || candidate.low > f->lows[0]) {
        if (!f->lows && !(f->lows = malloc(wanted * sizeof *f->lows)))
            return PIX_ENOMEM;
        push_low(f, wanted, candidate.low);
        if (f->low_count == wanted)
            raise_floor(&s->floors[q], f->lows[0]);
    }
    pix_shortlist *list = &f->list;
    if (list->count == list->capacity) {
        prune(list, atomic_load_explicit(&s->floors[q], memory_order_relaxed));
        if (list->count > s->task->limit)
            return PIX_ELIMIT;
        pix_candidate *items = list->items;
        if (2 * list->count >= list->capacity)
            items = pix_array_reserve(items, &list->capacity, list->count, list->count + 64,
                                      sizeof *items);
        if (!items)
            return PIX_ENOMEM;
        list->items = items;
    }
    list->items[list->count++] = candidate;
    return PIX_OK;
}

/* A bit for each vector of the block whose upper bound, computed roughly, reaches the floor. */
static uint32_t sift(const uint8_t *facts, const int32_t *sums, const pix_frame_query *query,
                     float floor) {
    float scale[PIX_BLOCK], residual[PIX_BLOCK], first[PIX_BLOCK], second[PIX_BLOCK];
    float high[PIX_BLOCK];
    memcpy(scale, facts, sizeof scale);
    memcpy(residual, facts + PIX_LINE, sizeof residual);
    memcpy(first, facts + (size_t)2 * PIX_LINE, sizeof first);
    memcpy(second, facts + (size_t)3 * PIX_LINE, sizeof second);
    const float mean = (float)query->mean + query->rough_slack, u = (float)query->first;
    const float v = (float)query->second, unit = (float)query->scale, reach = (float)query->reach;
    for (size_t i = 0; i < PIX_BLOCK; i++)
        high[i] = ((mean + first[i] * u) + (second[i] * v + residual[i] * reach)) +
                  scale[i] * unit * (float)sums[i];
    int any = 0;
    for (size_t i = 0; i < PIX_BLOCK; i++)
        any |= high[i] >= floor;
    uint32_t mask = 0;
    for (uint32_t i = 0; any && i < PIX_BLOCK; i++)
        mask |= (uint32_t)(high[i] >= floor) << i;
    return mask;
}

static pix_status look_closer(scan_state *s, finding *f, size_t q, const uint8_t *block,
                              size_t index, const int32_t *sums, uint32_t mask) {
    const size_t lines = s->task->file->lines;
    pix_status status = PIX_OK;
    for (; mask && !status; mask &= mask - 1) {
        size_t i = (size_t)__builtin_ctz(mask);
        pix_coded coded = pix_block_coded(block, lines, i);
        pix_bounds bounds = pix_frame_bounds(&s->task->queries[q], &coded, sums[i]);
        pix_candidate candidate = {.low = float_below(bounds.low),
                                   .high = float_above(bounds.high),
                                   .position = (uint32_t)(index * PIX_BLOCK + i)};
        if (candidate.high >= atomic_load_explicit(&s->floors[q], memory_order_relaxed))
            status = note(s, f, q, candidate);
    }
    return status;
}

/* Those of the block's vectors that can be listed. */
static pix_status find_live(const scan_state *s, const uint8_t *block, size_t index,
                            uint32_t *live) {
    const pix_shortlist_task *task = s->task;
    *live = pix_vector_file_live(task->file, index);
    if (!task->selection || !*live)
        return PIX_OK;
    if (!pix_block_ids_hold(block, task->file->lines, pix_vector_file_seed(task->file, index)))
        return PIX_EFORMAT;
    for (uint32_t i = 0; i < PIX_BLOCK; i++)
        if ((*live >> i & 1) && !pix_selection_has_embedding(
                                    task->selection, pix_block_id(block, task->file->lines, i)))
            *live &= ~(UINT32_C(1) << i);
    return PIX_OK;
}

static pix_status scan_block(scan_state *s, finding *findings, size_t index,
                             const pix_scan_query *queries) {
    const pix_shortlist_task *task = s->task;
    const size_t lines = task->file->lines;
    const uint8_t *block = pix_vector_file_block(task->file, index);
    uint32_t live;
    pix_status status = find_live(s, block, index, &live);
    if (status || !live)
        return status;
    int32_t sums[PIX_SCAN_QUERIES * PIX_BLOCK];
    for (size_t done = 0; done < task->count && !status; done += PIX_SCAN_QUERIES) {
        size_t some = task->count - done < PIX_SCAN_QUERIES ? task->count - done : PIX_SCAN_QUERIES;
        if (!task->scan(block, lines, queries + done, some, pix_vector_file_seed(task->file, index),
                        sums))
            return PIX_EFORMAT;
        for (size_t i = 0; i < some && !status; i++) {
            size_t q = done + i;
            float floor = atomic_load_explicit(&s->floors[q], memory_order_relaxed);
            uint32_t mask = live & sift(block + lines * PIX_LINE, sums + i * PIX_BLOCK,
                                        &task->queries[q], floor);
            if (mask)
                status = look_closer(s, &findings[q], q, block, index, sums + i * PIX_BLOCK, mask);
        }
    }
    return status;
}

static void scan_part(void *context, size_t part) {
    scan_state *s = context;
    const size_t first = s->blocks * part / s->parts, end = s->blocks * (part + 1) / s->parts;
    pix_scan_query queries[PIX_SHORTLIST_QUERIES];
    for (size_t q = 0; q < s->task->count; q++)
        queries[q] = s->task->queries[q].codes;
    pix_status status = PIX_OK;
    for (size_t i = first; i < end && !status; i++) {
        if (atomic_load_explicit(&s->failure, memory_order_relaxed))
            return;
        status = scan_block(s, s->findings + part * s->task->count, i, queries);
    }
    if (status)
        atomic_store(&s->failure, status);
    atomic_fetch_add(&s->blocks_read, (long long)(end - first));
}

static int by_high(const void *left, const void *right) {
    const pix_candidate *a = left, *b = right;
    if (a->high != b->high)
        return a->high > b->high ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

/* The floor of all parts together, from the lower bounds of all candidates. */
static pix_status find_floor(pix_shortlist *list, size_t wanted) {
    list->floor = -INFINITY;
    if (list->count < wanted)
        return PIX_OK;
    finding all = {.lows = malloc(wanted * sizeof *all.lows)};
    if (!all.lows)
        return PIX_ENOMEM;
    for (size_t i = 0; i < list->count; i++)
        if (all.low_count < wanted || list->items[i].low > all.lows[0])
            push_low(&all, wanted, list->items[i].low);
    list->floor = all.lows[0];
    free(all.lows);
    return PIX_OK;
}

static pix_status merge(scan_state *s, size_t q, pix_shortlist *list) {
    for (size_t part = 0; part < s->parts; part++) {
        pix_shortlist *one = &s->findings[part * s->task->count + q].list;
        prune(one, atomic_load(&s->floors[q]));
        if (one->count == 0)
            continue;
        pix_candidate *items =
            pix_array_reserve(list->items, &list->capacity, list->count, one->count, sizeof *items);
        if (!items)
            return PIX_ENOMEM;
        list->items = items;
        memcpy(items + list->count, one->items, one->count * sizeof *items);
        list->count += one->count;
    }
    pix_status status = find_floor(list, s->task->wanted);
    if (status)
        return status;
    prune(list, list->floor);
    if (list->count > s->task->limit)
        return PIX_ELIMIT;
    if (list->count > 0)
        qsort(list->items, list->count, sizeof *list->items, by_high);
    return PIX_OK;
}

static pix_status run(scan_state *s, pix_shortlist *lists) {
    pix_pool_run(s->task->pool, s->parts, scan_part, s);
    pix_status status = (pix_status)atomic_load(&s->failure);
    for (size_t q = 0; q < s->task->count && !status; q++)
        status = merge(s, q, &lists[q]);
    return status;
}

pix_status pix_shortlist_make(const pix_shortlist_task *task, pix_shortlist *lists, int64_t *bytes,
                              pix_error *error) {
    assert(task->count <= PIX_SHORTLIST_QUERIES && task->wanted > 0);
    memset(lists, 0, task->count * sizeof *lists);
    *bytes = 0;
    scan_state s = {.task = task, .blocks = pix_vector_file_blocks(task->file)};
    s.parts = (size_t)pix_pool_threads(task->pool) * PARTS_PER_THREAD;
    if (s.parts > s.blocks / PART_BLOCKS + 1)
        s.parts = s.blocks / PART_BLOCKS + 1;
    for (size_t q = 0; q < task->count; q++)
        atomic_init(&s.floors[q], -INFINITY);
    s.findings = calloc(s.parts * task->count + 1, sizeof *s.findings);
    if (!s.findings)
        return pix_fail_memory(error);
    pix_status status = run(&s, lists);
    for (size_t i = 0; i < s.parts * task->count; i++) {
        free(s.findings[i].lows);
        free(s.findings[i].list.items);
    }
    free(s.findings);
    *bytes = (int64_t)(atomic_load(&s.blocks_read) * (long long)task->file->block_bytes);
    if (status == PIX_EFORMAT)
        return pix_fail(error, status, "%s: a block is damaged", task->file->path);
    return status ? pix_fail(error, status, "%s", pix_status_text(status)) : PIX_OK;
}

void pix_shortlist_free(pix_shortlist *list) {
    free(list->items);
    *list = (pix_shortlist){0};
}
