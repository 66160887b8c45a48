#include "query/expression.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/text/clean.h"

static const char uri_scheme[] = "file://";
static const char blanks[] = " \t\n\v\f\r";
static const char digits[] = "0123456789";

/* Nobody needs more, and no sum of such weights overflows or vanishes. */
static const double LEAST_WEIGHT = 1e-6, MOST_WEIGHT = 1e6;

typedef struct parser {
    pix_expression *out;
    char sign;     /* of the next term, or of the one before */
    bool expects;  /* nothing stands before the next word, or a sign does: a term begins */
    bool in_files; /* the last term is a FILE of --like */
    pix_error *error;
} parser;

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_picture(const char *text) {
    return starts_with(text, "/") || starts_with(text, "./") || starts_with(text, "../") ||
           starts_with(text, "~/") || starts_with(text, uri_scheme);
}

static bool is_sign(const char *text) {
    return (text[0] == '+' || text[0] == '-') && (!text[1] || strchr(blanks, text[1]));
}

/* How long the "N:" is that the text begins with, 0 when it begins with none.  Something that is no
 * blank follows, and no digit either: 16:9 and 2:30 are words. */
static size_t weight_size(const char *text) {
    size_t sign = text[0] == '+' || text[0] == '-';
    size_t whole = strspn(text + sign, digits), size = sign + whole, part = 0;
    if (text[size] == '.') {
        part = strspn(text + size + 1, digits);
        size += 1 + part;
    }
    if (whole + part == 0 || text[size] != ':')
        return 0;
    char next = text[size + 1];
    return next && !strchr(blanks, next) && !strchr(digits, next) ? size + 1 : 0;
}

static pix_status read_weight(const char *text, size_t size, double *weight, pix_error *error) {
    *weight = 1;
    if (size == 0)
        return PIX_OK;
    if (text[0] == '+' || text[0] == '-')
        return pix_fail(error, PIX_EINVALID,
                        "'%.*s': a weight has no sign; write %c %.*s, or --literal for words",
                        (int)size, text, text[0], (int)size - 1, text + 1);
    *weight = strtod(text, NULL);
    if (*weight < LEAST_WEIGHT || *weight > MOST_WEIGHT)
        return pix_fail(error, PIX_EINVALID,
                        "'%.*s': a weight is a number from %.6f to %.0f; --literal makes it words",
                        (int)size, text, LEAST_WEIGHT, MOST_WEIGHT);
    return PIX_OK;
}

/* RFC 8089: an empty host or "localhost", then the path with its bytes percent-encoded. */
static pix_status decode_uri(const char *uri, pix_bytes *out, pix_error *error) {
    const char *path = uri + strlen(uri_scheme);
    if (starts_with(path, "localhost/"))
        path += strlen("localhost");
    if (path[0] != '/')
        return pix_fail(error, PIX_EINVALID, "%s: not a file of this machine", uri);
    for (const char *p = path; *p; p++) {
        char byte = *p;
        if (byte == '%') {
            int high = pix_hex_digit(p[1]);
            int low = high < 0 ? -1 : pix_hex_digit(p[2]);
            if (low < 0 || (high == 0 && low == 0))
                return pix_fail(error, PIX_EINVALID, "%s: '%%' is not followed by a byte's digits",
                                uri);
            byte = (char)(high << 4 | low);
            p += 2;
        }
        if (pix_bytes_append(out, &byte, 1))
            return pix_fail_memory(error);
    }
    return PIX_OK;
}

static pix_status picture_path(const char *argument, pix_bytes *out, pix_error *error) {
    if (starts_with(argument, uri_scheme))
        return decode_uri(argument, out, error);
    const char *home = "";
    if (starts_with(argument, "~/")) {
        home = getenv("HOME");
        if (!home || home[0] == '\0')
            return pix_fail(error, PIX_EINVALID, "%s: HOME is not set", argument);
        argument++;
    }
    if (pix_bytes_append_text(out, home) || pix_bytes_append_text(out, argument))
        return pix_fail_memory(error);
    return PIX_OK;
}

static pix_term *last_term(const parser *p) {
    return p->out->count > 0 ? &p->out->terms[p->out->count - 1] : NULL;
}

static pix_status begin_term(parser *p, bool picture, double weight) {
    pix_expression *out = p->out;
    pix_term *terms =
        pix_array_reserve(out->terms, &out->capacity, out->count, 1, sizeof *out->terms);
    if (!terms)
        return pix_fail_memory(p->error);
    out->terms = terms;
    terms[out->count++] =
        (pix_term){.weight = p->sign == '-' ? -weight : weight, .is_picture = picture};
    p->expects = false;
    p->in_files = false;
    return PIX_OK;
}

static pix_status read_sign(parser *p, char sign) {
    if (p->expects && p->out->count == 0)
        return pix_fail(p->error, PIX_EINVALID,
                        "the query begins with '%c', which stands between two terms; --literal "
                        "makes it a word",
                        sign);
    if (p->expects)
        return pix_fail(p->error, PIX_EINVALID,
                        "nothing stands between '%c' and '%c'; --literal makes them words", p->sign,
                        sign);
    p->sign = sign;
    p->expects = true;
    return PIX_OK;
}

static pix_status read_words(parser *p, const char *text, double weight) {
    const pix_term *last = last_term(p);
    pix_status status = PIX_OK;
    if (p->expects)
        status = begin_term(p, false, weight);
    else if (last->is_picture)
        return pix_fail(p->error, PIX_EINVALID,
                        "'%s' follows the picture %s without + or - between them (a name with "
                        "spaces needs quotes)",
                        text, last->value.data);
    else if (pix_bytes_append(&last_term(p)->value, " ", 1))
        status = pix_fail_memory(p->error);
    if (!status && pix_bytes_append_text(&last_term(p)->value, text))
        status = pix_fail_memory(p->error);
    return status;
}

