/* The three kinds of file that hold CLIP's merges, read into pixgrep's own form. */
#include "core/text/vocabulary.h"

#include <stdbool.h>
#include <string.h>

#include <jansson.h>

#include "core/base/files.h"
#include "core/base/gzip.h"
#include "core/base/json.h"
#include "core/text/bpe.h"

enum {
    LARGEST_FILE = 32 << 20, /* expanded; OpenAI's has 3.2 MB */
    MOST_VALUES = 2 << 20,   /* of a JSON file; CLIP's has 200 thousand */
    LARGEST_TOKEN_COUNT = 1 << 24,
    SPECIAL_TOKENS = 2,
    LONGEST_SHOWN = 60 /* bytes of a token in an error message */
};

/* CLIP's byte symbols are in the order of this alphabet: 188 printable bytes, then the others. */
int pix_alphabet_byte(uint32_t code) {
    if (code >= 0x100 && code <= 0x143)
        return pix_symbol_byte(code - 0x100 + 188);
    if (code > 0xFF || pix_byte_symbol((unsigned char)code) >= 188)
        return -1;
    return (int)code;
}

uint32_t pix_alphabet_character(unsigned char byte) {
    uint32_t symbol = pix_byte_symbol(byte);
    return symbol < 188 ? byte : 0x100 + symbol - 188;
}

static pix_status too_few(const char *path, size_t count, size_t need, pix_error *error) {
    return pix_fail(error, PIX_EMISMATCH, "%s: holds %zu merges, a model of %zu tokens needs %zu",
                    path, count, need + PIX_FIRST_MERGE + SPECIAL_TOKENS, need);
}

/* One "left right" a line, after a header that names a version. */
static pix_status load_lines(const char *path, const pix_bytes *file, size_t need, pix_bytes *out,
                             pix_error *error) {
    const char *line = file->data, *end = file->data + file->size;
    size_t count = 0;
    for (bool first = true; line < end && count < need; first = false) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t size = (size_t)((newline ? newline : end) - line);
        size_t text = size > 0 && line[size - 1] == '\r' ? size - 1 : size;
        if (!(first && memmem(line, text, "#version", 8)) && text > 0) {
            if (pix_bytes_append(out, line, text) || pix_bytes_append(out, "\n", 1))
                return pix_fail_memory(error);
            count++;
        }
        line += size + 1;
    }
    return count < need ? too_few(path, count, need, error) : PIX_OK;
}

/* The token numbered `id` must be `name` followed by `rest`. */
static pix_status expect(const char *path, const json_t *vocab, const char *name, const char *rest,
                         size_t id, pix_error *error) {
    pix_bytes key = {0};
    if (pix_bytes_append_text(&key, name) || pix_bytes_append_text(&key, rest)) {
        pix_bytes_free(&key);
        return pix_fail_memory(error);
    }
    const json_t *number = json_object_getn(vocab, key.data, key.size);
    pix_status status = PIX_OK;
    if (!json_is_integer(number))
        status = pix_fail(error, PIX_EMISMATCH, "%s: has no token \"%.*s\", which is CLIP's %zu",
                          path, LONGEST_SHOWN, key.data, id);
    else if (json_integer_value(number) != (json_int_t)id)
        status = pix_fail(error, PIX_EMISMATCH,
                          "%s: token \"%.*s\" has the number %" JSON_INTEGER_FORMAT
                          ", in CLIP's vocabulary it has %zu",
                          path, LONGEST_SHOWN, key.data, json_integer_value(number), id);
    pix_bytes_free(&key);
    return status;
}

static pix_status check_bytes(const char *path, const json_t *vocab, pix_error *error) {
    pix_status status = PIX_OK;
    pix_bytes name = {0};
    for (unsigned byte = 0; byte < PIX_BYTE_SYMBOLS && !status; byte++) {
        uint32_t symbol = pix_byte_symbol((unsigned char)byte);
        pix_bytes_clear(&name);
        if (pix_bytes_append_utf8(&name, pix_alphabet_character((unsigned char)byte))) {
            status = pix_fail_memory(error);
            break;
        }
        status = expect(path, vocab, name.data, "", symbol, error);
        if (!status)
            status = expect(path, vocab, name.data, PIX_WORD_END, PIX_BYTE_SYMBOLS + symbol, error);
    }
    pix_bytes_free(&name);
    return status;
}

