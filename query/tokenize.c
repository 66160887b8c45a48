#include "query/tokenize.h"

#include <jansson.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/lines.h"
#include "query/vocabulary.h"

/* The value of "\uXXXX" at `text`, -1 when there is no such escape. */
static int escaped_unit(const char *text, size_t left) {
    if (left < 6 || text[0] != '\\' || text[1] != 'u')
        return -1;
    int value = 0;
    for (int i = 2; i < 6; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* Python strings, and so JSON written by Python, may hold half a surrogate pair, which ftfy turns
 * into U+FFFD; Jansson refuses it.  So every lone \uD8xx..\uDFxx becomes \ufffd, in place. */
static void replace_lone_surrogates(char *line, size_t size) {
    static const char replacement[4] = {'f', 'f', 'f', 'd'};
    for (size_t i = 0; i + 1 < size;) {
        if (line[i] != '\\') {
            i++;
            continue;
        }
        int unit = escaped_unit(line + i, size - i);
        if (unit < 0xD800 || unit > 0xDFFF) {
            i += unit < 0 ? 2 : 6;
            continue;
        }
        int next = unit < 0xDC00 ? escaped_unit(line + i + 6, size - i - 6) : -1;
        if (next >= 0xDC00 && next <= 0xDFFF) {
            i += 12;
        } else {
            memcpy(line + i + 2, replacement, sizeof replacement);
            i += 6;
        }
    }
}

/* The JSON string on a line; on failure `why` says what is wrong. */
static json_t *parse_string(char *line, size_t size, char why[JSON_ERROR_TEXT_LENGTH]) {
    json_error_t problem;
    replace_lone_surrogates(line, size);
    json_t *value = json_loadb(line, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &problem);
    if (!value) {
        (void)snprintf(why, JSON_ERROR_TEXT_LENGTH, "%s", problem.text);
    } else if (!json_is_string(value)) {
        (void)snprintf(why, JSON_ERROR_TEXT_LENGTH, "not a JSON string");
        json_decref(value);
        value = NULL;
    }
    return value;
}

typedef struct tokenizing {
    pix_query_vocabulary vocabulary;
    pix_ids ids;
    bool truncate;
    FILE *out;
} tokenizing;

static pix_status encode(tokenizing *job, const char *text, size_t size) {
    const pix_tokenizer *tokenizer = job->vocabulary.tokenizer;
    pix_status status = pix_tokenizer_encode(tokenizer, text, size, &job->ids);
    if (!status && job->truncate)
        (void)pix_tokenizer_truncate(tokenizer, &job->ids, job->vocabulary.context_length);
    return status;
}

static pix_status json_line(tokenizing *job, char *line, size_t size, size_t *failed) {
    char why[JSON_ERROR_TEXT_LENGTH];
    json_t *text = parse_string(line, size, why);
    pix_status status = PIX_OK;
    if (text) {
        status = encode(job, json_string_value(text), json_string_length(text));
        if (!status)
            pix_json_ids(job->out, job->ids.data, job->ids.count);
    } else {
        (void)fputs("{\"error\":", job->out);
        pix_json_string(job->out, why, strlen(why));
        (void)fputs("}", job->out);
        ++*failed;
    }
    (void)fputs("\n", job->out);
    json_decref(text);
    return status;
}

static pix_status plain_line(tokenizing *job, const char *line, size_t size) {
    pix_status status = encode(job, line, size);
    for (size_t i = 0; i < job->ids.count && !status; i++)
        (void)fprintf(job->out, i == 0 ? "%d" : " %d", job->ids.data[i]);
    (void)fputs("\n", job->out);
    return status;
}

pix_status pix_tokenize(const pix_query_options *options, FILE *in, FILE *out, size_t *failed,
                        pix_error *error) {
    *failed = 0;
    tokenizing job = {.truncate = options->truncate, .out = out};
    pix_status status = pix_query_vocabulary_choose(options, &job.vocabulary, error);
    if (status)
        return status;
    pix_bytes line = {0};
    bool more = true;
    while (!status && more && !ferror(out)) {
        status = pix_line_read(in, '\n', "standard input", &line, &more, error);
        if (status || !more)
            break;
        if (options->format == PIX_FORMAT_JSON ? json_line(&job, line.data, line.size, failed)
                                               : plain_line(&job, line.data, line.size))
            status = pix_fail_memory(error);
    }
    pix_bytes_free(&line);
    pix_ids_free(&job.ids);
    pix_query_vocabulary_close(&job.vocabulary);
    return status;
}
