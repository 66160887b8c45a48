/* pixgrepd pause, resume and rescan, and index beside a daemon. */
#include "indexer/remote.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/json.h"
#include "core/base/threads.h"
#include "core/control/channel.h"
#include "core/control/connect.h"
#include "core/control/protocol.h"
#include "indexer/commands.h"
#include "indexer/format.h"
#include "indexer/interrupt.h"
#include "indexer/progress.h"
#include "indexer/summary.h"
#include "indexer/targets.h"

/* The daemon's loop never computes: it answers at once.  A scan takes what it takes. */
enum { ANSWER_MS = 10000, LOOK_MS = 200 };

static pix_status ask(pix_channel *channel, const char *line, json_t **answer, pix_error *error) {
    const char *text;
    size_t size;
    *answer = NULL;
    pix_status status =
        pix_channel_ask(channel, line, strlen(line), -1, ANSWER_MS, &text, &size, error);
    return status ? status : pix_answer_parse(text, size, answer, error);
}

static bool keeps(const json_t *answer, const char *path) {
    struct stat info;
    const json_t *database = json_object_get(answer, "database");
    return stat(path, &info) == 0 &&
           (uint64_t)json_integer_value(json_object_get(database, "device")) ==
               (uint64_t)info.st_dev &&
           (uint64_t)json_integer_value(json_object_get(database, "inode")) ==
               (uint64_t)info.st_ino;
}

/* Connects to the daemon that keeps the index at `path`, and asks for its status, the caller's
 * reference.  PIX_ENOTFOUND: there is none. */
static pix_status open_at(const char *path, pix_channel *channel, json_t **answer,
                          pix_error *error) {
    *answer = NULL;
    pix_status status = pix_control_connect(channel, error);
    if (status)
        return status;
    status = ask(channel, "{\"call\":\"status\"}\n", answer, error);
    if (!status && !keeps(*answer, path))
        status = pix_fail(error, PIX_ENOTFOUND,
                          "the pixgrepd watch that is running keeps another index");
    if (status) {
        json_decref(*answer);
        *answer = NULL;
        pix_channel_close(channel);
    }
    return status;
}

char *pix_remote_status(const char *path, bool json) {
    pix_channel channel;
    json_t *answer;
    char *text = NULL;
    if (open_at(path, &channel, &answer, NULL))
        return NULL;
    pix_channel_close(&channel);
    bool paused = json_is_true(json_object_get(answer, "paused"));
    int64_t folders = json_integer_value(json_object_get(answer, "folders_watched"));
    (void)json_object_del(answer, "ok");
    if (json)
        text = json_dumps(answer, JSON_COMPACT);
    else if (asprintf(&text, "%s%s, %s folders watched", pix_answer_text(answer, "state"),
                      paused ? ", paused" : "", pix_text_count(folders)) < 0)
        text = NULL;
    json_decref(answer);
    return text;
}

static pix_status open_of(const pix_options *options, pix_channel *channel, pix_error *error) {
    char *path = pix_command_store_path(options, error);
    if (!path)
        return error->status;
    json_t *answer;
    pix_status status = open_at(path, channel, &answer, error);
    json_decref(answer);
    free(path);
    return status;
}

static pix_exit tell(const pix_options *options, const char *line, pix_error *error) {
    pix_channel channel;
    json_t *answer = NULL;
    pix_status status = open_of(options, &channel, error);
    if (status)
        return PIX_EXIT_ERROR;
    status = ask(&channel, line, &answer, error);
    json_decref(answer);
    pix_channel_close(&channel);
    return status ? PIX_EXIT_ERROR : PIX_EXIT_OK;
}

pix_exit pix_command_pause(const pix_options *options, pix_error *error) {
    return tell(options, "{\"call\":\"pause\"}\n", error);
}

pix_exit pix_command_resume(const pix_options *options, pix_error *error) {
    return tell(options, "{\"call\":\"resume\"}\n", error);
}

/* {"call":CALL,KEY:[{"path":...},...]} */
static pix_status make_request(pix_call call, const char *key, const pix_paths *paths, char **line,
                               pix_error *error) {
    size_t size;
    *line = NULL;
    FILE *out = open_memstream(line, &size);
    if (!out)
        return pix_fail_memory(error);
    (void)fprintf(out, "{\"call\":\"%s\"", pix_call_name(call));
    for (size_t i = 0; i < paths->count; i++) {
        (void)(i == 0 ? fprintf(out, ",\"%s\":[{", key) : fprintf(out, ",{"));
        pix_json_bytes(out, "path", paths->items[i], strlen(paths->items[i]));
        (void)fputc('}', out);
    }
    (void)fputs(paths->count > 0 ? "]}\n" : "}\n", out);
    return fclose(out) ? pix_fail_memory(error) : PIX_OK;
}

static pix_status find_folders(const pix_options *options, pix_paths *folders, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < options->operand_count && !status; i++) {
        bool exists;
        char *folder = pix_folder_path(options->operands[i], &exists, error);
        if (!folder)
            status = error->status;
        else if (pix_paths_add(folders, folder))
            status = pix_fail_memory(error);
        free(folder);
    }
    return status;
}

typedef struct waiting {
    pix_channel channel;
    pix_progress *progress;
    int64_t deadline_ns; /* 0: none */
} waiting;

static void draw(const waiting *w, const json_t *answer) {
    pix_progress_state state = {.done = json_integer_value(json_object_get(answer, "seen")),
                                .failed = json_integer_value(json_object_get(answer, "failed"))};
    state.total = state.done;
    pix_progress_draw(w->progress, &state);
}

/* Waits for the last line of the answer, which lives in *text until the next call on the channel;
 * *last stays NULL when the wait was cut short. */
