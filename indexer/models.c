/* pixgrepd model: the models a person has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/base/json.h"
#include "core/clip/library.h"
#include "indexer/commands.h"
#include "indexer/format.h"

static void draw_import(void *context, double done) {
    (void)context;
    (void)fprintf(stderr, "\rimporting: %3.0f %%\033[K", done * 100);
    (void)fflush(stderr);
}

static void print_config(const pix_clip_config *config) {
    if (config->vision_kind == PIX_VISION_VIT)
        (void)printf("  vision      transformer, %d layers of %d, patches of %d pixels\n",
                     config->vision_layers, config->vision_width, config->patch_size);
    else
        (void)printf("  vision      ResNet, %d-%d-%d-%d blocks of width %d\n",
                     config->resnet_layers[0], config->resnet_layers[1], config->resnet_layers[2],
                     config->resnet_layers[3], config->vision_width);
    (void)printf("  pictures    %d x %d pixels -> %d numbers\n", config->image_size,
                 config->image_size, config->embed_dim);
    (void)printf("  text        %d layers of %d, %d tokens of %d\n", config->text_layers,
                 config->text_width, config->context_length, config->vocab_size);
}

static void print_report(const char *name, const char *source, const pix_import_report *report) {
    (void)printf("%s: imported from ", name);
    pix_print_path(stdout, source);
    (void)printf(" (%s)\n", report->format);
    (void)printf("  parameters  %s, %s\n", pix_text_count(report->parameters),
                 pix_text_size(report->file_bytes));
    print_config(&report->config);
    (void)fputs("  vocabulary  ", stdout);
    pix_print_path(stdout, report->vocabulary[0] ? report->vocabulary : "none");
    (void)printf("\n  source      sha256 %s\n", report->source_sha256);
    (void)printf("  fingerprint %s\n", report->fingerprint);
}

static void print_no_vocabulary(const pix_import_report *report) {
    if (!report->vocabulary[0]) {
        (void)fputs("pixgrepd: model import: ", stderr);
        pix_print_path(stderr, report->no_vocabulary);
        (void)fputc('\n', stderr);
    }
}

/* A file to be given to others touches nothing of the person's. */
static pix_status bundle(const pix_options *options, const char *name, pix_error *error) {
    pix_import_report report;
    pix_status status = pix_library_check_name(name, error);
    if (!status)
        status = pix_model_bundle(options->operands[0], name, options->vocabulary, options->output,
                                  &report, error);
    if (status)
        return status;
    print_report(name, options->operands[0], &report);
    print_no_vocabulary(&report);
    (void)fputs("  written to  ", stdout);
    pix_print_path(stdout, options->output);
    (void)putchar('\n');
    return PIX_OK;
}

/* What is in use goes on being so.  An own model called like the bundled one that stood in takes
 * its name, so then nothing is. */
static pix_status keep(const char *in_use, const char *imported, pix_error *error) {
    return in_use && strcmp(in_use, imported) != 0 ? pix_library_keep(in_use, error) : PIX_OK;
}

static pix_status import(const pix_options *options, const char *name, pix_error *error) {
    const char *source = options->operands[0];
    char *path = NULL, *in_use;
    (void)pix_library_in_use(&in_use, NULL); /* a spoilt choice keeps nobody from importing */
    pix_import_report report;
    bool draw = isatty(STDERR_FILENO) != 0;
    pix_status status = pix_library_path(name, &path, error);
    if (!status)
        status = pix_model_import(source, name, options->vocabulary, path,
                                  draw ? draw_import : NULL, NULL, &report, error);
    if (draw)
        (void)fputs("\r\033[K", stderr);
    if (!status)
        status = options->no_use ? keep(in_use, name, error) : pix_library_use(name, error);
    if (!status) {
        print_report(name, source, &report);
        print_no_vocabulary(&report);
        (void)printf(options->no_use ? "  not current: pixgrepd model use %s\n"
                                     : "  now the current model\n",
                     name);
    }
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
    (void)printf("%d pixels\t%d numbers\t%s\t%.12s%s\n", config->image_size, config->embed_dim,
                 pix_model_has_text(model, NULL) ? "text and pictures" : "pictures only",
                 pix_model_fingerprint(model), pix_library_is_bundled(model) ? "\tbundled" : "");
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
