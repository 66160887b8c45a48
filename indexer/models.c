/* pixgrepd model: the models a person has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/threads.h"
#include "core/clip/fidelity.h"
#include "core/clip/library.h"
#include "indexer/commands.h"
#include "indexer/format.h"
#include "indexer/imported.h"
#include "indexer/progress.h"

static void draw_import(void *progress, double done) {
    pix_progress_draw_share(progress, "importing", done);
}

/* Imports into imported->pixm, showing how far it is. */
static pix_status run_import(const pix_options *options, pix_imported *imported, pix_error *error) {
    pix_progress *progress = pix_progress_new();
    pix_precision precision = pix_precision_or(options->precision, PIX_FP32);
    const pix_import_options how = {.vocabulary = options->vocabulary,
                                    .gelu = !options->gelu ? PIX_GELU_AS_FOUND
                                            : strcmp(options->gelu, "exact") == 0 ? PIX_GELU_EXACT
                                                                                  : PIX_GELU_QUICK,
                                    .precision = options->precision ? &precision : NULL,
                                    .bundle = options->output != NULL,
                                    .progress = draw_import,
                                    .context = progress};
    pix_library_tidy();
    int64_t start = pix_now_ns();
    pix_status status = pix_model_import(imported->source, imported->name, imported->pixm, &how,
                                         &imported->report, error);
    imported->seconds = (double)(pix_now_ns() - start) / 1e9;
    pix_progress_free(progress);
    return status;
}

static void print_imported(const pix_options *options, const pix_imported *imported) {
    (options->json ? pix_imported_print_json : pix_imported_print)(imported);
}

/* A file to be given to others touches nothing of the person's. */
static pix_status bundle(const pix_options *options, const char *name, pix_error *error) {
    pix_imported imported = {.name = name, .source = options->operands[0], .pixm = options->output};
    pix_status status = pix_library_check_name(name, error);
    if (!status)
        status = run_import(options, &imported, error);
    if (!status)
        print_imported(options, &imported);
    return status;
}

/* What is in use goes on being so.  An own model called like the bundled one that stood in takes
 * its name, so then nothing is. */
static pix_status keep(const char *in_use, const char *imported, pix_error *error) {
    return in_use && strcmp(in_use, imported) != 0 ? pix_library_keep(in_use, error) : PIX_OK;
}

static pix_status import(const pix_options *options, const char *name, pix_error *error) {
    char *path = NULL, *in_use;
    (void)pix_library_in_use(&in_use, NULL); /* a spoilt choice keeps nobody from importing */
    pix_imported imported = {
        .name = name, .source = options->operands[0], .current = !options->no_use};
    pix_status status = pix_library_path(name, &path, error);
    imported.pixm = path;
    if (!status)
        status = run_import(options, &imported, error);
    if (!status)
        status = options->no_use ? keep(in_use, name, error) : pix_library_use(name, error);
    if (!status)
        print_imported(options, &imported);
    if (!status && !options->json)
        (void)printf(options->no_use ? "  not current: pixgrepd model use %s\n"
                                     : "  now the current model\n",
                     name);
    free(in_use);
    free(path);
    return status;
}

pix_exit pix_command_model_import(const pix_options *options, pix_error *error) {
    char *name = options->name ? strdup(options->name) : pix_library_name_for(options->operands[0]);
    pix_status status = !name             ? pix_fail_memory(error)
                        : options->output ? bundle(options, name, error)
                                          : import(options, name, error);
    free(name);
    return status ? PIX_EXIT_ERROR : PIX_EXIT_OK;
}

typedef struct model_list {
    const char *in_use; /* NULL: none */
    bool json, broken;
} model_list;

static const char *boolean(bool value) {
    return value ? "true" : "false";
}

/* `model` is NULL when it cannot be opened, and `trouble` says why. */
static void print_model_json(const char *name, bool in_use, const pix_model *model,
                             const char *trouble) {
    (void)fputs("{\"name\":", stdout);
    pix_json_text(stdout, name);
    (void)printf(",\"current\":%s,\"bundled\":%s,\"text\":%s,\"fingerprint\":", boolean(in_use),
                 model ? boolean(pix_library_is_bundled(model)) : "null",
                 model ? boolean(pix_model_has_text(model, NULL)) : "null");
    pix_json_text(stdout, model ? pix_model_fingerprint(model) : NULL);
    (void)fputs(",\"precision\":", stdout);
    pix_json_text(stdout, model ? pix_precision_name(pix_model_precision(model)) : NULL);
    pix_fidelity_print_json(model ? pix_model_fidelity(model) : NULL);
    (void)fputs(",\"source_sha256\":", stdout);
    pix_json_text(stdout, model ? pix_model_source_sha256(model) : NULL);
    (void)fputs(",\"error\":", stdout);
    pix_json_text(stdout, trouble);
    (void)fputs("}\n", stdout);
}