static pix_status wait_for(waiting *w, const char *line, const char **text, size_t *text_size,
                           json_t **last, pix_error *error) {
    const char *answer_text;
    size_t size;
    pix_status status =
        pix_channel_ask(&w->channel, line, strlen(line), -1, LOOK_MS, &answer_text, &size, error);
    for (;;) {
        json_t *answer;
        if (status == PIX_ETIMEOUT) {
            if (pix_interrupted() || (w->deadline_ns > 0 && pix_now_ns() >= w->deadline_ns))
                return PIX_OK;
        } else if (status || (status = pix_answer_parse(answer_text, size, &answer, error))) {
            return status;
        } else if (!json_object_get(answer, "seen")) {
            *last = answer;
            *text = answer_text;
            *text_size = size;
            return PIX_OK;
        } else {
            draw(w, answer);
            json_decref(answer);
        }
        status = pix_channel_wait(&w->channel, LOOK_MS, &answer_text, &size, error);
    }
}

static pix_status print_folder(const json_t *folder, pix_error *error) {
    pix_bytes path = {0};
    pix_run_counts counts;
    pix_status status = pix_answer_bytes(folder, "path", &path, error);
    if (!status) {
        pix_summary_read(folder, &counts);
        pix_summary_print(stdout, path.data, &counts,
                          json_number_value(json_object_get(folder, "seconds")));
    }
    pix_bytes_free(&path);
    return status;
}

/* The report as it was written. */
static void print_report(const char *text, size_t size) {
    static const char before[] = "{\"ok\":true,\"report\":";
    (void)printf("%.*s\n", (int)(size - sizeof before), text + sizeof before - 1);
}

/* What index itself would have said and returned. */
static pix_exit tell_report(const pix_options *options, const char *operation, const char *text,
                            size_t size, const json_t *answer, pix_error *error) {
    const json_t *report = json_object_get(answer, "report"), *folder;
    size_t i;
    pix_run_counts counts;
    pix_summary_read(report, &counts);
    pix_status status = PIX_OK;
    if (options->report)
        print_report(text, size);
    else if (!options->quiet)
        json_array_foreach(json_object_get(report, "folders"), i, folder) status =
            status ? status : print_folder(folder, error);
    if (!status && strcmp(pix_answer_text(report, "outcome"), "failed") == 0)
        status = pix_fail(error, PIX_EIO, "%s", pix_answer_text(report, "reason"));
    if (counts.failed > 0)
        pix_complain("%s: %s failed for the first time; see: pixgrepd failures", operation,
                     pix_text_count(counts.failed));
    return status ? PIX_EXIT_ERROR : counts.failed > 0 ? PIX_EXIT_FAILURES : PIX_EXIT_OK;
}

static pix_exit scan(const pix_options *options, const char *operation, waiting *w,
                     pix_error *error) {
    pix_paths folders = {0};
    char *line = NULL;
    const char *text;
    size_t size;
    json_t *report = NULL;
    pix_exit code = PIX_EXIT_ERROR;
    pix_status status = find_folders(options, &folders, error);
    if (!status)
        status = make_request(PIX_CALL_RESCAN, "folders", &folders, &line, error);
    if (!status)
        status = wait_for(w, line, &text, &size, &report, error);
    pix_progress_clear(w->progress);
    if (!status && report) {
        code = tell_report(options, operation, text, size, report, error);
    } else if (!status || status == PIX_ENOTFOUND) {
        pix_complain("%s: %s", operation,
                     status ? "the daemon has stopped; run it again to go on"
                            : "stopped waiting; pixgrepd watch goes on");
        code = PIX_EXIT_STOPPED;
    }
    json_decref(report);
    free(line);
    pix_paths_free(&folders);
    return code;
}

pix_status pix_remote_index(const pix_options *options, const char *operation, pix_exit *code,
                            pix_error *error) {
    waiting w = {0};
    pix_status status = open_of(options, &w.channel, error);
    if (status)
        return status;
    if (options->time_limit_s > 0)
        w.deadline_ns = pix_now_ns() + options->time_limit_s * 1000000000;
    if (!options->quiet)
        w.progress = pix_progress_new();
    *code = scan(options, operation, &w, error);
    pix_progress_free(w.progress);
    pix_channel_close(&w.channel);
    return PIX_OK;
}

pix_exit pix_command_rescan(const pix_options *options, pix_error *error) {
    pix_exit code = PIX_EXIT_ERROR;
    pix_status status = pix_interrupt_watch(error);
    if (!status)
        status = pix_remote_index(options, "rescan", &code, error);
    return status ? PIX_EXIT_ERROR : code;
}

static pix_status edit(waiting *w, pix_call call, const pix_paths *paths, pix_edit_text *text,
                       pix_error *error) {
    char *line;
    const char *answer_text;
    size_t size;
    json_t *answer = NULL;
    pix_status status = make_request(call, "paths", paths, &line, error);
    if (!status)
        status = wait_for(w, line, &answer_text, &size, &answer, error);
    pix_progress_clear(w->progress);
    if (!status)
        status = pix_answer_bytes(answer, "output", &text->output, error);
    if (!status)
        status = pix_answer_bytes(answer, "notes", &text->notes, error);
    json_decref(answer);
    free(line);
    return status;
}

pix_status pix_remote_edit(const pix_options *options, pix_call call, const pix_paths *paths,
                           pix_edit_text *text, bool *reached, pix_error *error) {
    waiting w = {0};
    pix_status status = open_of(options, &w.channel, error);
    *reached = !status;
    if (status)
        return status;
    w.progress = pix_progress_new();
    status = edit(&w, call, paths, text, error);
    pix_progress_free(w.progress);
    pix_channel_close(&w.channel);
    return status;
}
