#include "core/weights/zip.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/gzip.h"
#include "core/weights/little_endian.h"

/* Record sizes and signatures of PKWARE's APPNOTE.TXT 6.3, sections 4.3.7 to 4.3.16. */
enum {
    LOCAL_SIZE = 30,
    CENTRAL_SIZE = 46,
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR_SIZE = 20,
    MAX_COMMENT = 65535,
    MAX_MEMBERS = 1 << 20
};
static const uint32_t local_signature = 0x04034B50, central_signature = 0x02014B50,
                      end_signature = 0x06054B50, end64_signature = 0x06064B50,
                      locator_signature = 0x07064B50;

struct pix_zip {
    const uint8_t *data;
    size_t size;
    pix_zip_member *members;
    size_t count;
    char *names; /* one block, every name NUL-terminated */
};

/* What the end record says of the central directory. */
typedef struct directory {
    size_t offset, size, count;
    size_t end; /* nothing of the directory or the members lies at or after this */
} directory;

bool pix_zip_looks_like(const uint8_t *data, size_t size) {
    return size >= 4 && (pix_load32(data) == local_signature || pix_load32(data) == end_signature);
}

static pix_status several_volumes(pix_error *error) {
    return pix_fail(error, PIX_EUNSUPPORTED, "zip archive in several volumes");
}

/* What the old record says is all ones where only the new one has room for the truth. */
static bool agree(const directory *old, const directory *new) {
    return (old->count == UINT16_MAX || old->count == new->count) &&
           (old->size == UINT32_MAX || old->size == new->size) &&
           (old->offset == UINT32_MAX || old->offset == new->offset);
}

/* The zip64 end record that a locator just before the end record at `end` points to, if any. */
static pix_status find_end64(const pix_zip *zip, size_t end, directory *found, pix_error *error) {
    if (end < LOCATOR_SIZE || pix_load32(zip->data + end - LOCATOR_SIZE) != locator_signature)
        return PIX_OK;
    size_t locator = end - LOCATOR_SIZE;
    uint64_t offset = pix_load64(zip->data + locator + 8);
    if (locator < END64_SIZE || offset > locator - END64_SIZE ||
        pix_load32(zip->data + offset) != end64_signature)
        return pix_fail(error, PIX_EFORMAT, "corrupt zip archive: no zip64 end record at byte %llu",
                        (unsigned long long)offset);
    const uint8_t *record = zip->data + offset;
    if (pix_load32(zip->data + locator + 4) != 0 || pix_load32(zip->data + locator + 16) > 1 ||
        pix_load32(record + 16) != 0 || pix_load32(record + 20) != 0 ||
        pix_load64(record + 24) != pix_load64(record + 32))
        return several_volumes(error);
    const directory old = *found;
    *found = (directory){.count = pix_load64(record + 32),
                         .size = pix_load64(record + 40),
                         .offset = pix_load64(record + 48),
                         .end = offset};
    return agree(&old, found)
               ? PIX_OK
               : pix_fail(error, PIX_EFORMAT, "corrupt zip archive: its two end records disagree");
}

static pix_status find_directory(const pix_zip *zip, directory *found, pix_error *error) {
    size_t end = zip->size >= END_SIZE ? zip->size - END_SIZE : 0;
    size_t lowest = end > MAX_COMMENT ? end - MAX_COMMENT : 0;
    const uint8_t *record = NULL;
    for (; zip->size >= END_SIZE; end--) {
        record = zip->data + end;
        if (pix_load32(record) == end_signature &&
            pix_load16(record + 20) == zip->size - END_SIZE - end)
            break;
        record = NULL;
        if (end == lowest)
            break;
    }
    if (!record)
        return pix_fail(error, PIX_EFORMAT,
                        "truncated zip archive: no central directory in its %zu bytes", zip->size);
    if (pix_load16(record + 4) != 0 || pix_load16(record + 6) != 0 ||
        pix_load16(record + 8) != pix_load16(record + 10))
        return several_volumes(error);
    *found = (directory){.count = pix_load16(record + 10),
                         .size = pix_load32(record + 12),
                         .offset = pix_load32(record + 16),
                         .end = end};
    pix_status status = find_end64(zip, end, found, error);
    if (status)
        return status;
    if (found->offset > found->end || found->size > found->end - found->offset)
        return pix_fail(error, PIX_EFORMAT,
                        "corrupt zip archive: its directory (%zu bytes at %zu) is not inside the "
                        "file's %zu bytes",
                        found->size, found->offset, zip->size);
    if (found->size < found->end - found->offset)
        return pix_fail(error, PIX_EFORMAT,
                        "corrupt zip archive: its directory (%zu bytes at %zu) does not reach its "
                        "end record",
                        found->size, found->offset);
    if (found->count > MAX_MEMBERS || found->count > found->size / CENTRAL_SIZE)
        return pix_fail(error, PIX_EFORMAT,
                        "corrupt zip archive: %zu members in a directory of %zu bytes",
                        found->count, found->size);
    return PIX_OK;
}

