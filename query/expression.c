#include "query/expression.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clip/session.h"
#include "core/text/clean.h"

static const char uri_scheme[] = "file://";

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_picture(const char *argument) {
    return starts_with(argument, "/") || starts_with(argument, "./") ||
           starts_with(argument, "../") || starts_with(argument, "~/") ||
           starts_with(argument, uri_scheme);
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
    if (argument[0] == '~') {
        home = getenv("HOME");
        if (!home || home[0] == '\0')
            return pix_fail(error, PIX_EINVALID, "%s: HOME is not set", argument);
        argument++;
    }
    if (pix_bytes_append_text(out, home) || pix_bytes_append_text(out, argument))
        return pix_fail_memory(error);
    return PIX_OK;
}

/* Whether nothing is left of the words as the model reads them; Unicode has many blanks. */
static pix_status check_words(const pix_bytes *words, pix_error *error) {
    pix_bytes clean = {0};
    pix_status status = pix_clean(words->data, words->size, &clean);
    if (status)
        status = pix_fail_memory(error);
    else if (clean.size == 0)
        status = pix_fail(error, PIX_EINVALID, "the query is empty");
    pix_bytes_free(&clean);
    return status;
}

pix_status pix_expression_parse(const pix_query_input *inputs, size_t count, pix_expression *out,
                                pix_error *error) {
    *out = (pix_expression){0};
    pix_status status = PIX_OK;
    for (size_t i = 0; i < count && !status; i++) {
        if (is_picture(inputs[i].value)) {
            if (count > 1)
                status = pix_fail(error, PIX_EINVALID,
                                  "'%s': a picture as the query stands alone, without words or "
                                  "other pictures",
                                  inputs[i].value);
            else
                status = picture_path(inputs[i].value, &out->value, error);
            out->is_picture = true;
        } else if ((i > 0 && pix_bytes_append(&out->value, " ", 1)) ||
                   pix_bytes_append_text(&out->value, inputs[i].value))
            status = pix_fail_memory(error);
    }
    if (!status && !out->is_picture)
        status = check_words(&out->value, error);
    if (status)
        pix_expression_free(out);
    return status;
}

bool pix_expression_names_picture(const pix_query_input *inputs, size_t count) {
    struct stat info;
    return count == 1 && !is_picture(inputs[0].value) && strchr(inputs[0].value, '.') &&
           stat(inputs[0].value, &info) == 0 && S_ISREG(info.st_mode);
}

void pix_expression_free(pix_expression *expression) {
    pix_bytes_free(&expression->value);
    *expression = (pix_expression){0};
}

pix_status pix_expression_encode(const pix_expression *expression, pix_encoder *encoder,
                                 float *vector, pix_text_cut *cut, pix_error *error) {
    if (!expression->is_picture)
        return pix_encoder_text(encoder, expression->value.data, expression->value.size, vector,
                                cut, error);
    int place;
    pix_status status = pix_encoder_add_picture(encoder, expression->value.data, &place, error);
    if (!status)
        status = pix_encoder_run_pictures(encoder, vector, error);
    if (!status)
        status = pix_normalise(vector, pix_encoder_dimension(encoder), error);
    if (status)
        return pix_error_prefix(error, "%s", expression->value.data);
    return PIX_OK;
}
