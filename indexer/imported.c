#include "indexer/imported.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/files.h"
#include "core/base/json.h"
#include "core/clip/architecture.h"
#include "core/clip/fidelity.h"
#include "indexer/format.h"

/* "ViT-B-32.pt", in `out`, when the file with this digest is in the catalogue of OpenAI's that
 * pixgrep-fetch-model has: lines that end in the digest and the address. */
static bool find_official(const char *sha256, char *out, size_t size) {
    char *path = pix_place_installed("share/pixgrep/catalogue");
    pix_bytes text = {0};
    bool found = false;
    if (path && !pix_file_read(path, 1 << 16, &text, NULL) && text.data) {
        const char *line = strstr(text.data, sha256);
        size_t length = line ? strcspn(line, "\n") : 0;
        const char *slash = line ? memrchr(line, '/', length) : NULL;
        found = slash != NULL;
        if (slash)
            (void)snprintf(out, size, "%.*s", (int)(line + length - slash - 1), slash + 1);
    }
    pix_bytes_free(&text);
    free(path);
    return found;
}

static void print_config(const pix_clip_config *config) {
    const char *architecture = pix_clip_architecture(config);
    (void)printf("  model       %s\n", architecture ? architecture : "not one of OpenAI's sizes");
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

/* Weights do not show which GELU they were trained with; who can know better must hear it. */
static void print_activation(const pix_import_report *report) {
    bool exact = report->config.exact_gelu != 0;
    const char *source = report->gelu_source;
    (void)printf("  activation  %s", exact ? "exact GELU" : "QuickGELU");
    if (!report->gelu_known)
        (void)fputs(", assumed", stdout);
    if (source[0]) {
        (void)fputs(report->gelu_known ? " (" : " ", stdout);
        pix_print_path(stdout, source);
        (void)fputs(report->gelu_known ? ")" : "", stdout);
    }
    if (!report->gelu_known)
        (void)printf("; if it was trained with the other: --gelu %s", exact ? "quick" : "exact");
    (void)putchar('\n');
}

static void print_files(const pix_import_report *report) {
    if (report->files > 1 || report->others[0]) {
        (void)fputs("  weights     ", stdout);
        pix_print_path(stdout, report->weights);
        if (report->files > 1)
            (void)printf(", %d files", report->files);
        if (report->others[0]) {
            (void)fputs("; not used: ", stdout);
            pix_print_path(stdout, report->others);
        }
        (void)putchar('\n');
    }
    if (report->ignored > 0)
        (void)printf("  ignored     %s tensor%s of no part in the model\n",
                     pix_text_count(report->ignored), report->ignored == 1 ? "" : "s");
}

/* That text cannot be encoded, and why. */
static void warn_of_vocabulary(const pix_import_report *report) {
    pix_complain("model import: %s", report->no_vocabulary);
}

/* What the model runs in, and how near int8 is, which that was chosen by. */
static void print_precision(const pix_imported *imported) {
    const pix_import_report *report = &imported->report;
    char text[PIX_FIDELITY_TEXT];
    (void)printf("  precision   %s\n", pix_precision_name(report->precision));
    (void)printf("  int8        %s: %s\n",
                 pix_fidelity_is_enough(&report->fidelity) ? "near fp32" : "far from fp32",
                 pix_fidelity_text(&report->fidelity, text));
}

/* That it was told to run in what is far from float32. */
static void warn_of_precision(const pix_imported *imported) {
    const pix_import_report *report = &imported->report;
    char warning[PIX_FIDELITY_WARNING];
    if (pix_fidelity_warning(imported->name, &report->fidelity, report->precision, warning))
        pix_complain("model import: %s", warning);
}

void pix_imported_print(const pix_imported *imported) {
    const pix_import_report *report = &imported->report;
    char official[64];
    (void)printf("%s: imported from ", imported->name);
    pix_print_path(stdout, imported->source);
    (void)printf(" (%s)\n", report->format);
    print_config(&report->config);
    print_activation(report);
    print_precision(imported);
    (void)printf("  parameters  %s (tensors: %s)\n", pix_text_count(report->parameters),
                 report->dtypes);
    print_files(report);
    (void)fputs("  vocabulary  ", stdout);
    pix_print_path(stdout, report->vocabulary[0] ? report->vocabulary : "none");
    (void)printf("\n  source      sha256 %s", report->source_sha256);
    if (find_official(report->source_sha256, official, sizeof official))
        (void)printf(", OpenAI's own %s", official);
    (void)printf("\n  fingerprint %s\n", report->fingerprint);
    (void)printf("  size        %s, made in %s\n", pix_text_size(report->file_bytes),
                 pix_text_duration(imported->seconds));
    (void)fputs("  written to  ", stdout);
    pix_print_path(stdout, imported->pixm);
    (void)putchar('\n');
    if (!report->vocabulary[0])
        warn_of_vocabulary(report);
    warn_of_precision(imported);
}

/* ,"KEY":number, or null for none. */
static void put_number(const char *key, double value) {
    if (isnan(value))
        (void)printf(",\"%s\":null", key);
    else
        (void)printf(",\"%s\":%.6f", key, value);
}

void pix_fidelity_print_json(const pix_fidelity *f) {
    (void)fputs(",\"fidelity\":", stdout);
    if (!f) {
        (void)fputs("null", stdout);
        return;
    }
    (void)printf("{\"enough\":%s", pix_fidelity_is_enough(f) ? "true" : "false");
    put_number("picture_least", f->image_least);
    put_number("picture_mean", f->image_mean);
    put_number("text_least", f->text_least);
    put_number("text_mean", f->text_mean);
    put_number("score_error", f->score_error);
    (void)putchar('}');
}

/* ,"KEY":"text", or null for "". */
static void put_text(const char *key, const char *text) {
    (void)printf(",\"%s\":", key);
    pix_json_text(stdout, text && text[0] ? text : NULL);
}

/* ,"KEY":"text" as of a path, or null for "". */
static void put_path(const char *key, const char *text) {
    if (!text[0]) {
        put_text(key, NULL);
        return;
    }
    (void)putchar(',');
    pix_json_bytes(stdout, key, text, strlen(text));
}

void pix_imported_print_json(const pix_imported *imported) {
    const pix_import_report *report = &imported->report;
    const pix_clip_config *config = &report->config;
    char official[64] = "";
    (void)find_official(report->source_sha256, official, sizeof official);
    (void)fputs("{\"name\":", stdout);
    pix_json_text(stdout, imported->name);
    (void)printf(",\"current\":%s,", imported->current ? "true" : "false");
    pix_json_bytes(stdout, "source", imported->source, strlen(imported->source));
    put_text("format", report->format);
    put_text("architecture", pix_clip_architecture(config));
    (void)printf(",\"vision\":\"%s\",\"image_size\":%d,\"dimension\":%d,\"context_length\":%d,"
                 "\"vocabulary_size\":%d,\"gelu\":\"%s\",\"gelu_known\":%s,\"precision\":\"%s\","
                 "\"parameters\":%" PRId64,
                 config->vision_kind == PIX_VISION_VIT ? "transformer" : "ResNet",
                 config->image_size, config->embed_dim, config->context_length, config->vocab_size,
                 config->exact_gelu ? "exact" : "quick", report->gelu_known ? "true" : "false",
                 pix_precision_name(report->precision), report->parameters);
    pix_fidelity_print_json(&report->fidelity);
    put_text("tensors", report->dtypes);
    (void)printf(",\"ignored\":%" PRId64 ",\"files\":%d", report->ignored, report->files);
    put_path("weights", report->weights);
    put_path("not_used", report->others);
    put_text("source_sha256", report->source_sha256);
    put_text("official", official);
    put_text("fingerprint", report->fingerprint);
    put_path("vocabulary", report->vocabulary);
    put_text("no_vocabulary", report->no_vocabulary);
    (void)putchar(',');
    pix_json_bytes(stdout, "path", imported->pixm, strlen(imported->pixm));
    (void)printf(",\"bytes\":%" PRId64 ",\"seconds\":%.3f}\n", report->file_bytes,
                 imported->seconds);
    if (report->misfit)
        warn_of_vocabulary(report);
    warn_of_precision(imported);
}
