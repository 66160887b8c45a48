/* Any bytes as a --format: an error in words, or a template that prints hostile fields, as lines of
 * which none holds a control byte that the template does not ask for. */
#include "query/format.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *template = malloc(size + 1);
    demand(template != NULL);
    memcpy(template, data, size);
    template[size] = '\0';
    pix_format format;
    pix_error error = {0};
    pix_status status = pix_format_parse(template, &format, &error);
    if (status) {
        demand_reason(status, &error);
        demand(format.count == 0);
    } else {
        const pix_photo_row photo = {.id = 7,
                                     .path = "/a\n\\/b\x1b",
                                     .path_size = 8,
                                     .width = 3,
                                     .height = 2,
                                     .format = "png",
                                     .camera = "\r",
                                     .has_location = true};
        const pix_result result = {.score = 0.5, .photo = &photo};
        const pix_format_values values = {.query = "{path}\t", .rank = 1, .result = &result};
        bool asks = strpbrk(template, "\n\x1b\r\t") || strchr(template, '\\');
        char *text = NULL;
        size_t length = 0;
        FILE *out = open_memstream(&text, &length);
        demand(out != NULL);
        demand(pix_format_print(&format, out, false, &values) == PIX_OK && fclose(out) == 0);
        demand(length > 0 && text[length - 1] == '\n');
        if (!asks) {
            text[length - 1] = '\0';
            demand(strpbrk(text, "\n\x1b\r\t") == NULL);
        }
        free(text);
    }
    pix_format_free(&format);
    free(template);
    return 0;
}
