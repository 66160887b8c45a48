#include "query/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef enum field {
    FIELD_NONE, /* the template's own bytes */
    FIELD_SCORE,
    FIELD_RANK,
    FIELD_PATH,
    FIELD_NAME,
    FIELD_DIR,
    FIELD_TAKEN,
    FIELD_CAMERA,
    FIELD_WIDTH,
    FIELD_HEIGHT,
    FIELD_TYPE,
    FIELD_LAT,
    FIELD_LON,
    FIELD_ID,
    FIELD_QUERY,
    FIELD_FOLDED,
    FIELDS
} field;

static const char *const names[FIELDS] = {"",      "score",  "rank",  "path",   "name", "dir",
                                          "taken", "camera", "width", "height", "type", "lat",
                                          "lon",   "id",     "query", "folded"};

typedef struct pix_format_part {
    field field;
    pix_bytes text; /* of FIELD_NONE */
} part;

static part *add_part(pix_format *format, field kind) {
    part *parts =
        pix_array_reserve(format->parts, &format->capacity, format->count, 1, sizeof *parts);
    if (!parts)
        return NULL;
    format->parts = parts;
    parts[format->count] = (part){.field = kind};
    return &parts[format->count++];
}

static pix_status add_byte(pix_format *format, char byte) {
    part *last = format->count > 0 ? &format->parts[format->count - 1] : NULL;
    if (!last || last->field != FIELD_NONE)
        last = add_part(format, FIELD_NONE);
    return last ? pix_bytes_append(&last->text, &byte, 1) : PIX_ENOMEM;
}

static pix_status fail_field(const char *name, size_t size, pix_error *error) {
    char known[256] = "";
    for (size_t i = 1, at = 0; i < FIELDS; i++)
        at += (size_t)snprintf(known + at, sizeof known - at, i == 1 ? "%s" : ", %s", names[i]);
    return pix_fail(error, PIX_EINVALID, "--format: there is no field {%.*s}, only %s", (int)size,
                    name, known);
}

/* A field from its "{" on; *at becomes what follows. */
static pix_status read_field(const char **at, pix_format *out, pix_error *error) {
    const char *name = *at + 1;
    size_t size = strcspn(name, "{}");
    if (name[size] != '}')
        return pix_fail(error, PIX_EINVALID,
                        "--format: '{%.*s' is not closed; a brace itself is written {{",
                        (int)(size < 40 ? size : 40), name);
    for (int i = 1; i < FIELDS; i++)
        if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0) {
            *at = name + size + 1;
            return add_part(out, (field)i) ? PIX_OK : pix_fail_memory(error);
        }
    return fail_field(name, size < 40 ? size : 40, error);
}

static pix_status read_escape(const char **at, pix_format *out, pix_error *error) {
    static const char letters[] = "tn0\\", bytes[] = "\t\n\0\\";
    char letter = (*at)[1];
    const char *found = letter ? strchr(letters, letter) : NULL;
    if (!found)
        return pix_fail(error, PIX_EINVALID, "--format: '\\%.*s' is none of \\t, \\n, \\0 and \\\\",
                        letter ? 1 : 0, *at + 1);
    *at += 2;
    return add_byte(out, bytes[found - letters]) ? pix_fail_memory(error) : PIX_OK;
}

pix_status pix_format_parse(const char *template, pix_format *out, pix_error *error) {
    *out = (pix_format){0};
    pix_status status = PIX_OK;
    while (*template && !status) {
        bool brace = *template == '{' || *template == '}';
        if (brace && template[1] == template[0]) {
            status = add_byte(out, *template) ? pix_fail_memory(error) : PIX_OK;
            template += 2;
        } else if (*template == '{') {
            status = read_field(&template, out, error);
        } else if (brace) {
            status = pix_fail(error, PIX_EINVALID,
                              "--format: a '}' closes nothing; a brace itself is written }}");
        } else if (*template == '\\') {
            status = read_escape(&template, out, error);
        } else {
            status = add_byte(out, *template ++) ? pix_fail_memory(error) : PIX_OK;
        }
    }
    if (status)
        pix_format_free(out);
    return status;
}

void pix_format_free(pix_format *format) {
    for (size_t i = 0; i < format->count; i++)
        pix_bytes_free(&format->parts[i].text);
    free(format->parts);
    *format = (pix_format){0};
}

static pix_status print_text(FILE *out, bool raw, const char *text, size_t size) {
    pix_bytes escaped = {0};
    if (size == 0)
        return PIX_OK;
    if (raw) {
        (void)fwrite(text, 1, size, out);
        return PIX_OK;
    }
    pix_status status = pix_bytes_append_escaped(&escaped, text, size);
    if (!status)
        (void)fwrite(escaped.data, 1, escaped.size, out);
    pix_bytes_free(&escaped);
    return status;
}

static pix_status print_optional(FILE *out, bool raw, const char *text) {
    return text ? print_text(out, raw, text, strlen(text)) : PIX_OK;
}

/* The folder is "/" for a photo right below the root. */
static pix_status print_path(FILE *out, bool raw, field kind, const pix_photo_row *photo) {
    const char *slash = memrchr(photo->path, '/', photo->path_size);
    size_t folder = slash ? (size_t)(slash - photo->path) : 0;
    size_t name = slash ? folder + 1 : 0;
    if (kind == FIELD_NAME)
        return print_text(out, raw, photo->path + name, photo->path_size - name);
    if (kind == FIELD_DIR)
        return print_text(out, raw, photo->path, slash == photo->path ? 1 : folder);
    return print_text(out, raw, photo->path, photo->path_size);
}

static pix_status print_field(FILE *out, bool raw, field kind, const pix_format_values *values) {
    const pix_photo_row *photo = values->result->photo;
    switch (kind) {
    case FIELD_SCORE:
        (void)fprintf(out, "%.6f", values->result->score);
        break;
    case FIELD_RANK:
        (void)fprintf(out, "%zu", values->rank);
        break;
    case FIELD_PATH:
    case FIELD_NAME:
    case FIELD_DIR:
        return print_path(out, raw, kind, photo);
    case FIELD_TAKEN:
        return print_optional(out, raw, photo->taken_at);
    case FIELD_CAMERA:
        return print_optional(out, raw, photo->camera);
    case FIELD_TYPE:
        return print_optional(out, raw, photo->format);
    case FIELD_QUERY:
        return print_optional(out, raw, values->query);
    case FIELD_WIDTH:
    case FIELD_HEIGHT:
        if (photo->width > 0 && photo->height > 0)
            (void)fprintf(out, "%" PRId32, kind == FIELD_WIDTH ? photo->width : photo->height);
        break;
    case FIELD_LAT:
    case FIELD_LON:
        if (photo->has_location)
            (void)fprintf(out, "%.7f", kind == FIELD_LAT ? photo->latitude : photo->longitude);
        break;
    case FIELD_FOLDED:
        (void)fprintf(out, "%zu", values->result->folded);
        break;
    case FIELD_ID:
        (void)fprintf(out, "%" PRId64, photo->id);
        break;
    case FIELD_NONE:
    case FIELDS:
        break;
    }
    return PIX_OK;
}

pix_status pix_format_print(const pix_format *format, FILE *out, bool raw,
                            const pix_format_values *values) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < format->count && !status; i++) {
        const part *p = &format->parts[i];
        if (p->field == FIELD_NONE)
            (void)fwrite(p->text.data, 1, p->text.size, out);
        else
            status = print_field(out, raw, p->field, values);
    }
    (void)fputc(raw ? '\0' : '\n', out);
    return status;
}