/* Sizes and the offset of one member; fields that are all ones stand in the zip64 extra field, in
 * this order and only those. */
static bool read_zip64(const uint8_t *extra, size_t size, uint64_t *fields[3]) {
    static const uint32_t absent = 0xFFFFFFFF;
    while (size >= 4) {
        size_t length = pix_load16(extra + 2);
        if (length > size - 4)
            return false;
        if (pix_load16(extra) == 1) {
            const uint8_t *at = extra + 4;
            for (int i = 0; i < 3; i++) {
                if (*fields[i] != absent)
                    continue;
                if (length < 8)
                    return false;
                *fields[i] = pix_load64(at);
                at += 8;
                length -= 8;
            }
            return true;
        }
        extra += 4 + length;
        size -= 4 + length;
    }
    return *fields[0] != absent && *fields[1] != absent && *fields[2] != absent;
}

/* Control bytes in a name would end up in error messages; NUL would make two names look the same.
 */
static bool good_name(const uint8_t *name, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (name[i] < 0x20 || name[i] == 0x7F)
            return false;
    return size > 0;
}

static pix_status corrupt(const char *name, const char *cause, pix_error *error) {
    return pix_fail(error, PIX_EFORMAT, "corrupt zip archive: member %s %s", name, cause);
}

/* Finds the member's data behind its local header, which must be the one the directory means. */
static pix_status locate(const pix_zip *zip, pix_zip_member *member, uint64_t offset,
                         uint16_t method, size_t limit, pix_error *error) {
    size_t name_size = strlen(member->name);
    if (limit < LOCAL_SIZE || offset > limit - LOCAL_SIZE)
        return corrupt(member->name, "lies outside the file", error);
    const uint8_t *header = zip->data + offset;
    size_t start = (size_t)offset + LOCAL_SIZE + pix_load16(header + 26) + pix_load16(header + 28);
    if (pix_load32(header) != local_signature)
        return corrupt(member->name, "has no header where the directory says", error);
    if (start > limit || member->stored_size > limit - start)
        return corrupt(member->name, "reaches beyond the file", error);
    if (pix_load16(header + 8) != method || pix_load16(header + 26) != name_size ||
        memcmp(header + LOCAL_SIZE, member->name, name_size) != 0)
        return corrupt(member->name, "is called otherwise in its own header", error);
    member->data = zip->data + start;
    return PIX_OK;
}

/* One entry of the directory: *at moves past it, *name past the copy of its name. */
static pix_status read_entry(const pix_zip *zip, const directory *found, size_t *at, char **name,
                             pix_zip_member *member, pix_error *error) {
    const uint8_t *entry = zip->data + *at;
    size_t left = found->offset + found->size - *at;
    size_t name_size = 0, extra_size = 0, total = CENTRAL_SIZE;
    if (left >= CENTRAL_SIZE) {
        name_size = pix_load16(entry + 28);
        extra_size = pix_load16(entry + 30);
        total += name_size + extra_size + pix_load16(entry + 32);
    }
    if (left < total || pix_load32(entry) != central_signature)
        return pix_fail(error, PIX_EFORMAT, "corrupt zip archive: bad directory entry at byte %zu",
                        *at);
    if (!good_name(entry + CENTRAL_SIZE, name_size))
        return pix_fail(error, PIX_EFORMAT, "corrupt zip archive: bad member name at byte %zu",
                        *at + CENTRAL_SIZE);
    memcpy(*name, entry + CENTRAL_SIZE, name_size);
    (*name)[name_size] = '\0';
    member->name = *name;
    *name += name_size + 1;
    uint64_t stored_size = pix_load32(entry + 20), size = pix_load32(entry + 24),
             offset = pix_load32(entry + 42);
    uint16_t flags = pix_load16(entry + 8), method = pix_load16(entry + 10);
    if (!read_zip64(entry + CENTRAL_SIZE + name_size, extra_size,
                    (uint64_t *[]){&size, &stored_size, &offset}))
        return corrupt(member->name, "has a bad zip64 field", error);
    if (flags & 1)
        return pix_fail(error, PIX_EUNSUPPORTED, "member %s is encrypted", member->name);
    if (method != 0 && method != 8)
        return pix_fail(error, PIX_EUNSUPPORTED, "member %s uses zip compression method %u",
                        member->name, method);
    if (method == 0 && size != stored_size)
        return corrupt(member->name, "is stored with two different sizes", error);
    member->stored_size = stored_size;
    member->size = size;
    member->stored = method == 0;
    member->crc32 = pix_load32(entry + 16);
    *at += total;
    return locate(zip, member, offset, method, found->offset, error);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const pix_zip_member *)a)->name, ((const pix_zip_member *)b)->name);
}

