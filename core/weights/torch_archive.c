#include "core/weights/torch_archive.h"

#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/weights/pickle.h"
#include "core/weights/zip.h"

enum {
    MAX_PICKLE = 64 << 20, /* bytes; that of the largest CLIP model has 200 thousand */
    MAX_PATH = 1024
};

typedef struct archive {
    const pix_zip *zip;
    const char *stem; /* "archive" of "archive/data.pkl", followed by nothing */
    size_t stem_size;
} archive;

/* STEM/data/KEY */
static pix_status find_storage(void *context, const pix_torch_storage *storage,
                               const uint8_t **data, pix_error *error) {
    const archive *a = context;
    const pix_value *key = storage->key;
    char path[MAX_PATH];
    int length = MAX_PATH;
    if (key->kind == PIX_VALUE_TEXT && !memchr(key->text.data, '\0', key->text.size))
        length =
            snprintf(path, sizeof path, "%.*s/data/%.*s", (int)a->stem_size, a->stem,
                     key->text.size < MAX_PATH ? (int)key->text.size : MAX_PATH, key->text.data);
    const pix_zip_member *member = length < MAX_PATH ? pix_zip_find(a->zip, path) : NULL;
    if (!member)
        return pix_fail(error, PIX_EFORMAT, "its storage is not in the archive");
    if (!member->stored)
        return pix_fail(error, PIX_EUNSUPPORTED,
                        "%s is compressed; PyTorch stores tensors uncompressed", member->name);
    if (member->size < storage->size)
        return pix_fail(error, PIX_EFORMAT, "%s has %zu bytes of %zu", member->name, member->size,
                        storage->size);
    *data = member->data;
    return PIX_OK;
}

/* The one member STEM/data.pkl; STEM differs from file to file. */
static pix_status find_pickle(archive *a, const pix_zip_member **out, pix_error *error) {
    static const char suffix[] = "/data.pkl";
    size_t length = strlen(suffix);
    *out = NULL;
    for (size_t i = 0; i < pix_zip_count(a->zip); i++) {
        const pix_zip_member *member = pix_zip_at(a->zip, i);
        size_t size = strlen(member->name);
        if (size <= length || strcmp(member->name + size - length, suffix) != 0)
            continue;
        if (*out)
            return pix_fail(error, PIX_EFORMAT, "zip archive with both %s and %s", (*out)->name,
                            member->name);
        *out = member;
        a->stem = member->name;
        a->stem_size = size - length;
    }
    if (*out)
        return PIX_OK;
    return pix_fail(
        error, PIX_EUNSUPPORTED,
        "a zip archive of %zu files without a data.pkl: not made by PyTorch 1.4 or later",
        pix_zip_count(a->zip));
}

/* Since PyTorch 2.1 a file says which end of a number comes first. */
static pix_status check_byte_order(const archive *a, pix_error *error) {
    char path[MAX_PATH];
    int length = snprintf(path, sizeof path, "%.*s/byteorder", (int)a->stem_size, a->stem);
    const pix_zip_member *member = length < MAX_PATH ? pix_zip_find(a->zip, path) : NULL;
    if (!member)
        return PIX_OK;
    pix_bytes expanded = {0};
    const uint8_t *text;
    pix_status status = pix_zip_view(member, 64, &expanded, &text, error);
    if (!status && (member->size != 6 || memcmp(text, "little", 6) != 0))
        status = pix_fail(error, PIX_EUNSUPPORTED, "%s says the tensors are not little-endian",
                          member->name);
    pix_bytes_free(&expanded);
    return status;
}

pix_status pix_torch_archive_read(const uint8_t *data, size_t size, pix_tensors *tensors,
                                  pix_torch_facts *facts, pix_error *error) {
    pix_zip *zip = NULL;
    pix_pickle *pickle = NULL;
    pix_bytes expanded = {0};
    archive a = {0};
    pix_status status = pix_zip_open(data, size, &zip, error);
    if (status)
        return status;
    a.zip = zip;
    const pix_zip_member *member;
    const uint8_t *text;
    status = find_pickle(&a, &member, error);
    if (!status)
        status = check_byte_order(&a, error);
    if (!status)
        status = pix_zip_view(member, MAX_PICKLE, &expanded, &text, error);
    if (!status) {
        status = pix_pickle_load(text, member->size, &pickle, error);
        if (status)
            (void)pix_error_prefix(error, "%s", member->name);
    }
    const pix_torch_storages storages = {find_storage, &a};
    if (!status)
        status = pix_torch_tree_read(pix_pickle_top(pickle), &storages, tensors, facts, error);
    pix_pickle_free(pickle);
    pix_bytes_free(&expanded);
    pix_zip_close(zip);
    return status;
}
