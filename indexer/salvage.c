/* pixgrepd salvage: checks the index, and saves what can be read of a damaged one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "indexer/commands.h"
#include "indexer/format.h"
#include "storage/salvage.h"

static void print_saved(const char *what, int64_t saved, int64_t before) {
    (void)printf("%s %s saved", what, pix_text_count(saved));
    if (before >= saved)
        (void)printf(" of %s, %s lost\n", pix_text_count(before), pix_text_count(before - saved));
    else
        (void)puts(", how many there were cannot be read");
}

static void print_report(const char *path, const pix_salvage *salvage) {
    pix_print_path(stdout, path);
    if (salvage->sound) {
        (void)puts(": sound, nothing is done");
        return;
    }
    (void)fputs(": damaged: ", stdout);
    pix_print_path(stdout, salvage->damage);
    (void)putchar('\n');
    print_saved("photos  ", salvage->photos, salvage->photos_before);
    print_saved("vectors ", salvage->vectors, salvage->vectors_before);
    (void)fputs("the damaged file is kept as ", stdout);
    pix_print_path(stdout, salvage->kept_as);
    (void)puts("\npixgrepd index finds again what is lost");
}

static void print_json(const char *path, const pix_salvage *salvage) {
    (void)putchar('{');
    pix_json_bytes(stdout, "index", path, strlen(path));
    (void)printf(",\"sound\":%s", salvage->sound ? "true" : "false");
    if (!salvage->sound) {
        (void)fputs(",\"damage\":", stdout);
        pix_json_string(stdout, salvage->damage, strlen(salvage->damage));
        (void)printf(",\"photos\":%" PRId64 ",\"photos_before\":%" PRId64, salvage->photos,
                     salvage->photos_before);
        (void)printf(",\"vectors\":%" PRId64 ",\"vectors_before\":%" PRId64 ",", salvage->vectors,
                     salvage->vectors_before);
        pix_json_bytes(stdout, "kept_as", salvage->kept_as, strlen(salvage->kept_as));
    }
    (void)puts("}");
}

pix_exit pix_command_salvage(const pix_options *options, pix_error *error) {
    pix_salvage salvage;
    char *path = pix_command_store_path(options, error);
    if (!path)
        return PIX_EXIT_ERROR;
    pix_status status = pix_store_salvage(path, &salvage, error);
    if (!status && options->json)
        print_json(path, &salvage);
    else if (!status)
        print_report(path, &salvage);
    free(path);
    return status ? PIX_EXIT_ERROR : PIX_EXIT_OK;
}
