/* archives.h - writes zip archives, pickles and what PyTorch makes of them by hand, well-formed or
 * not.
 *
 * A zip_writer starts zeroed; zip_finish appends the directory. */
#ifndef PIX_TESTS_ARCHIVES_H
#define PIX_TESTS_ARCHIVES_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/base/bytes.h"

static inline void put_bytes(pix_bytes *out, const void *data, size_t size) {
    if (pix_bytes_append(out, data, size))
        abort();
}

/* `value`, little-endian, in `width` bytes. */
static inline void put_number(pix_bytes *out, uint64_t value, int width) {
    for (int i = 0; i < width; i++) {
        unsigned char byte = (unsigned char)(i < 8 ? value >> (8 * i) : 0);
        put_bytes(out, &byte, 1);
    }
}

/* Overwrites `width` bytes at `at`. */
static inline void set_number(pix_bytes *out, size_t at, uint64_t value, int width) {
    for (int i = 0; i < width; i++)
        out->data[at + (size_t)i] = (char)(unsigned char)(value >> (8 * i));
}

typedef struct zip_writer {
    pix_bytes file;
    pix_bytes directory;
    size_t directory_at; /* once finished */
    unsigned count;
    bool zip64; /* sizes and offsets in the extra field, and a zip64 end record */
} zip_writer;

static inline void zip_entry(zip_writer *zip, const char *name, size_t name_size, const void *data,
                             size_t stored_size, size_t size, uint32_t crc, int method) {
    size_t at = zip->file.size;
    put_number(&zip->file, 0x04034B50, 4);
    put_number(&zip->file, 20, 2);
    put_number(&zip->file, 0x0008, 2); /* sizes follow the data, as PyTorch has it */
    put_number(&zip->file, (uint64_t)method, 2);
    put_number(&zip->file, 0, 4 + 12);
    put_number(&zip->file, name_size, 2);
    put_number(&zip->file, 0, 2);
    put_bytes(&zip->file, name, name_size);
    put_bytes(&zip->file, data, stored_size);
    put_number(&zip->file, 0x08074B50, 4);
    put_number(&zip->file, crc, 4);
    put_number(&zip->file, stored_size, 4);
    put_number(&zip->file, size, 4);

    pix_bytes *d = &zip->directory;
    put_number(d, 0x02014B50, 4);
    put_number(d, 20 | 20 << 16, 4);
    put_number(d, 0x0008, 2);
    put_number(d, (uint64_t)method, 2);
    put_number(d, 0, 4);
    put_number(d, crc, 4);
    put_number(d, zip->zip64 ? 0xFFFFFFFF : stored_size, 4);
    put_number(d, zip->zip64 ? 0xFFFFFFFF : size, 4);
    put_number(d, name_size, 2);
    put_number(d, zip->zip64 ? 28 : 0, 2);
    put_number(d, 0, 2 + 2 + 2 + 4);
    put_number(d, zip->zip64 ? 0xFFFFFFFF : at, 4);
    put_bytes(d, name, name_size);
    if (zip->zip64) {
        put_number(d, 1 | 24 << 16, 4);
        put_number(d, size, 8);
        put_number(d, stored_size, 8);
        put_number(d, at, 8);
    }
    zip->count++;
}

static inline void zip_add(zip_writer *zip, const char *name, const void *data, size_t size) {
    uint32_t crc = (uint32_t)crc32(0, data, (uInt)size);
    zip_entry(zip, name, strlen(name), data, size, size, crc, 0);
}

static inline void zip_add_deflated(zip_writer *zip, const char *name, const void *data,
                                    size_t size) {
    static unsigned char out[1 << 20];
    z_stream stream = {.next_in = (z_const Bytef *)data,
                       .avail_in = (uInt)size,
                       .next_out = out,
                       .avail_out = sizeof out};
    if (deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&stream, Z_FINISH) != Z_STREAM_END)
        abort();
    uint32_t crc = (uint32_t)crc32(0, data, (uInt)size);
    zip_entry(zip, name, strlen(name), out, stream.total_out, size, crc, 8);
    (void)deflateEnd(&stream);
}