static pix_status read_picture(parser *p, const char *text, double weight) {
    if (!p->expects)
        return pix_fail(p->error, PIX_EINVALID,
                        "'%s': a picture needs + or - between it and what stands before it", text);
    pix_status status = begin_term(p, true, weight);
    return status ? status : picture_path(text, &last_term(p)->value, p->error);
}

/* What stands between two signs, or a part of that. */
static pix_status read_piece(parser *p, const char *text) {
    size_t prefix = weight_size(text);
    bool picture = is_picture(text + prefix);
    if (!picture && !p->expects) /* the words go on */
        return read_words(p, text, 1);
    double weight;
    pix_status status = read_weight(text, prefix, &weight, p->error);
    if (status)
        return status;
    return (picture ? read_picture : read_words)(p, text + prefix, weight);
}

/* How far it is to the next sign or the end, blanks before that not counted. */
static size_t piece_size(const char *text) {
    const char *p = text, *end;
    do {
        p += strcspn(p, blanks);
        end = p;
        p += strspn(p, blanks);
    } while (*p && !is_sign(p));
    return (size_t)(end - text);
}

static pix_status read_argument(parser *p, const char *text, pix_bytes *piece) {
    if (is_picture(text + weight_size(text)))
        return read_piece(p, text);
    pix_status status = PIX_OK;
    while (*(text += strspn(text, blanks)) && !status) {
        size_t size = is_sign(text) ? 1 : piece_size(text);
        pix_bytes_clear(piece);
        if (is_sign(text))
            status = read_sign(p, *text);
        else if (pix_bytes_append(piece, text, size))
            status = pix_fail_memory(p->error);
        else
            status = read_piece(p, piece->data);
        text += size;
    }
    return status;
}

/* A FILE of --like needs no sign before it: it is added, or what the FILE before it is. */
static pix_status read_file(parser *p, const char *name) {
    if (name[0] == '\0')
        return pix_fail(p->error, PIX_EINVALID, "--like: the name of a picture is empty");
    if (!p->expects && !p->in_files)
        p->sign = '+';
    pix_status status = begin_term(p, true, 1);
    p->in_files = true;
    if (!status && is_picture(name))
        status = picture_path(name, &last_term(p)->value, p->error);
    else if (!status && pix_bytes_append_text(&last_term(p)->value, name))
        status = pix_fail_memory(p->error);
    return status;
}

/* Whether something is left of the words as the model reads them; Unicode has many blanks. */
static pix_status check_words(const pix_expression *expression, size_t i, pix_error *error) {
    const pix_bytes *words = &expression->terms[i].value;
    pix_bytes clean = {0};
    pix_status status = words->size > 0 ? pix_clean(words->data, words->size, &clean) : PIX_OK;
    if (status)
        status = pix_fail_memory(error);
    else if (clean.size == 0 && expression->count == 1)
        status = pix_fail(error, PIX_EINVALID, "the query is empty");
    else if (clean.size == 0)
        status = pix_fail(error, PIX_EINVALID, "term %zu of the query is empty", i + 1);
    pix_bytes_free(&clean);
    return status;
}

/* All words are one term, wherever they stand among pictures. */
static pix_status read_literal(parser *p, const char *text) {
    for (size_t i = 0; i < p->out->count; i++) {
        pix_term *term = &p->out->terms[i];
        if (term->is_picture)
            continue;
        if (pix_bytes_append(&term->value, " ", 1) || pix_bytes_append_text(&term->value, text))
            return pix_fail_memory(p->error);
        return PIX_OK;
    }
    p->sign = '+';
    p->expects = true;
    return read_words(p, text, 1);
}

static pix_status check_whole(const parser *p) {
    const pix_expression *out = p->out;
    if (out->count == 0)
        return pix_fail(p->error, PIX_EINVALID, "the query is empty");
    if (p->expects)
        return pix_fail(p->error, PIX_EINVALID,
                        "nothing follows '%c' at the end of the query; --literal makes it a word",
                        p->sign);
    pix_status status = PIX_OK;
    for (size_t i = 0; i < out->count && !status; i++)
        if (!out->terms[i].is_picture)
            status = check_words(out, i, p->error);
    return status;
}

pix_status pix_expression_parse(const pix_query_options *options, pix_expression *out,
                                pix_error *error) {
    *out = (pix_expression){0};
    parser p = {.out = out, .sign = '+', .expects = true, .error = error};
    pix_bytes piece = {0};
    pix_status status = PIX_OK;
    for (size_t i = 0; i < options->input_count && !status; i++) {
        const pix_query_input *input = &options->inputs[i];
        if (input->is_like)
            status = read_file(&p, input->value);
        else if (options->literal)
            status = read_literal(&p, input->value);
        else
            status = read_argument(&p, input->value, &piece);
    }
    if (!status)
        status = check_whole(&p);
    pix_bytes_free(&piece);
    if (status)
        pix_expression_free(out);
    return status;
}

void pix_expression_free(pix_expression *expression) {
    for (size_t i = 0; i < expression->count; i++)
        pix_bytes_free(&expression->terms[i].value);
    free(expression->terms);
    *expression = (pix_expression){0};
}

bool pix_words_name_picture(const char *words) {
    struct stat info;
    return !is_picture(words) && strchr(words, '.') && stat(words, &info) == 0 &&
           S_ISREG(info.st_mode);
}
