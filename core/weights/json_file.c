#include "core/weights/json_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/base/json.h"

enum { LARGEST_FILE = 1 << 20, MOST_VALUES = 1 << 20 };

static pix_status parse(const char *text, size_t size, json_t **out, pix_error *error) {
    static const char mark[] = "\xef\xbb\xbf"; /* editors on Windows put it there */
    if (size >= 3 && memcmp(text, mark, 3) == 0)
        text += 3, size -= 3;
    json_error_t where;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    if (!root)
        return pix_fail(error, PIX_EFORMAT, "not JSON: line %d: %s", where.line, where.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return pix_fail(error, PIX_EFORMAT, "not a JSON object");
    }
    *out = root;
    return PIX_OK;
}

pix_status pix_json_file_read(const char *path, json_t **out, pix_error *error) {
    *out = NULL;
    pix_bytes text = {0};
    pix_status status = pix_file_read(path, LARGEST_FILE, &text, error);
    if (!status) {
        status = parse(text.data ? text.data : "", text.size, out, error);
        if (status)
            (void)pix_error_prefix(error, "%s", path);
    }
    pix_bytes_free(&text);
    return status;
}

bool pix_json_is_large(const uint8_t *text, size_t size) {
    return pix_json_most_values(text, size) > MOST_VALUES;
}

pix_json_shown pix_json_show(const json_t *value) {
    pix_json_shown shown;
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII |
                                       JSON_REAL_PRECISION(15));
    (void)snprintf(shown.text, sizeof shown.text, "%.40s%s", text ? text : "?",
                   text && strlen(text) > 40 ? "..." : "");
    free(text);
    return shown;
}

const json_t *pix_json_get(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

pix_status pix_json_fail_value(const pix_json_part *part, const char *key, const json_t *value,
                               const char *expected, pix_error *error) {
    return pix_fail(error, PIX_EFORMAT, "%s of %s is %s, expected %s", key, part->name,
                    pix_json_show(value).text, expected);
}

pix_status pix_json_read_integer(const pix_json_part *part, const char *key, int64_t absent,
                                 int64_t low, int64_t *out, pix_error *error) {
    const json_t *value = pix_json_get(part->settings, key);
    *out = value ? json_integer_value(value) : absent;
    if (value && (!json_is_integer(value) || *out < low || *out > INT32_MAX))
        return pix_json_fail_value(part, key, value,
                                   low ? "a positive whole number" : "a whole number", error);
    return PIX_OK;
}

pix_status pix_json_read_positive(const pix_json_part *part, const char *key, double absent,
                                  double *out, pix_error *error) {
    const json_t *value = pix_json_get(part->settings, key);
    *out = value ? json_number_value(value) : absent;
    return isfinite(*out) && *out > 0
               ? PIX_OK
               : pix_json_fail_value(part, key, value, "a positive number", error);
}