static inline void zip_finish(zip_writer *zip) {
    pix_bytes *f = &zip->file;
    zip->directory_at = f->size;
    put_bytes(f, zip->directory.data, zip->directory.size);
    size_t end = f->size;
    if (zip->zip64) {
        put_number(f, 0x06064B50, 4);
        put_number(f, 44, 8);
        put_number(f, 0x1E | 45 << 16, 4);
        put_number(f, 0, 8);
        put_number(f, zip->count, 8);
        put_number(f, zip->count, 8);
        put_number(f, zip->directory.size, 8);
        put_number(f, zip->directory_at, 8);
        put_number(f, 0x07064B50, 4);
        put_number(f, 0, 4);
        put_number(f, end, 8);
        put_number(f, 1, 4);
    }
    put_number(f, 0x06054B50, 4);
    put_number(f, 0, 4);
    put_number(f, zip->zip64 ? 0xFFFF : zip->count, 2);
    put_number(f, zip->zip64 ? 0xFFFF : zip->count, 2);
    put_number(f, zip->zip64 ? 0xFFFFFFFF : zip->directory.size, 4);
    put_number(f, zip->zip64 ? 0xFFFFFFFF : zip->directory_at, 4);
    put_number(f, 0, 2);
}

static inline void zip_free(zip_writer *zip) {
    pix_bytes_free(&zip->file);
    pix_bytes_free(&zip->directory);
    *zip = (zip_writer){0};
}

/* Opcodes and what follows them. */
static inline void put_opcodes(pix_bytes *out, const char *opcodes) {
    put_bytes(out, opcodes, strlen(opcodes));
}

static inline void put_text(pix_bytes *out, const char *text) {
    put_opcodes(out, "X");
    put_number(out, strlen(text), 4);
    put_opcodes(out, text);
}

static inline void put_integer(pix_bytes *out, int64_t value) {
    put_opcodes(out, "\x8a\x08");
    put_number(out, (uint64_t)value, 8);
}

/* What torch.save writes for a contiguous tensor that has a storage to itself. */
static inline void put_whole_tensor(pix_bytes *out, const char *storage_type, const char *key,
                                    int rank, const int64_t *shape, bool legacy) {
    int64_t elements = 1, stride = 1;
    for (int i = 0; i < rank; i++)
        elements *= shape[i];
    put_opcodes(out, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_text(out, "storage");
    put_opcodes(out, "ctorch\n");
    put_opcodes(out, storage_type);
    put_opcodes(out, "\n");
    put_text(out, key);
    put_text(out, "cpu");
    put_integer(out, elements);
    put_opcodes(out, legacy ? "NtQ" : "tQ"); /* None: not a view of another storage */
    put_integer(out, 0);
    put_opcodes(out, "(");
    for (int i = 0; i < rank; i++)
        put_integer(out, shape[i]);
    put_opcodes(out, "t(");
    for (int i = 0; i < rank; i++, stride = 1) {
        for (int k = i + 1; k < rank; k++)
            stride *= shape[k];
        put_integer(out, stride);
    }
    put_opcodes(out, "t\x89"
                     "ccollections\nOrderedDict\n)RtR");
}

/* What torch.save wrote before PyTorch 1.6: five pickles (magic number, protocol, machine, object,
 * keys of the storages), then each storage after the number of its elements.  `object` is a pickle;
 * its one storage is of floats. */
static inline void put_legacy_file(pix_bytes *out, const pix_bytes *object, const char *key,
                                   const float *values, size_t count) {
    put_bytes(out, "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
    put_opcodes(out, "\x80\2M\xe9\3.\x80\2}(");
    put_text(out, "protocol_version");
    put_opcodes(out, "M\xe9\3");
    put_text(out, "little_endian");
    put_opcodes(out, "\x88");
    put_text(out, "type_sizes");
    put_opcodes(out, "}(");
    static const char *const types[] = {"short", "int", "long"};
    for (size_t i = 0; i < 3; i++) {
        put_text(out, types[i]);
        put_opcodes(out, i == 0 ? "K\2" : "K\4");
    }
    put_opcodes(out, "uu.");
    put_bytes(out, object->data, object->size);
    put_opcodes(out, "\x80\2]");
    put_text(out, key);
    put_opcodes(out, "a.");
    put_number(out, count, 8);
    put_bytes(out, values, count * sizeof *values);
}

#endif
