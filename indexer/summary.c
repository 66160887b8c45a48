#include "indexer/summary.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/threads.h"
#include "indexer/format.h"

/* Every count, in the order of a line, and how lines and reports call it. */
static const struct count {
    const char *word, *key;
    size_t field;
} count_table[] = {
#define FIELD(name) offsetof(pix_run_counts, name)
    {"seen", "seen", FIELD(seen)},
    {"new", "new", FIELD(added)},
    {"changed", "changed", FIELD(changed)},
    {"moved", "moved", FIELD(moved)},
    {"duplicates", "duplicates", FIELD(duplicates)},
    {"removed", "removed", FIELD(removed)},
    {"returned", "returned", FIELD(returned)},
    {"failed", "failed", FIELD(failed)},
    {"failed before", "failed_before", FIELD(failed_before)},
    {"unchanged", "unchanged", FIELD(unchanged)},
#undef FIELD
};

enum { COUNTS = sizeof count_table / sizeof *count_table };

static int64_t count_of(const pix_run_counts *counts, const struct count *count) {
    return *(const int64_t *)((const char *)counts + count->field);
}

static double pace(const pix_run_counts *counts, double seconds) {
    return counts->encoded > 0 && seconds > 0 ? (double)counts->encoded / seconds : 0;
}

void pix_summary_print(FILE *out, const char *folder, const pix_run_counts *counts,
                       double seconds) {
    pix_print_path(out, folder);
    for (size_t i = 0; i < COUNTS; i++)
        (void)fprintf(out, "%s%s %s", i == 0 ? ": " : ", ",
                      pix_text_count(count_of(counts, &count_table[i])), count_table[i].word);
    (void)fprintf(out, "; %s encoded in %s", pix_text_count(counts->encoded),
                  pix_text_duration(seconds));
    if (pace(counts, seconds) > 0)
        (void)fprintf(out, " (%.1f photos/s)", pace(counts, seconds));
    (void)fputc('\n', out);
}

void pix_summary_print_short(FILE *out, const char *folder, const pix_run_counts *counts,
                             double seconds) {
    const char *before = ": ";
    for (size_t i = 0; i < COUNTS; i++) {
        int64_t count = count_of(counts, &count_table[i]);
        size_t field = count_table[i].field;
        if (count == 0 || field == offsetof(pix_run_counts, seen) ||
            field == offsetof(pix_run_counts, unchanged) ||
            field == offsetof(pix_run_counts, failed_before))
            continue;
        if (before[0] == ':')
            pix_print_path(out, folder);
        (void)fprintf(out, "%s%s %s", before, pix_text_count(count), count_table[i].word);
        before = ", ";
    }
    if (before[0] == ',')
        (void)fprintf(out, "; %s encoded in %s\n", pix_text_count(counts->encoded),
                      pix_text_duration(seconds));
}

static void write_counts(FILE *out, const pix_run_counts *counts, double seconds) {
    for (size_t i = 0; i < COUNTS; i++)
        (void)fprintf(out, "\"%s\":%" PRId64 ",", count_table[i].key,
                      count_of(counts, &count_table[i]));
    (void)fprintf(out, "\"held\":%" PRId64 ",", counts->held);
    (void)fprintf(out, "\"skipped\":%" PRId64 ",\"encoded\":%" PRId64 ",\"seconds\":%.3f,",
                  counts->unchanged + counts->failed_before, counts->encoded, seconds);
    (void)fprintf(out, "\"photos_per_second\":%.1f", pace(counts, seconds));
}

void pix_summary_read(const json_t *object, pix_run_counts *counts) {
    *counts = (pix_run_counts){
        .encoded = json_integer_value(json_object_get(object, "encoded")),
        .held = json_integer_value(json_object_get(object, "held")),
    };
    for (size_t i = 0; i < COUNTS; i++)
        *(int64_t *)((char *)counts + count_table[i].field) =
            json_integer_value(json_object_get(object, count_table[i].key));
}

pix_status pix_summary_begin(pix_summary *summary, pix_error *error) {
    *summary = (pix_summary){.start_ns = pix_now_ns()};
    summary->folders = open_memstream(&summary->text, &summary->size);
    return summary->folders ? PIX_OK : pix_fail_memory(error);
}

void pix_summary_add(pix_summary *summary, const char *folder, const pix_run_counts *counts,
                     double seconds) {
    FILE *out = summary->folders;
    pix_run_counts_add(&summary->counts, counts);
    (void)fputs(ftello(out) > 0 ? ",{" : "{", out);
    pix_json_bytes(out, "path", folder, strlen(folder));
    (void)fputc(',', out);
    write_counts(out, counts, seconds);
    (void)fputc('}', out);
}

static void write_report(FILE *out, const pix_summary *summary, const char *outcome,
                         const char *reason) {
    (void)fprintf(out, "{\"outcome\":\"%s\",\"reason\":", outcome);
    pix_json_text(out, reason);
    (void)fputc(',', out);
    write_counts(out, &summary->counts, (double)(pix_now_ns() - summary->start_ns) / 1e9);
    (void)fprintf(out, ",\"folders\":[%s]}", summary->text);
}

char *pix_summary_end(pix_summary *summary, const char *outcome, const char *reason) {
    char *text = NULL;
    size_t size;
    if (summary->folders && fclose(summary->folders) == 0) {
        FILE *out = open_memstream(&text, &size);
        if (out) {
            write_report(out, summary, outcome, reason);
            if (fclose(out)) {
                free(text);
                text = NULL;
            }
        }
    }
    free(summary->text);
    *summary = (pix_summary){0};
    return text;
}

void pix_run_counts_add(pix_run_counts *sum, const pix_run_counts *counts) {
    for (size_t i = 0; i < COUNTS; i++)
        *(int64_t *)((char *)sum + count_table[i].field) += count_of(counts, &count_table[i]);
    sum->encoded += counts->encoded;
    sum->held += counts->held;
}
