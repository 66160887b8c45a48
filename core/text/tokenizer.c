#include "core/text/tokenizer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/bpe.h"
#include "core/text/clean.h"
#include "core/text/pretoken.h"
#include "core/text/runes.h"
#include "core/text/vocabulary.h"

#define START_TEXT "<|startoftext|>"
#define END_TEXT "<|endoftext|>"

/* The text of a merged token is texts[start] up to the next token's start. */
typedef struct token {
    uint32_t start : 31;
    uint32_t ends_word : 1;
} token;

struct pix_tokenizer {
    pix_bpe bpe;
    size_t merges;
    token *tokens; /* [merges + 1] */
    char *texts;
};

static size_t text_size(const token *t) {
    return (size_t)t[1].start - t->start;
}

/* What only building needs: which symbol a text is. */
typedef struct builder {
    pix_tokenizer *tokenizer;
    uint32_t *names; /* symbols, 0 for an empty slot */
    size_t mask;
    size_t count; /* merges so far */
    size_t fill;  /* bytes of texts in use */
} builder;

typedef struct side {
    const char *text;
    size_t size;
    bool ends_word;
    uint64_t hash;
} side;

/* FNV-1a, continued from `hash`. */
static uint64_t hash_bytes(uint64_t hash, const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001B3);
    return hash;
}

static size_t slot_of(const builder *b, const side *s) {
    uint64_t hash = s->hash ^ (s->ends_word ? UINT64_C(0x9E3779B97F4A7C15) : 0);
    return (size_t)(hash ^ hash >> 29) & b->mask;
}

/* The slot that holds the text's symbol, or the empty one where it belongs. */
static uint32_t *find_name(const builder *b, const side *s) {
    size_t at = slot_of(b, s);
    for (; b->names[at] != 0; at = (at + 1) & b->mask) {
        const token *t = &b->tokenizer->tokens[b->names[at] - PIX_FIRST_MERGE];
        if (text_size(t) == s->size && (bool)t->ends_word == s->ends_word &&
            memcmp(b->tokenizer->texts + t->start, s->text, s->size) == 0)
            break;
    }
    return &b->names[at];
}

static uint32_t find_symbol(const builder *b, const side *s) {
    if (s->size == 1)
        return pix_byte_symbol((unsigned char)*s->text) + (s->ends_word ? PIX_BYTE_SYMBOLS : 0);
    return *find_name(b, s);
}

/* Reads one side of a merge, appending its bytes to texts; false when it is no text in the
 * vocabulary's alphabet. */
static bool read_side(builder *b, const char *text, size_t size, side *out) {
    const size_t mark = sizeof PIX_WORD_END - 1;
    char *start = b->tokenizer->texts + b->fill;
    *out = (side){.text = start};
    out->ends_word = size > mark && memcmp(text + size - mark, PIX_WORD_END, mark) == 0;
    size -= out->ends_word ? mark : 0;
    for (size_t i = 0; i < size;) {
        uint32_t code;
        i += pix_utf8_read(text + i, size - i, &code);
        int byte = pix_alphabet_byte(code);
        if (byte < 0)
            return false;
        start[out->size++] = (char)byte;
    }
    b->fill += out->size;
    out->hash = hash_bytes(UINT64_C(0xCBF29CE484222325), out->text, out->size);
    return out->size > 0;
}