static int by_place(const void *a, const void *b) {
    const uint8_t *x = ((const pix_zip_member *)a)->data, *y = ((const pix_zip_member *)b)->data;
    return (x > y) - (x < y);
}

/* Leaves the members sorted by name.  Overlapping members are how a small archive claims to hold a
 * large one.  A member's header lies just before its data and is the member's own too. */
static pix_status check_members(pix_zip *zip, pix_error *error) {
    if (zip->count == 0)
        return PIX_OK;
    qsort(zip->members, zip->count, sizeof *zip->members, by_place);
    for (size_t i = 1; i < zip->count; i++) {
        const pix_zip_member *before = &zip->members[i - 1], *member = &zip->members[i];
        size_t gap = (size_t)(member->data - before->data);
        if (gap < before->stored_size ||
            gap - before->stored_size < LOCAL_SIZE + strlen(member->name))
            return pix_fail(error, PIX_EFORMAT, "corrupt zip archive: members %s and %s overlap",
                            before->name, member->name);
    }
    qsort(zip->members, zip->count, sizeof *zip->members, by_name);
    for (size_t i = 1; i < zip->count; i++)
        if (by_name(&zip->members[i - 1], &zip->members[i]) == 0)
            return corrupt(zip->members[i].name, "exists twice", error);
    return PIX_OK;
}

pix_status pix_zip_open(const uint8_t *data, size_t size, pix_zip **out, pix_error *error) {
    *out = NULL;
    pix_zip *zip = calloc(1, sizeof *zip);
    if (!zip)
        return pix_fail_memory(error);
    zip->data = data;
    zip->size = size;
    directory found = {0};
    pix_status status = find_directory(zip, &found, error);
    if (status)
        goto fail;
    zip->members = calloc(found.count + 1, sizeof *zip->members);
    zip->names = malloc(found.size + 1); /* an entry is longer than its name */
    if (!zip->members || !zip->names) {
        status = pix_fail_memory(error);
        goto fail;
    }
    size_t at = found.offset;
    char *name = zip->names;
    for (; zip->count < found.count; zip->count++) {
        status = read_entry(zip, &found, &at, &name, &zip->members[zip->count], error);
        if (status)
            goto fail;
    }
    if (at != found.end) {
        status = pix_fail(error, PIX_EFORMAT,
                          "corrupt zip archive: %zu bytes of its directory follow the last of %zu "
                          "members",
                          found.end - at, found.count);
        goto fail;
    }
    status = check_members(zip, error);
    if (status)
        goto fail;
    *out = zip;
    return PIX_OK;
fail:
    pix_zip_close(zip);
    return status;
}

void pix_zip_close(pix_zip *zip) {
    if (!zip)
        return;
    free(zip->members);
    free(zip->names);
    free(zip);
}

size_t pix_zip_count(const pix_zip *zip) {
    return zip->count;
}

const pix_zip_member *pix_zip_at(const pix_zip *zip, size_t index) {
    return &zip->members[index];
}

const pix_zip_member *pix_zip_find(const pix_zip *zip, const char *name) {
    pix_zip_member key = {.name = name};
    if (zip->count == 0)
        return NULL;
    return bsearch(&key, zip->members, zip->count, sizeof key, by_name);
}

pix_status pix_zip_view(const pix_zip_member *member, size_t limit, pix_bytes *expanded,
                        const uint8_t **data, pix_error *error) {
    *data = NULL;
    if (member->size > limit)
        return pix_fail(error, PIX_ELIMIT, "member %s has %zu bytes, more than the %zu allowed",
                        member->name, member->size, limit);
    if (member->stored) {
        *data = member->data;
        return PIX_OK;
    }
    if (pix_deflate_expand(member->data, member->stored_size, member->size, member->crc32, expanded,
                           error))
        return pix_error_prefix(error, "member %s", member->name);
    *data = (const uint8_t *)expanded->data;
    return PIX_OK;
}