static void print_model(const char *name, bool in_use, const pix_model *model,
                        const char *trouble) {
    (void)printf("%c %s\t", in_use ? '*' : ' ', name);
    if (!model) {
        (void)fputs("cannot be used: ", stdout);
        pix_print_path(stdout, trouble);
        (void)putchar('\n');
        return;
    }
    const pix_clip_config *config = pix_model_config(model);
    char text[PIX_FIDELITY_TEXT];
    (void)printf("%d pixels\t%d numbers\t%s\t%s\tint8: %s\t%.12s%s\n", config->image_size,
                 config->embed_dim,
                 pix_model_has_text(model, NULL) ? "text and pictures" : "pictures only",
                 pix_precision_name(pix_model_precision(model)),
                 pix_fidelity_text(pix_model_fidelity(model), text), pix_model_fingerprint(model),
                 pix_library_is_bundled(model) ? "\tbundled" : "");
}

static pix_status list_model(void *context, const char *name) {
    model_list *list = context;
    bool in_use = list->in_use && strcmp(name, list->in_use) == 0;
    pix_model *model;
    pix_error error;
    pix_status status = pix_library_open(name, &model, &error);
    list->broken = list->broken || status;
    (list->json ? print_model_json : print_model)(name, in_use, model, status ? error.text : NULL);
    pix_model_close(model);
    return PIX_OK;
}

/* The model in use, if there is one, can be opened. */
static pix_status check_in_use(pix_error *error) {
    char *name;
    pix_model *model = NULL;
    pix_status status = pix_library_in_use(&name, error);
    if (!status && name)
        status = pix_library_open(NULL, &model, error);
    pix_model_close(model);
    free(name);
    return status;
}

pix_exit pix_command_model_list(const pix_options *options, pix_error *error) {
    char *in_use;
    (void)pix_library_in_use(&in_use, NULL); /* check_in_use tells of trouble, after the list */
    model_list list = {.in_use = in_use, .json = options->json};
    pix_status status = pix_library_list(list_model, &list, error);
    free(in_use);
    if (!status)
        status = check_in_use(error);
    if (!status && list.broken)
        status = pix_fail(error, PIX_EFORMAT, "not every model can be used");
    return status ? PIX_EXIT_ERROR : PIX_EXIT_OK;
}

pix_exit pix_command_model_use(const pix_options *options, pix_error *error) {
    return pix_library_use(options->operands[0], error) ? PIX_EXIT_ERROR : PIX_EXIT_OK;
}

pix_exit pix_command_model_remove(const pix_options *options, pix_error *error) {
    return pix_library_remove(options->operands[0], error) ? PIX_EXIT_ERROR : PIX_EXIT_OK;
}

/* What verifying has found right. */
static void print_verified(const char *name, const pix_model *model, bool no_source,
                           bool source_checked) {
    (void)printf("%s: ", name);
    if (pix_model_source(model)[0] != '/') {
        (void)fputs("as built from ", stdout);
        pix_print_path(stdout, pix_model_source(model));
    } else {
        (void)fputs(no_source        ? "as imported"
                    : source_checked ? "as imported, and so is the file it came from"
                                     : "as imported (the file it came from is gone)",
                    stdout);
    }
    (void)putchar('\n');
}

static pix_status verify(const char *name, bool no_source, pix_error *error) {
    pix_model *model;
    bool source_checked = false;
    pix_status status = pix_library_open(name, &model, error);
    if (!status)
        status = no_source ? pix_model_verify_contents(model, error)
                           : pix_model_verify(model, &source_checked, error);
    if (!status)
        print_verified(name, model, no_source, source_checked);
    pix_model_close(model);
    return status;
}

typedef struct verification {
    bool no_source, broken;
} verification;

static pix_status verify_next(void *context, const char *name) {
    verification *all = context;
    pix_error error;
    if (verify(name, all->no_source, &error)) {
        all->broken = true;
        (void)printf("%s: ", name);
        pix_print_path(stdout, error.text);
        (void)putchar('\n');
    }
    return PIX_OK;
}

static pix_status verify_all(bool no_source, pix_error *error) {
    verification all = {.no_source = no_source};
    pix_status status = pix_library_list(verify_next, &all, error);
    if (!status)
        status = check_in_use(error);
    if (!status && all.broken)
        status = pix_fail(error, PIX_EFORMAT, "not every model is as it was imported");
    return status;
}

pix_exit pix_command_model_verify(const pix_options *options, pix_error *error) {
    pix_status status = options->operand_count > 0
                            ? verify(options->operands[0], options->no_source, error)
                            : verify_all(options->no_source, error);
    return status ? PIX_EXIT_ERROR : PIX_EXIT_OK;
}