/* A merge is "left right" or ["left", "right"]. */
static pix_status load_json_merge(const char *path, const json_t *vocab, const json_t *merge,
                                  size_t index, pix_bytes *out, pix_error *error) {
    size_t start = out->size;
    pix_status status = PIX_ENOMEM;
    const char *left = json_string_value(json_array_get(merge, 0));
    const char *right = json_string_value(json_array_get(merge, 1));
    if (json_is_string(merge)) {
        status = pix_bytes_append_text(out, json_string_value(merge));
    } else if (left && right && json_array_size(merge) == 2) {
        if (!pix_bytes_append_text(out, left) && !pix_bytes_append(out, " ", 1))
            status = pix_bytes_append_text(out, right);
    } else {
        return pix_fail(error, PIX_EFORMAT, "%s: merge %zu is neither a string nor a pair", path,
                        index + 1);
    }
    if (status)
        return pix_fail_memory(error);
    char *space = memchr(out->data + start, ' ', out->size - start);
    if (!space)
        return pix_fail(error, PIX_EFORMAT, "%s: merge %zu has one part", path, index + 1);
    *space = '\0';
    status = expect(path, vocab, out->data + start, space + 1, PIX_FIRST_MERGE + index, error);
    *space = ' ';
    if (!status && pix_bytes_append(out, "\n", 1))
        status = pix_fail_memory(error);
    return status;
}

static pix_status load_json(const char *path, const pix_bytes *file, size_t need, pix_bytes *out,
                            pix_error *error) {
    json_error_t reason;
    if (pix_json_most_values(file->data, file->size) > MOST_VALUES)
        return pix_fail(error, PIX_ELIMIT, "%s: more than %d values: not CLIP's vocabulary", path,
                        MOST_VALUES);
    json_t *root = json_loadb(file->data, file->size, 0, &reason);
    if (!root)
        return pix_fail(error, PIX_EFORMAT, "%s: line %d: %s", path, reason.line, reason.text);
    const json_t *model = json_object_get(root, "model");
    const json_t *vocab = json_object_get(model, "vocab");
    const json_t *merges = json_object_get(model, "merges");
    pix_status status;
    if (!json_is_object(vocab) || !json_is_array(merges))
        status = pix_fail(error, PIX_EFORMAT, "%s: has no BPE model with vocab and merges", path);
    else if (json_array_size(merges) < need)
        status = too_few(path, json_array_size(merges), need, error);
    else
        status = check_bytes(path, vocab, error);
    for (size_t i = 0; i < need && !status; i++)
        status = load_json_merge(path, vocab, json_array_get(merges, i), i, out, error);
    if (!status)
        status = expect(path, vocab, "<|startoftext|>", "", PIX_FIRST_MERGE + need, error);
    if (!status)
        status = expect(path, vocab, "<|endoftext|>", "", PIX_FIRST_MERGE + need + 1, error);
    json_decref(root);
    return status;
}

static pix_status read_file(const char *path, pix_bytes *out, pix_error *error) {
    pix_bytes packed = {0};
    pix_status status = pix_file_read(path, LARGEST_FILE, out, error);
    if (!status && pix_gzip_looks_like(out->data, out->size)) {
        packed = *out;
        *out = (pix_bytes){0};
        status = pix_gzip_expand(packed.data, packed.size, LARGEST_FILE, out, error);
        if (status)
            status = pix_error_prefix(error, "%s", path);
    }
    pix_bytes_free(&packed);
    return status;
}

pix_status pix_vocabulary_load(const char *path, size_t token_count, pix_bytes *merges,
                               pix_error *error) {
    if (token_count < PIX_FIRST_MERGE + SPECIAL_TOKENS || token_count > LARGEST_TOKEN_COUNT)
        return pix_fail(error, PIX_EMISMATCH,
                        "%s: a model of %zu tokens cannot use CLIP's vocabulary, which starts with "
                        "512 bytes and ends with 2 special tokens",
                        path, token_count);
    size_t need = token_count - PIX_FIRST_MERGE - SPECIAL_TOKENS;
    pix_bytes file = {0}, found = {0};
    pix_status status = read_file(path, &file, error);
    if (!status)
        status = file.size > 0 && file.data[0] == '{'
                     ? load_json(path, &file, need, &found, error)
                     : load_lines(path, &file, need, &found, error);
    pix_tokenizer *tokenizer = NULL;
    if (!status) {
        status = pix_tokenizer_new(found.data, found.size, &tokenizer, error);
        if (status)
            status = pix_error_prefix(error, "%s", path);
    }
    if (!status && pix_bytes_append(merges, found.data, found.size))
        status = pix_fail_memory(error);
    pix_tokenizer_free(tokenizer);
    pix_bytes_free(&file);
    pix_bytes_free(&found);
    return status;
}
