#include "core/clip/prompts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/files.h"

static const char slot[] = "{}";
static const char default_template[] = "a photo of a {}.";

static pix_status check(const char *template, pix_error *error) {
    const char *first = strstr(template, slot);
    if (first && !strstr(first + strlen(slot), slot))
        return PIX_OK;
    return pix_fail(error, PIX_EINVALID,
                    "'%s': a template has one {}, where the label goes, not %s", template,
                    first ? "several" : "none");
}

static pix_status read_file(const char *path, pix_list *out, pix_error *error) {
    pix_status status = pix_list_read_file(out, path, error);
    if (!status && out->count == 0)
        status = pix_fail(error, PIX_EINVALID, "%s: there is no template in it", path);
    for (size_t i = 0; i < out->count && !status; i++)
        if (check(out->entries[i].text, error))
            status = pix_error_prefix(error, "%s, line %zu", path, out->entries[i].line);
    return status;
}

static pix_status read_installed(const char *name, pix_list *out, pix_error *error) {
    char place[64];
    (void)snprintf(place, sizeof place, "share/pixgrep/templates/%s.txt", name);
    char *path = pix_place_installed(place);
    pix_status status = path ? read_file(path, out, error) : pix_fail_memory(error);
    free(path);
    return status;
}

pix_status pix_templates_open(const char *name, pix_list *out, pix_error *error) {
    *out = (pix_list){0};
    pix_status status;
    if (!name)
        name = default_template;
    if (strcmp(name, PIX_TEMPLATES_SHORT) == 0 || strcmp(name, PIX_TEMPLATES_LONG) == 0) {
        status = read_installed(name, out, error);
    } else if (strstr(name, slot)) {
        status = check(name, error);
        if (!status && !pix_is_utf8(name, strlen(name)))
            status = pix_fail(error, PIX_EINVALID, "'%s': not UTF-8 text", name);
        if (!status && pix_list_add(out, name, strlen(name), 0))
            status = pix_fail_memory(error);
    } else {
        status = read_file(name, out, error);
    }
    if (status)
        pix_list_free(out);
    return status;
}

pix_status pix_prompt_fill(const char *template, const char *text, size_t size, pix_bytes *out) {
    const char *place = strstr(template, slot);
    assert(place && "checked by pix_templates_open");
    pix_bytes_clear(out);
    if (pix_bytes_append(out, template, (size_t)(place - template)) ||
        pix_bytes_append(out, text, size))
        return PIX_ENOMEM;
    return pix_bytes_append_text(out, place + strlen(slot));
}
