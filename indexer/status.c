/* pixgrepd status: what the index holds, and with --verbose what it runs on. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/threads.h"
#include "core/clip/library.h"
#include "core/tensor/isa.h"
#include "indexer/commands.h"
#include "indexer/format.h"
#include "indexer/remote.h"

typedef struct model_row {
    char name[128];
    char fingerprint[PIX_SHA256_HEX];
    int dimension;
    int64_t encoded;
    bool current;
} model_row;

typedef struct status_report {
    char *path;
    bool exists;
    int64_t database_bytes;
    pix_store_totals totals;
    int64_t roots;
    char *current;       /* name of the model in use, NULL: none */
    bool stands_in;      /* it is a bundled one that nobody chose */
    bool current_broken; /* it cannot be used: current_error says why */
    pix_error current_error;
    model_row *models;
    size_t model_count;
    const pix_kernels *kernels; /* NULL unless verbose */
    char cpu[160];
    char *decoder;
    bool decoder_runs;
    char *daemon; /* what it is doing; NULL: none is running */
} status_report;

static pix_status add_row(status_report *report, const model_row *row) {
    model_row *rows = reallocarray(report->models, report->model_count + 1, sizeof *rows);
    if (!rows)
        return PIX_ENOMEM;
    report->models = rows;
    rows[report->model_count++] = *row;
    return PIX_OK;
}

static pix_status add_model(void *context, const pix_store_model *model) {
    model_row row = {.dimension = model->dimension, .encoded = model->embeddings};
    memcpy(row.name, model->name, sizeof row.name);
    memcpy(row.fingerprint, model->fingerprint, sizeof row.fingerprint);
    return add_row(context, &row);
}

static pix_status count_root(void *context, const pix_root *root) {
    (void)root;
    ++*(int64_t *)context;
    return PIX_OK;
}

/* Marks the model in use among the index's, or adds it. */
static pix_status find_current(status_report *report, pix_error *error) {
    pix_model *model = NULL;
    report->current_broken =
        pix_library_in_use(&report->current, &report->current_error) ||
        (report->current && pix_library_open(NULL, &model, &report->current_error));
    if (!model)
        return PIX_OK;
    report->stands_in = pix_library_stands_in(NULL, model);
    model_row row = {.dimension = pix_model_config(model)->embed_dim, .current = true};
    (void)snprintf(row.name, sizeof row.name, "%s", report->current);
    (void)snprintf(row.fingerprint, sizeof row.fingerprint, "%s", pix_model_fingerprint(model));
    pix_model_close(model);
    for (size_t i = 0; i < report->model_count; i++)
        if (strcmp(report->models[i].fingerprint, row.fingerprint) == 0) {
            report->models[i].current = true;
            return PIX_OK;
        }
    return add_row(report, &row) ? pix_fail_memory(error) : PIX_OK;
}

static int64_t size_of(const char *path, const char *suffix) {
    char *name = NULL;
    struct stat info;
    int64_t size =
        asprintf(&name, "%s%s", path, suffix) >= 0 && stat(name, &info) == 0 ? info.st_size : 0;
    free(name);
    return size;
}

static pix_status read_store(const pix_options *options, status_report *report, pix_error *error) {
    pix_store *store;
    pix_status status = pix_command_open_store(options, PIX_STORE_READ, &store, error);
    if (status == PIX_ENOTFOUND)
        return PIX_OK;
    if (status)
        return status;
    report->exists = true;
    report->database_bytes = size_of(report->path, "") + size_of(report->path, "-wal");
    status = pix_store_totals_get(store, &report->totals, error);
    if (!status)
        status = pix_store_roots(store, count_root, &report->roots, error);
    if (!status)
        status = pix_store_models(store, add_model, report, error);
    pix_store_close(store);
    return status;
}

static void list_cpu_features(char *out, size_t size) {
    int length = snprintf(out, size, "%d processors", pix_cpu_count());
#if defined(__x86_64__) || defined(__i386__)
#define FEATURE(name)                                                                              \
    if (__builtin_cpu_supports(name) && length > 0 && (size_t)length < size)                       \
    length += snprintf(out + length, size - (size_t)length, ", %s", name)
    __builtin_cpu_init();
    FEATURE("sse4.2");
    FEATURE("avx");
    FEATURE("avx2");
    FEATURE("fma");
    FEATURE("avx512f");
    FEATURE("avx512bw");
    FEATURE("avx512vnni");
#undef FEATURE
#endif
}

static pix_status look_at_machine(status_report *report, pix_error *error) {
    list_cpu_features(report->cpu, sizeof report->cpu);
    report->decoder = pix_place_installed("libexec/pixgrep/pixgrep-decode");
    report->decoder_runs = report->decoder && access(report->decoder, X_OK) == 0;
    return pix_kernels_wanted(&report->kernels, error);
}

