#include "core/weights/sniff.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "core/base/bytes.h"

/* Longer beginnings before the shorter ones they contain. */
static const struct {
    const char *start;
    size_t size, at;
    pix_status status;
    const char *text;
} signatures[] = {
#define SIGNATURE(start, at, status, text)                                                         \
    { start, sizeof(start) - 1, at, status, text }
    SIGNATURE("ustar", 257, PIX_EUNSUPPORTED, "a tar archive"),
    SIGNATURE("GGUF", 0, PIX_EUNSUPPORTED, "a GGUF model, which is not supported"),
    SIGNATURE("lmgg", 0, PIX_EUNSUPPORTED, "a GGML model, which is not supported"),
    SIGNATURE("\x89HDF\r\n\x1a\n", 0, PIX_EUNSUPPORTED,
              "an HDF5 file (Keras?), which is not supported"),
    SIGNATURE("TFL3", 4, PIX_EUNSUPPORTED, "a TFLite model, which is not supported"),
    SIGNATURE("version https://git-lfs.github.com/", 0, PIX_EFORMAT,
              "a Git LFS pointer instead of the weights: run git lfs pull"),
    SIGNATURE("\x1f\x8b", 0, PIX_EFORMAT, "gzip data"),
    SIGNATURE("BZh", 0, PIX_EFORMAT, "bzip2 data"),
    SIGNATURE("\xfd"
              "7zXZ",
              0, PIX_EFORMAT, "xz data"),
    SIGNATURE("\x28\xb5\x2f\xfd", 0, PIX_EFORMAT, "zstd data"),
    SIGNATURE("7z\xbc\xaf\x27\x1c", 0, PIX_EFORMAT, "a 7z archive"),
    SIGNATURE("\xff\xd8\xff", 0, PIX_EFORMAT, "a JPEG picture"),
    SIGNATURE("\x89PNG", 0, PIX_EFORMAT, "a PNG picture"),
    SIGNATURE("\x93NUMPY", 0, PIX_EFORMAT, "a NumPy array"),
    SIGNATURE("\x7f"
              "ELF",
              0, PIX_EFORMAT, "a program"),
    SIGNATURE("SQLite format 3", 0, PIX_EFORMAT, "an SQLite database"),
    SIGNATURE("%PDF", 0, PIX_EFORMAT, "a PDF document"),
    SIGNATURE("<!doctype", 0, PIX_EFORMAT, "a web page (a download that failed?)"),
    SIGNATURE("<html", 0, PIX_EFORMAT, "a web page (a download that failed?)"),
    SIGNATURE("<?xml", 0, PIX_EFORMAT, "an XML document (a download that failed?)"),
    SIGNATURE("{", 0, PIX_EFORMAT, "a JSON text; give the weights, or the folder they are in"),
    SIGNATURE("\x80\x02", 0, PIX_EFORMAT, "a Python pickle, but not one of torch.save"),
    SIGNATURE("\x80\x03", 0, PIX_EFORMAT, "a Python pickle, but not one of torch.save"),
    SIGNATURE("\x80\x04", 0, PIX_EFORMAT, "a Python pickle, but not one of torch.save"),
    SIGNATURE("\x80\x05", 0, PIX_EFORMAT, "a Python pickle, but not one of torch.save"),
#undef SIGNATURE
};

/* A protobuf that begins with ir_version, a small number, and then the name of its producer. */
static bool is_onnx(const uint8_t *data, size_t size) {
    return size >= 4 && data[0] == 0x08 && data[1] < 0x20 && data[2] == 0x12 && data[3] < 0x40;
}

/* Where the text of a web page or the like begins: after a byte order mark and white space. */
static size_t start_of_text(const uint8_t *data, size_t size) {
    size_t at = size >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (at < size && at < 64 && strchr(" \t\r\n", data[at]) && data[at])
        at++;
    return at;
}

pix_status pix_sniff_refuse(const uint8_t *data, size_t size, pix_error *error) {
    if (size == 0)
        return pix_fail(error, PIX_EFORMAT, "an empty file");
    if (is_onnx(data, size))
        return pix_fail(error, PIX_EUNSUPPORTED,
                        "not a checkpoint; looks like an ONNX model, which is not supported");
    size_t text_at = start_of_text(data, size);
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        size_t at = signatures[i].at, length = signatures[i].size;
        if (signatures[i].start[0] == '<' || signatures[i].start[0] == '{')
            at = text_at;
        /* Without regard to case, for HTML; the binary signatures have too few letters to care. */
        if (size >= at + length &&
            (memcmp(data + at, signatures[i].start, length) == 0 ||
             strncasecmp((const char *)data + at, signatures[i].start, length) == 0))
            return pix_fail(error, signatures[i].status, "not a checkpoint; looks like %s",
                            signatures[i].text);
    }
    size_t shown = size < 512 ? size : 512;
    bool text = true, zeros = true;
    for (size_t i = 0; i < shown; i++) {
        text = text && data[i] != 0x7F && (data[i] >= 0x20 || (data[i] >= 0x09 && data[i] <= 0x0D));
        zeros = zeros && data[i] == 0;
    }
    return pix_fail(error, PIX_EFORMAT,
                    "not a checkpoint; looks like %s (%zu bytes); a file of PyTorch or of "
                    "safetensors is wanted",
                    text    ? "text"
                    : zeros ? "zeros, a download that was never filled in"
                            : "unknown binary data",
                    size);
}