static pix_status add_merge(builder *b, const char *line, size_t size, pix_error *error) {
    const char *space = memchr(line, ' ', size);
    int shown = (int)(size < 80 ? size : 80);
    side left, right;
    size_t start = b->fill, number = b->count + 1;
    if (!space || !read_side(b, line, (size_t)(space - line), &left) ||
        !read_side(b, space + 1, size - (size_t)(space - line) - 1, &right))
        return pix_fail(error, PIX_EFORMAT, "merge %zu: \"%.*s\" is not two parts", number, shown,
                        line);
    uint32_t left_symbol = find_symbol(b, &left), right_symbol = find_symbol(b, &right);
    bool left_known = left.size == 1 || left_symbol != 0;
    bool right_known = right.size == 1 || right_symbol != 0;
    if (!left_known || !right_known || left.ends_word)
        return pix_fail(error, PIX_EFORMAT,
                        "merge %zu: the %s part of \"%.*s\" is not what an earlier merge made",
                        number, left_known && !left.ends_word ? "right" : "left", shown, line);
    side whole = {left.text, left.size + right.size, right.ends_word,
                  hash_bytes(left.hash, right.text, right.size)};
    uint32_t symbol = (uint32_t)(PIX_FIRST_MERGE + b->count), *name = find_name(b, &whole);
    if (*name != 0)
        return pix_fail(error, PIX_EFORMAT, "merge %zu: \"%.*s\" was made before", number, shown,
                        line);
    *name = symbol;
    token *t = &b->tokenizer->tokens[b->count++];
    *t = (token){(uint32_t)start & INT32_MAX, whole.ends_word};
    t[1].start = (uint32_t)b->fill & INT32_MAX;
    (void)pix_bpe_add(&b->tokenizer->bpe, left_symbol, right_symbol, symbol);
    return PIX_OK;
}

static pix_status add_merges(builder *b, const char *merges, size_t size, pix_error *error) {
    for (const char *line = merges, *end = merges + size; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline)
            return pix_fail(error, PIX_EFORMAT, "merge %zu: its line does not end", b->count + 1);
        pix_status status = add_merge(b, line, (size_t)(newline - line), error);
        if (status)
            return status;
        line = newline + 1;
    }
    return PIX_OK;
}

static size_t count_lines(const char *text, size_t size) {
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += text[i] == '\n';
    return count;
}

pix_status pix_tokenizer_new(const char *merges, size_t size, pix_tokenizer **out,
                             pix_error *error) {
    *out = NULL;
    if (size >= INT32_MAX)
        return pix_fail(error, PIX_ELIMIT, "merges of %zu bytes are too large", size);
    size_t slots = 64, count = count_lines(merges, size);
    while (slots < 2 * count)
        slots *= 2;
    pix_tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    builder b = {.tokenizer = tokenizer, .mask = slots - 1};
    pix_status status = PIX_ENOMEM;
    if (!tokenizer)
        goto done;
    tokenizer->merges = count;
    tokenizer->tokens = calloc(count + 1, sizeof *tokenizer->tokens);
    tokenizer->texts = malloc(size + 1);
    b.names = calloc(slots, sizeof *b.names);
    if (tokenizer->tokens && tokenizer->texts && b.names)
        status = pix_bpe_init(&tokenizer->bpe, count);
done:
    if (status)
        status = pix_fail_memory(error);
    else
        status = add_merges(&b, merges, size, error);
    free(b.names);
    if (status)
        pix_tokenizer_free(tokenizer);
    else
        *out = tokenizer;
    return status;
}

void pix_tokenizer_free(pix_tokenizer *tokenizer) {
    if (!tokenizer)
        return;
    pix_bpe_free(&tokenizer->bpe);
    free(tokenizer->tokens);
    free(tokenizer->texts);
    free(tokenizer);
}

int32_t pix_tokenizer_start(const pix_tokenizer *tokenizer) {
    return (int32_t)(PIX_FIRST_MERGE + tokenizer->merges);
}

int32_t pix_tokenizer_end(const pix_tokenizer *tokenizer) {
    return pix_tokenizer_start(tokenizer) + 1;
}

static bool is_text(const char *word, size_t size, const char *text) {
    return size == strlen(text) && memcmp(word, text, size) == 0;
}

static pix_status add_id(pix_ids *ids, int32_t id) {
    pix_status status = pix_ids_reserve(ids, 1);
    if (!status)
        ids->data[ids->count++] = id;
    return status;
}