static void print_report(const status_report *report) {
    const pix_store_totals *totals = &report->totals;
    (void)fputs("index     ", stdout);
    pix_print_path(stdout, report->path);
    if (report->exists)
        (void)printf(", %s\n", pix_text_size(report->database_bytes));
    else
        (void)fputs(": there is none yet (pixgrepd index DIR makes it)\n", stdout);
    (void)printf("photos    %s in %s %s, %s\n", pix_text_count(totals->photos),
                 pix_text_count(report->roots), report->roots == 1 ? "folder" : "folders",
                 pix_text_size(totals->file_bytes));
    (void)printf("contents  %s different\n", pix_text_count(totals->contents));
    (void)printf("missing   %s\n", pix_text_count(totals->missing));
    if (totals->held > 0)
        (void)printf("held      %s gone at once, still found (pixgrepd approve-removals)\n",
                     pix_text_count(totals->held));
    (void)printf("failures  %s\n", pix_text_count(totals->failures));
    for (size_t i = 0; i < report->model_count; i++) {
        const model_row *row = &report->models[i];
        (void)printf("model     %s of %s photos encoded with %s%s\n", pix_text_count(row->encoded),
                     pix_text_count(totals->photos), row->name,
                     !row->current       ? ""
                     : report->stands_in ? " (bundled: none has been imported)"
                                         : " (current)");
    }
    if (report->current_broken) {
        (void)fputs("model     the current one cannot be used: ", stdout);
        pix_print_path(stdout, report->current_error.text);
        (void)putchar('\n');
    } else if (!report->current) {
        (void)fputs("model     none is current (pixgrepd model import PATH)\n", stdout);
    }
    if (report->daemon)
        (void)printf("daemon    %s\n", report->daemon);
    (void)printf("last run  %s", pix_text_time(totals->last_run_at));
    if (totals->last_run_at > 0)
        (void)printf(", %s", totals->last_outcome[0] ? totals->last_outcome : "not finished");
    (void)putchar('\n');
    if (!report->kernels)
        return;
    (void)printf("kernels   %s\ncpu       %s\n", pix_kernels_name(report->kernels), report->cpu);
    (void)fputs("decoder   ", stdout);
    pix_print_path(stdout, report->decoder ? report->decoder : "unknown");
    (void)fputs(report->decoder_runs ? "\n" : " (cannot be run)\n", stdout);
}

/* NULL prints null. */
static void print_text(const char *key, const char *text) {
    (void)printf(",\"%s\":", key);
    pix_json_text(stdout, text);
}

static void print_number(const char *key, int64_t number) {
    (void)printf(",\"%s\":%" PRId64, key, number);
}

static void print_model_json(const model_row *row) {
    (void)fputs("{\"name\":", stdout);
    pix_json_string(stdout, row->name, strlen(row->name));
    print_text("fingerprint", row->fingerprint);
    print_number("dimension", row->dimension);
    print_number("encoded", row->encoded);
    (void)printf(",\"current\":%s}", row->current ? "true" : "false");
}

static void print_json(const status_report *report) {
    const pix_store_totals *totals = &report->totals;
    (void)putchar('{');
    pix_json_bytes(stdout, "index", report->path, strlen(report->path));
    (void)printf(",\"exists\":%s", report->exists ? "true" : "false");
    print_number("index_bytes", report->database_bytes);
    print_number("photos", totals->photos);
    print_number("photo_bytes", totals->file_bytes);
    print_number("contents", totals->contents);
    print_number("missing", totals->missing);
    print_number("held", totals->held);
    print_number("failures", totals->failures);
    print_number("roots", report->roots);
    (void)fputs(",\"models\":[", stdout);
    for (size_t i = 0; i < report->model_count; i++) {
        (void)fputs(i > 0 ? "," : "", stdout);
        print_model_json(&report->models[i]);
    }
    (void)putchar(']');
    print_text("current_model", report->current);
    print_text("current_model_error", report->current_broken ? report->current_error.text : NULL);
    print_number("last_run_at", totals->last_run_at);
    print_text("last_outcome", totals->last_outcome);
    (void)printf(",\"daemon\":%s", report->daemon ? report->daemon : "null");
    if (report->kernels) {
        const char *decoder = report->decoder ? report->decoder : "";
        print_text("kernels", pix_kernels_name(report->kernels));
        print_text("cpu", report->cpu);
        (void)putchar(',');
        pix_json_bytes(stdout, "decoder", decoder, strlen(decoder));
    }
    (void)fputs("}\n", stdout);
}

pix_exit pix_command_status(const pix_options *options, pix_error *error) {
    status_report report = {0};
    pix_status status = PIX_OK;
    report.path = pix_command_store_path(options, error);
    if (!report.path)
        status = PIX_ENOTFOUND;
    if (!status)
        status = read_store(options, &report, error);
    if (!status)
        status = find_current(&report, error);
    if (!status && options->verbose)
        status = look_at_machine(&report, error);
    if (!status)
        report.daemon = pix_remote_status(report.path, options->json);
    if (!status && options->json)
        print_json(&report);
    else if (!status)
        print_report(&report);
    free(report.path);
    free(report.current);
    free(report.models);
    free(report.decoder);
    free(report.daemon);
    return status ? PIX_EXIT_ERROR : PIX_EXIT_OK;
}
