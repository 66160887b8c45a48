#include "query/cache.h"

#include <stdlib.h>
#include <time.h>

#include "core/base/files.h"
#include "core/base/json.h"
#include "storage/prompt_cache.h"

typedef struct listing {
    FILE *out;
    bool json;
    pix_error *error;
} listing;

static pix_status print_prompt(void *context, const pix_prompt *prompt) {
    const listing *job = context;
    char day[16] = "";
    struct tm when;
    time_t used_at = (time_t)prompt->used_at;
    if (localtime_r(&used_at, &when))
        (void)strftime(day, sizeof day, "%Y-%m-%d", &when);
    if (job->json) {
        (void)fputs("{\"text\":", job->out);
        pix_json_string(job->out, prompt->text, prompt->text_size);
        (void)fputs(",\"model\":", job->out);
        pix_json_text(job->out, prompt->fingerprint);
        (void)fputs(",\"precision\":", job->out);
        pix_json_text(job->out, prompt->precision);
        (void)fprintf(job->out, ",\"templates\":%zu,\"used\":\"%s\"}\n", prompt->template_count,
                      day);
        return PIX_OK;
    }
    pix_bytes line = {0};
    pix_status status =
        pix_bytes_append_escaped(&line, prompt->text, prompt->text_size) ? PIX_ENOMEM : PIX_OK;
    if (status)
        (void)pix_fail_memory(job->error);
    else
        (void)fprintf(job->out, "%s\t%.12s\t%s\t%zu\t%s\n", day, prompt->fingerprint,
                      prompt->precision, prompt->template_count, line.data ? line.data : "");
    pix_bytes_free(&line);
    return status;
}

pix_status pix_cache(const pix_query_options *options, FILE *out, FILE *notes, pix_error *error) {
    listing job = {.out = out, .json = options->format == PIX_FORMAT_JSON, .error = error};
    bool removed = false;
    pix_status status;
    char *path = pix_place_cache("prompts.db");
    if (!path)
        return pix_fail(error, PIX_ENOTFOUND, "neither XDG_CACHE_HOME nor HOME is set");
    if (!options->clear_cache) {
        status = pix_prompt_cache_list(path, print_prompt, &job, error);
    } else {
        status = pix_prompt_cache_clear(path, &removed, error);
        if (!status)
            (void)fprintf(notes, removed ? "pixgrep: %s is removed\n" : "pixgrep: there is no %s\n",
                          path);
    }
    free(path);
    return status;
}