pix_status pix_tokenizer_encode(const pix_tokenizer *tokenizer, const char *text, size_t size,
                                pix_ids *out) {
    pix_bytes clean = {0};
    out->count = 0;
    pix_status status = add_id(out, pix_tokenizer_start(tokenizer));
    if (!status)
        status = pix_clean(text, size, &clean);
    for (size_t at = 0; !status;) {
        size_t length = pix_pretoken_next(clean.data, clean.size, &at);
        const char *word = clean.data + at;
        if (length == 0)
            break;
        if (is_text(word, length, START_TEXT))
            status = add_id(out, pix_tokenizer_start(tokenizer));
        else if (is_text(word, length, END_TEXT))
            status = add_id(out, pix_tokenizer_end(tokenizer));
        else
            status = pix_bpe_encode(&tokenizer->bpe, word, length, out);
        at += length;
    }
    pix_bytes_free(&clean);
    return status ? status : add_id(out, pix_tokenizer_end(tokenizer));
}

size_t pix_tokenizer_truncate(const pix_tokenizer *tokenizer, pix_ids *ids, size_t context_length) {
    if (ids->count <= context_length)
        return 0;
    size_t cut = ids->count - context_length;
    ids->count = context_length;
    if (context_length > 0)
        ids->data[context_length - 1] = pix_tokenizer_end(tokenizer);
    return cut;
}

static pix_status append_token(const pix_tokenizer *tokenizer, uint32_t id, pix_bytes *out) {
    bool ends_word = id >= PIX_BYTE_SYMBOLS;
    pix_status status;
    if (id < PIX_FIRST_MERGE) {
        char byte = (char)pix_symbol_byte(id % PIX_BYTE_SYMBOLS);
        status = pix_bytes_append(out, &byte, 1);
    } else {
        const token *t = &tokenizer->tokens[id - PIX_FIRST_MERGE];
        ends_word = t->ends_word;
        status = pix_bytes_append(out, tokenizer->texts + t->start, text_size(t));
    }
    return !status && ends_word ? pix_bytes_append_text(out, PIX_WORD_END) : status;
}

/* Bytes that are not UTF-8 become U+FFFD, then every "</w>" a space, one from the text itself too.
 */
static pix_status append_decoded(const pix_bytes *raw, pix_bytes *out) {
    const size_t mark = sizeof PIX_WORD_END - 1;
    pix_status status = PIX_OK;
    for (size_t i = 0; i < raw->size && !status;) {
        const char *text = raw->data + i;
        uint32_t code;
        size_t length = pix_utf8_read(text, raw->size - i, &code);
        if (raw->size - i >= mark && memcmp(text, PIX_WORD_END, mark) == 0) {
            status = pix_bytes_append(out, " ", 1);
            length = mark;
        } else {
            status = pix_bytes_append_utf8(out, code == PIX_NOT_UTF8 ? PIX_REPLACEMENT : code);
        }
        i += length;
    }
    return status;
}

pix_status pix_tokenizer_decode(const pix_tokenizer *tokenizer, const int32_t *ids, size_t count,
                                pix_bytes *out, pix_error *error) {
    pix_bytes raw = {0};
    pix_status status = PIX_OK;
    for (size_t i = 0; i < count && !status; i++) {
        if (ids[i] < 0 || ids[i] > pix_tokenizer_end(tokenizer)) {
            pix_bytes_free(&raw);
            return pix_fail(error, PIX_EINVALID, "token %d is not in the vocabulary (0 to %d)",
                            (int)ids[i], (int)pix_tokenizer_end(tokenizer));
        }
        if (ids[i] >= pix_tokenizer_start(tokenizer))
            status = pix_bytes_append_text(
                &raw, ids[i] == pix_tokenizer_start(tokenizer) ? START_TEXT : END_TEXT);
        else
            status = append_token(tokenizer, (uint32_t)ids[i], &raw);
    }
    if (!status)
        status = append_decoded(&raw, out);
    pix_bytes_free(&raw);
    return status ? pix_fail_memory(error) : PIX_OK;
}
