/* options.h - the command line of pixgrep.
 *
 * One table says every option, its value and the modes it goes with; getopt_long reads the words in
 * order, so options may stand before, between and after the query until "--".  Not thread-safe:
 * getopt keeps globals. */
#ifndef PIX_QUERY_OPTIONS_H
#define PIX_QUERY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/error.h"
#include "query/filters.h"

typedef enum pix_query_mode {
    PIX_QUERY_SEARCH,
    PIX_QUERY_TOKENIZE,
    PIX_QUERY_EMBED,
    PIX_QUERY_CROP,
    PIX_QUERY_CLASSIFY,
    PIX_QUERY_DUPLICATES,
    PIX_QUERY_CACHE,
    PIX_QUERY_HELP,
    PIX_QUERY_VERSION
} pix_query_mode;

typedef enum pix_query_format {
    PIX_FORMAT_LINES, /* score, tab, escaped path; the other modes' plain form */
    PIX_FORMAT_TABLE, /* aligned, for a person; chosen by the program, not by an option */
    PIX_FORMAT_PATHS, /* escaped paths */
    PIX_FORMAT_NULL,  /* paths as they are, each followed by NUL */
    PIX_FORMAT_JSON   /* one object a line */
} pix_query_format;

/* Pictures are alike from this cosine on, may be said to be from that on, and this no cosine
 * reaches. */
#define PIX_ALIKE 0.98
#define PIX_LEAST_ALIKE 0.5
#define PIX_IDENTICAL 2.0

typedef enum pix_sort { PIX_SORT_SCORE, PIX_SORT_DATE, PIX_SORT_PATH } pix_sort;

/* A word of the query, a file, a --text or a FILE of --like, in the order of the command line. */
typedef struct pix_query_input {
    const char *value;
    bool is_text; /* given with --text */
    bool is_like; /* after --like */
} pix_query_input;

typedef struct pix_query_options {
    pix_query_mode mode;
    pix_query_format format;
    const char *database, *model, *vocabulary; /* NULL: the default one */
    const char *precision;                     /* as pix_precision_parse takes; NULL: the model's */
    const char *labels;                        /* of --classify */
    const char *templates; /* as for pix_templates_open; of --classify, where --ensemble sets it */
    const char *ensemble;  /* the same for the words of other modes; NULL: none */
    bool exact, ignore_rotation, truncate;
    bool clear_cache; /* --cache clear, not list */
    bool literal;     /* the query is words, whatever it looks like */
    bool null_ended;  /* -0: paths end with NUL, written or read */
    int threads;      /* at least 1 */
    int size;         /* of --crop in pixels; 0: the model's */
    int k;            /* how many results; 0: as many as are worth it */
    bool batch;       /* queries come from standard input */
    bool explain, preview;
    const char *template; /* of --format */
    const char *sheet;    /* of --html */
    bool has_min_score;
    double min_score; /* of each result, -1 to 1 */
    pix_filters filters;
    pix_sort sort;
    bool collapse;
    double alike;            /* from which cosine on pictures are alike; 0: PIX_ALIKE */
    pix_query_input *inputs; /* values belong to argv */
    size_t input_count;
} pix_query_options;

/* Fills *options from the command line; a usage error is PIX_EINVALID and names the bad word. */
pix_status pix_query_options_parse(int argc, char **argv, pix_query_options *options,
                                   pix_error *error);
void pix_query_options_free(pix_query_options *options);

/* What --help prints. */
void pix_query_options_help(FILE *out);

#endif
