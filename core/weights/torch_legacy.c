#include "core/weights/torch_legacy.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/weights/little_endian.h"

enum { COUNT_SIZE = 8, PROTOCOL = 1001, MAX_KEYS = 1 << 20 };

/* LONG1 0x1950a86a20f9469cfc6c, the magic number of torch/serialization.py, as a pickle */
static const char magic[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
enum { MAGIC_SIZE = sizeof magic - 1 };

typedef struct storage {
    const pix_value *key;
    size_t order; /* in the file */
    size_t size, item_size;
    const uint8_t *data;
} storage;

typedef struct reader {
    const uint8_t *data;
    size_t size;
    size_t at;         /* of what comes next */
    storage *storages; /* sorted by key */
    size_t count;
} reader;

bool pix_torch_legacy_looks_like(const uint8_t *data, size_t size) {
    return size >= MAGIC_SIZE && memcmp(data, magic, MAGIC_SIZE) == 0;
}

/* What follows each opcode (Lib/pickletools.py): some bytes, or bytes after their count, or lines.
 */
static const struct {
    size_t fixed, counted;
    int lines;
    const char *opcodes;
} arguments[] = {
    {0, 0, 0, "N\x88\x89]ael)t\x85\x86\x87}dsu\x8f\x90\x91"},
    {0, 0, 0, "02(1\x94\x93Rbo\x81\x92Q."},
    {1, 0, 0, "Khq\x80"},
    {2, 0, 0, "M"},
    {4, 0, 0, "Jjr"},
    {8, 0, 0, "G\x95"},
    {0, 1, 0, "\x8aUC\x8c"},
    {0, 4, 0, "\x8bTBX"},
    {0, 8, 0, "\x8e\x96\x8d"},
    {0, 0, 1, "ILSVFgpP"},
    {0, 0, 2, "ci"},
};

/* The size of the pickle that begins at `data`; 0 when it does not end within `size` bytes or has
 * an opcode that no pickle of ours has.  Whether it is one, pix_pickle_load says. */
static size_t pickle_size(const uint8_t *data, size_t size) {
    size_t at = 0;
    while (at < size) {
        uint8_t opcode = data[at++];
        size_t kind = 0, kinds = sizeof arguments / sizeof *arguments;
        while (kind < kinds && (opcode == 0 || !strchr(arguments[kind].opcodes, opcode)))
            kind++;
        if (kind == kinds)
            return 0;
        if (opcode == '.')
            return at;
        size_t skip = arguments[kind].fixed, width = arguments[kind].counted;
        if (width > size - at)
            return 0;
        for (size_t i = width; i > 0; i--) {
            if (skip > size)
                return 0;
            skip = skip << 8 | data[at + i - 1];
        }
        at += width;
        if (skip > size - at)
            return 0;
        at += skip;
        for (int i = 0; i < arguments[kind].lines; i++) {
            const uint8_t *end = memchr(data + at, '\n', size - at);
            if (!end)
                return 0;
            at = (size_t)(end - data) + 1;
        }
    }
    return 0;
}

static pix_status next_pickle(reader *r, const char *what, pix_pickle **out, pix_error *error) {
    *out = NULL;
    size_t size = pickle_size(r->data + r->at, r->size - r->at);
    if (size == 0)
        return pix_fail(error, PIX_EFORMAT,
                        "truncated or damaged torch.save file: %s has no end in its %zu bytes",
                        what, r->size);
    pix_status status = pix_pickle_load(r->data + r->at, size, out, error);
    if (status)
        (void)pix_error_prefix(error, "%s at byte %zu", what, r->at);
    r->at += size;
    return status;
}

/* Version and machine. */
static pix_status read_preamble(reader *r, pix_error *error) {
    pix_pickle *version, *machine;
    pix_status status = next_pickle(r, "the version", &version, error);
    if (status)
        return status;
    const pix_value *value = pix_pickle_top(version);
    if (value->kind != PIX_VALUE_INTEGER || value->integer != PROTOCOL)
        status = pix_fail(error, PIX_EUNSUPPORTED, "a torch.save file of an unknown version");
    pix_pickle_free(version);
    if (!status)
        status = next_pickle(r, "the note on the machine", &machine, error);
    if (status)
        return status;
    const pix_value *facts = pix_pickle_top(machine);
    if (facts->kind == PIX_VALUE_DICT)
        for (size_t i = 0; i + 1 < facts->list.count; i += 2) {
            value = facts->list.items[i + 1];
            if (pix_value_is_text(facts->list.items[i], "little_endian") &&
                (value->kind != PIX_VALUE_BOOL || !value->boolean))
                status = pix_fail(error, PIX_EUNSUPPORTED, "its tensors are not little-endian");
        }
    pix_pickle_free(machine);
    return status;
}

static int by_key(const void *a, const void *b) {
    const pix_value *x = ((const storage *)a)->key, *y = ((const storage *)b)->key;
    size_t shorter = x->text.size < y->text.size ? x->text.size : y->text.size;
    int order = memcmp(x->text.data, y->text.data, shorter);
    return order ? order : (x->text.size > y->text.size) - (x->text.size < y->text.size);
}

static int by_order(const void *a, const void *b) {
    size_t x = ((const storage *)a)->order, y = ((const storage *)b)->order;
    return (x > y) - (x < y);
}

static pix_status list_storages(reader *r, const pix_value *keys, pix_error *error) {
    if (keys->kind != PIX_VALUE_LIST || keys->list.count > MAX_KEYS)
        return pix_fail(error, PIX_EFORMAT, "malformed list of storages");
    r->storages = calloc(keys->list.count + 1, sizeof *r->storages);
    if (!r->storages)
        return pix_fail_memory(error);
    r->count = keys->list.count;
    for (size_t i = 0; i < r->count; i++) {
        if (keys->list.items[i]->kind != PIX_VALUE_TEXT)
            return pix_fail(error, PIX_EFORMAT, "malformed list of storages");
        r->storages[i] = (storage){.key = keys->list.items[i], .order = i};
    }
    qsort(r->storages, r->count, sizeof *r->storages, by_key);
    for (size_t i = 1; i < r->count; i++)
        if (by_key(&r->storages[i - 1], &r->storages[i]) == 0)
            return pix_fail(error, PIX_EFORMAT, "a storage is listed twice");
    return PIX_OK;
}

static storage *find(const reader *r, const pix_value *key) {
    storage wanted = {.key = key};
    if (key->kind != PIX_VALUE_TEXT)
        return NULL;
    return bsearch(&wanted, r->storages, r->count, sizeof wanted, by_key);
}

/* `status`, and in an error the storage's key before the cause. */
static pix_status at_key(pix_status status, const pix_value *key, pix_error *error) {
    if (status && key->kind == PIX_VALUE_TEXT &&
        !pix_tensor_name_check(key->text.data, key->text.size, NULL))
        (void)pix_error_prefix(error, "storage %.*s",
                               key->text.size > 64 ? 64 : (int)key->text.size, key->text.data);
    return status;
}

/* Every use of a storage says how large it is, an optimizer's too: others lie after it. */
static pix_status note_storage(void *context, const pix_value *value, pix_error *error) {
    reader *r = context;
    pix_torch_storage use;
    if (value->kind != PIX_VALUE_PERSISTENT)
        return PIX_OK;
    pix_status status = pix_torch_storage_read(value, &use, error);
    if (status)
        return at_key(status, use.key, error);
    storage *known = find(r, use.key);
    if (known && known->item_size > 0 &&
        (known->item_size != use.item_size || known->size != use.size))
        return at_key(pix_fail(error, PIX_EFORMAT, "is said to have two sizes (as %s of %zu bytes)",
                               use.type, use.size),
                      use.key, error);
    if (known) {
        known->size = use.size;
        known->item_size = use.item_size;
    }
    return PIX_OK;
}

/* Where each storage lies: one after another from r->at. */
static pix_status place_storages(reader *r, pix_error *error) {
    size_t whole = r->at;
    qsort(r->storages, r->count, sizeof *r->storages, by_order);
    for (size_t i = 0; i < r->count; i++) {
        if (r->storages[i].item_size == 0)
            return pix_fail(error, PIX_EFORMAT, "a storage is listed that nothing uses");
        if (!pix_size_add(whole, COUNT_SIZE, &whole) ||
            !pix_size_add(whole, r->storages[i].size, &whole))
            return pix_fail(error, PIX_EFORMAT, "malformed storage");
    }
    if (whole > r->size)
        return pix_fail(error, PIX_EFORMAT, "truncated torch.save file: %zu of %zu bytes", r->size,
                        whole);
    for (size_t i = 0; i < r->count; i++) {
        storage *s = &r->storages[i];
        if (pix_load64(r->data + r->at) != s->size / s->item_size)
            return pix_fail(error, PIX_EFORMAT,
                            "a storage has not the size its use says (byte %zu)", r->at);
        s->data = r->data + r->at + COUNT_SIZE;
        r->at += COUNT_SIZE + s->size;
    }
    qsort(r->storages, r->count, sizeof *r->storages, by_key);
    return PIX_OK;
}

static pix_status find_storage(void *context, const pix_torch_storage *use, const uint8_t **data,
                               pix_error *error) {
    const storage *known = find(context, use->key);
    if (!known)
        return pix_fail(error, PIX_EFORMAT, "its storage is not in the file");
    *data = known->data;
    return PIX_OK;
}

pix_status pix_torch_legacy_read(const uint8_t *data, size_t size, pix_tensors *tensors,
                                 pix_torch_facts *facts, pix_error *error) {
    reader r = {.data = data, .size = size, .at = MAGIC_SIZE};
    pix_pickle *object = NULL, *keys = NULL;
    const pix_torch_visitor noter = {note_storage, &r};
    const pix_torch_storages storages = {find_storage, &r};
    pix_status status = read_preamble(&r, error);
    if (!status)
        status = next_pickle(&r, "the description of the tensors", &object, error);
    if (!status)
        status = next_pickle(&r, "the list of storages", &keys, error);
    if (!status)
        status = list_storages(&r, pix_pickle_top(keys), error);
    if (!status)
        status = pix_torch_walk(pix_pickle_top(object), NULL, &noter, error);
    if (!status)
        status = place_storages(&r, error);
    if (!status)
        status = pix_torch_tree_read(pix_pickle_top(object), &storages, tensors, facts, error);
    free(r.storages);
    pix_pickle_free(keys);
    pix_pickle_free(object);
    return status;
}
