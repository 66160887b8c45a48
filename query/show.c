#include "query/show.h"

#include <string.h>
#include <unistd.h>

#include "core/base/json.h"

static const char nothing[] = "Nothing matches well.";

pix_status pix_show_open(const pix_query_options *options, pix_query_format form, FILE *out,
                         FILE *notes, pix_show *show, pix_error *error) {
    *show = (pix_show){.options = options, .form = form, .out = out, .notes = notes};
    pix_status status = PIX_OK;
    if (options->template)
        status = pix_format_parse(options->template, &show->format, error);
    if (!status && options->preview && !isatty(STDOUT_FILENO))
        status = pix_fail(error, PIX_EINVALID,
                          "--preview draws on a terminal, and standard output is none");
    if (!status && options->preview)
        status = pix_preview_open(options, &show->preview, error);
    if (!status && options->sheet)
        status = pix_sheet_open(options->sheet, options, &show->sheet, error);
    if (status)
        pix_show_close(show);
    return status;
}

pix_status pix_show_commit(pix_show *show, pix_error *error) {
    return show->sheet ? pix_sheet_commit(show->sheet, error) : PIX_OK;
}

void pix_show_close(pix_show *show) {
    pix_format_free(&show->format);
    pix_sheet_close(show->sheet);
    pix_preview_close(show->preview);
    *show = (pix_show){0};
}

static pix_status print_escaped(FILE *out, const char *text, const char *end) {
    pix_bytes line = {0};
    pix_status status = pix_bytes_append_escaped(&line, text, strlen(text));
    if (!status)
        (void)fprintf(out, "%s%s", line.data ? line.data : "", end);
    pix_bytes_free(&line);
    return status;
}

/* What stands before the results of one query of a batch. */
static pix_status begin_of_batch(pix_show *show) {
    const char *query = show->query;
    if (show->form == PIX_FORMAT_JSON) {
        (void)fputc('{', show->out);
        pix_json_bytes(show->out, "query", query, strlen(query));
        (void)fputs(",\"results\":[", show->out);
    } else if (show->form == PIX_FORMAT_TABLE) {
        return print_escaped(show->out, query, "\n");
    }
    return PIX_OK;
}

pix_status pix_show_begin(pix_show *show, const char *query, pix_error *error) {
    show->query = query;
    show->rank = 0;
    if (show->options->batch && !show->options->template && begin_of_batch(show))
        return pix_fail_memory(error);
    return show->sheet ? pix_sheet_begin(show->sheet, query, error) : PIX_OK;
}

static pix_status print_plain(pix_show *show, const pix_result *result) {
    FILE *out = show->out;
    if (show->form == PIX_FORMAT_JSON && show->options->batch) {
        (void)fputs(show->rank > 1 ? "," : "", out);
        pix_print_object(out, result);
        return PIX_OK;
    }
    if (show->form == PIX_FORMAT_TABLE && show->rank == 1)
        pix_print_heading(out);
    if (show->form == PIX_FORMAT_LINES && show->options->batch &&
        print_escaped(out, show->query, "\t"))
        return PIX_ENOMEM;
    return pix_print_result(out, show->form, result);
}

/* A picture that cannot be drawn is no reason to stop. */
static void draw(pix_show *show, const pix_photo_row *photo) {
    pix_error why;
    pix_bytes path = {0};
    if (!pix_preview_show(show->preview, photo->path, show->out, &why) || show->preview_failed)
        return;
    show->preview_failed = true;
    if (!pix_bytes_append_escaped(&path, photo->path, photo->path_size))
        (void)fprintf(show->notes, "pixgrep: no preview of %s: %s\n", path.data, why.text);
    pix_bytes_free(&path);
}

pix_status pix_show_result(pix_show *show, const pix_result *result, pix_error *error) {
    const pix_format_values values = {.query = show->query, .rank = ++show->rank, .result = result};
    show->shown++;
    pix_status status =
        show->options->template
            ? pix_format_print(&show->format, show->out, show->options->null_ended, &values)
            : print_plain(show, result);
    if (status)
        return pix_fail_memory(error);
    if (show->preview)
        draw(show, result->photo);
    return show->sheet ? pix_sheet_add(show->sheet, result->score, result->photo, error) : PIX_OK;
}

pix_status pix_show_end(pix_show *show, pix_error *error) {
    bool batch = show->options->batch && !show->options->template;
    if (batch && show->form == PIX_FORMAT_JSON)
        (void)fputs("]}\n", show->out);
    else if (batch && show->form == PIX_FORMAT_TABLE)
        (void)fprintf(show->out, "%s\n", show->rank == 0 ? "nothing matches well\n" : "");
    else if (batch && show->rank == 0 && print_escaped(show->out, show->query, "\t\t\n"))
        return pix_fail_memory(error);
    return show->sheet && show->rank == 0 ? pix_sheet_remark(show->sheet, nothing, error) : PIX_OK;
}

pix_status pix_show_answer(pix_show *show, pix_search *search, const char *query,
                           const pix_answer *answer, pix_error *error) {
    pix_photo_row photo;
    pix_status status = pix_show_begin(show, query, error);
    for (size_t i = 0; i < answer->cut.shown && !status; i++) {
        const pix_result result = {.score = answer->hits[i].score,
                                   .photo = &photo,
                                   .is_collapsed = answer->folded != NULL,
                                   .folded = answer->folded ? answer->folded[i] : 0};
        status = pix_search_photo(search, answer->hits[i].image_id, &photo, error);
        if (status == PIX_ENOTFOUND) /* gone since the search */
            status = PIX_OK;
        else if (!status)
            status = pix_show_result(show, &result, error);
    }
    return status ? status : pix_show_end(show, error);
}

pix_status pix_show_failure(pix_show *show, const char *query, const pix_error *why,
                            pix_error *error) {
    pix_status status = PIX_OK;
    if (show->form == PIX_FORMAT_JSON) {
        (void)fputc('{', show->out);
        pix_json_bytes(show->out, "query", query, strlen(query));
        (void)fputs(",\"error\":", show->out);
        pix_json_string(show->out, why->text, strlen(why->text));
        (void)fputs("}\n", show->out);
    } else if (show->form == PIX_FORMAT_LINES && !show->options->template) {
        status = print_escaped(show->out, query, "\t\t\n") ? pix_fail_memory(error) : PIX_OK;
    }
    if (!status && show->sheet)
        status = pix_sheet_begin(show->sheet, query, error);
    if (!status && show->sheet)
        status = pix_sheet_remark(show->sheet, why->text, error);
    return status;
}
