#include "core/text/tokenizer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/bpe.h"
#include "core/text/clean.h"
#include "core/text/pretoken.h"
#include "core/text/runes.h"
#include "core/text/symbol_table.h"
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
    token *tokens; /* [merges + 1]: the last only has a start */
    char *texts;
};

static size_t text_size(const token *t) {
    return (size_t)t[1].start - t->start;
}

/* What only building needs: which symbol a text is. */
typedef struct builder {
    pix_tokenizer *tokenizer;
    pix_symbol_table names;
    size_t count; /* merges so far */
    size_t fill;  /* bytes of texts in use */
} builder;

typedef struct side {
    const char *text;
    size_t size;
    bool ends_word;
} side;

/* Reads eight bytes at a time: texts has that much room at its end. */
static uint64_t hash_side(const side *s) {
    uint64_t hash = s->size + (s->ends_word ? 1000 : 0);
    for (size_t i = 0; i < s->size; i += 8) {
        uint64_t word;
        memcpy(&word, s->text + i, 8);
        if (s->size - i < 8)
            word &= (UINT64_C(1) << 8 * (s->size - i)) - 1;
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    return hash;
}

/* The symbol of a merged text, or 0; *probe is then where it belongs. */
static uint32_t find_name(const builder *b, const side *s, uint64_t hash, size_t *probe) {
    const pix_tokenizer *tokenizer = b->tokenizer;
    *probe = 0;
    for (uint32_t symbol; (symbol = pix_symbol_next(&b->names, hash, probe)) != 0;) {
        const token *t = &tokenizer->tokens[symbol - PIX_FIRST_MERGE];
        if (text_size(t) == s->size && (bool)t->ends_word == s->ends_word &&
            memcmp(tokenizer->texts + t->start, s->text, s->size) == 0)
            return symbol;
    }
    return 0;
}

/* True when the text is a byte or was made by an earlier merge. */
static bool find_symbol(const builder *b, const side *s, uint32_t *symbol) {
    size_t probe;
    if (s->size > 1)
        return (*symbol = find_name(b, s, hash_side(s), &probe)) != 0;
    *symbol = pix_byte_symbol((unsigned char)*s->text) + (s->ends_word ? PIX_BYTE_SYMBOLS : 0);
    return true;
}

/* Appends to texts the bytes that the alphabet's characters at *at stand for; they end before any
 * other character, and *at stays there. */
static void read_side(builder *b, const char **at, const char *end, side *out) {
    const size_t mark = sizeof PIX_WORD_END - 1;
    char *start = b->tokenizer->texts + b->fill, *fill = start;
    const char *p = *at;
    for (;;) {
        while (p < end && (unsigned char)(*p - '!') <= '~' - '!')
            *fill++ = *p++;
        if (p == end || (unsigned char)*p <= ' ')
            break;
        uint32_t code;
        size_t length = pix_utf8_read(p, (size_t)(end - p), &code);
        int byte = pix_alphabet_byte(code);
        if (byte < 0)
            break;
        *fill++ = (char)byte;
        p += length;
    }
    *at = p;
    size_t size = (size_t)(fill - start);
    bool ends_word = size > mark && memcmp(fill - mark, PIX_WORD_END, mark) == 0;
    *out = (side){start, size - (ends_word ? mark : 0), ends_word};
    b->fill += out->size;
}

/* The line that a bad merge is in, for its message. */
static pix_status fail_merge(const builder *b, const char *line, const char *end, const char *why,
                             pix_error *error) {
    enum { LONGEST_SHOWN = 80 };
    size_t size = 0;
    while (size < LONGEST_SHOWN && line + size < end && line[size] != '\n')
        size++;
    return pix_fail(error, PIX_EFORMAT, "merge %zu: \"%.*s\" %s", b->count + 1, (int)size, line,
                    why);
}

static pix_status add_merge(builder *b, const char **at, const char *end, pix_error *error) {
    const char *line = *at;
    size_t start = b->fill, probe;
    uint32_t left_symbol, right_symbol;
    side left, right;
    read_side(b, at, end, &left);
    bool space = *at < end && *(*at)++ == ' ';
    read_side(b, at, end, &right);
    if (!space || *at == end || *(*at)++ != '\n' || left.size == 0 || right.size == 0)
        return fail_merge(b, line, end, "is not two parts and the end of a line", error);
    if (!find_symbol(b, &left, &left_symbol) || left.ends_word)
        return fail_merge(b, line, end, "begins with what no earlier merge made", error);
    if (!find_symbol(b, &right, &right_symbol))
        return fail_merge(b, line, end, "ends with what no earlier merge made", error);
    side whole = {left.text, left.size + right.size, right.ends_word};
    uint64_t hash = hash_side(&whole);
    if (find_name(b, &whole, hash, &probe) != 0)
        return fail_merge(b, line, end, "makes what an earlier merge made", error);
    pix_symbol_add(&b->names, hash, probe, (uint32_t)(PIX_FIRST_MERGE + b->count));
    token *t = &b->tokenizer->tokens[b->count++];
    *t = (token){(uint32_t)start & INT32_MAX, whole.ends_word};
    t[1].start = (uint32_t)b->fill & INT32_MAX;
    pix_bpe_add(&b->tokenizer->bpe, left_symbol, right_symbol);
    return PIX_OK;
}

static pix_status add_merges(builder *b, const char *merges, size_t size, pix_error *error) {
    pix_status status = PIX_OK;
    if (size == 0)
        return status;
    for (const char *end = merges + size; merges < end && !status;)
        status = add_merge(b, &merges, end, error);
    return status;
}

/* Every line begins a merge, the last one even without a newline. */
static size_t count_lines(const char *text, size_t size) {
    size_t count = 0;
    for (size_t i = 0; i < size; count++) {
        const char *newline = memchr(text + i, '\n', size - i);
        i = newline ? (size_t)(newline - text) + 1 : size;
    }
    return count;
}

pix_status pix_tokenizer_new(const char *merges, size_t size, pix_tokenizer **out,
                             pix_error *error) {
    *out = NULL;
    size_t count = count_lines(merges, size);
    if (size >= INT32_MAX || count + PIX_FIRST_MERGE + 2 > PIX_SYMBOL_LIMIT)
        return pix_fail(error, PIX_ELIMIT, "%zu merges in %zu bytes are too many", count, size);
    pix_tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    builder b = {.tokenizer = tokenizer};
    pix_status status = PIX_ENOMEM;
    if (!tokenizer)
        goto done;
    tokenizer->tokens = malloc((count + 1) * sizeof *tokenizer->tokens);
    tokenizer->texts = malloc(size + 8);
    if (tokenizer->tokens && tokenizer->texts && !pix_symbol_table_init(&b.names, count))
        status = pix_bpe_init(&tokenizer->bpe, count);
done:
    if (status)
        status = pix_fail_memory(error);
    else
        status = add_merges(&b, merges, size, error);
    pix_symbol_table_free(&b.names);
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
    return (int32_t)(PIX_FIRST_MERGE + tokenizer->bpe.count);
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
