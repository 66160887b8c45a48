#include "query/options.h"

#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/threads.h"
#include "core/clip/precision.h"
#include "core/clip/prompts.h"

enum { DEFAULT_LABELS = 10, MAX_CROP_SIZE = 4096, MAX_THREADS = 1024 };

/* Values of options without a letter begin above every letter. */
enum {
    OPTION_TOKENIZE = 256,
    OPTION_EMBED,
    OPTION_CROP,
    OPTION_CLASSIFY,
    OPTION_TEMPLATES,
    OPTION_ENSEMBLE,
    OPTION_CACHE,
    OPTION_DUPLICATES,
    OPTION_JSON,
    OPTION_TRUNCATE,
    OPTION_TEXT,
    OPTION_SIZE,
    OPTION_DB,
    OPTION_MODEL,
    OPTION_VOCAB,
    OPTION_LITERAL,
    OPTION_LIKE,
    OPTION_MIN_SCORE,
    OPTION_IN, /* from here on those of pix_filter_option, in its order */
    OPTION_SINCE,
    OPTION_UNTIL,
    OPTION_CAMERA,
    OPTION_TYPE,
    OPTION_ORIENTATION,
    OPTION_MIN_SIZE,
    OPTION_NEAR,
    OPTION_SORT,
    OPTION_COLLAPSE,
    OPTION_ALIKE,
    OPTION_BATCH,
    OPTION_FORMAT,
    OPTION_HTML,
    OPTION_PREVIEW,
    OPTION_EXPLAIN,
    OPTION_EXACT,
    OPTION_NO_AUTOROTATE,
    OPTION_PRECISION,
    OPTION_THREADS,
    OPTION_VERSION
};

enum {
    IN_SEARCH = 1 << PIX_QUERY_SEARCH,
    IN_TOKENIZE = 1 << PIX_QUERY_TOKENIZE,
    IN_EMBED = 1 << PIX_QUERY_EMBED,
    IN_CROP = 1 << PIX_QUERY_CROP,
    IN_CLASSIFY = 1 << PIX_QUERY_CLASSIFY,
    IN_DUPLICATES = 1 << PIX_QUERY_DUPLICATES,
    IN_CACHE = 1 << PIX_QUERY_CACHE,
    IN_FILTERED = IN_SEARCH | IN_CLASSIFY | IN_DUPLICATES,
    IN_ALL = IN_CACHE | IN_DUPLICATES | IN_SEARCH | IN_TOKENIZE | IN_EMBED | IN_CROP | IN_CLASSIFY
};

/* `value` is what the help calls the value, NULL for an option without one; one in brackets may be
 * left out. */
static const struct {
    const char *name, *value, *help;
    int code;
    int modes;
} table[] = {
    {"tokenize", NULL, "read texts, a line each, and print their token ids", OPTION_TOKENIZE,
     IN_ALL},
    {"embed", NULL, "print the vectors of --text TEXT and of picture files", OPTION_EMBED, IN_ALL},
    {"crop", NULL, "write what the model sees of a picture, as PPM", OPTION_CROP, IN_ALL},
    {"classify", "LABELS", "print which labels fit pictures: a,b,c or a file of them",
     OPTION_CLASSIFY, IN_ALL},
    {"duplicates", NULL, "print which photos are the same, and which nearly so", OPTION_DUPLICATES,
     IN_ALL},
    {"like", "FILE...", "add pictures to the query, up to the next option", OPTION_LIKE, IN_SEARCH},
    {"literal", NULL, "search for the words as they stand", OPTION_LITERAL, IN_SEARCH},
    {"results", "N", "print exactly the N best photos, or labels (10)", 'k',
     IN_SEARCH | IN_CLASSIFY},
    {"min-score", "X", "print photos that score at least X", OPTION_MIN_SCORE, IN_SEARCH},
    {"in", "DIR", "photos in this folder or below it; may be repeated", OPTION_IN, IN_FILTERED},
    {"since", "TIME", "taken then or later: 2023, 2023-05, 2023-05-17, ...T13:45", OPTION_SINCE,
     IN_FILTERED},
    {"until", "TIME", "taken then or earlier; 2023 includes all of it", OPTION_UNTIL, IN_FILTERED},
    {"camera", "TEXT", "taken with a camera whose name holds TEXT", OPTION_CAMERA, IN_FILTERED},
    {"type", "TYPE,...", "jpeg, png, heic, raw, ...", OPTION_TYPE, IN_FILTERED},
    {"orientation", "SHAPE", "landscape, portrait or square", OPTION_ORIENTATION, IN_FILTERED},
    {"min-size", "SIZE", "at least 12MP, 1920x1080 or, the short side, 800", OPTION_MIN_SIZE,
     IN_FILTERED},
    {"near", "LAT,LON,KM", "taken within KM kilometres of a place", OPTION_NEAR, IN_FILTERED},
    {"sort", "KEY", "print by score, date (newest first) or path", OPTION_SORT,
     IN_SEARCH | IN_DUPLICATES},
    {"collapse", NULL, "print one of photos that are the same or nearly so", OPTION_COLLAPSE,
     IN_SEARCH},
    {"alike", "X", "nearly so is a cosine of X (0.98), or identical: the same bytes", OPTION_ALIKE,
     IN_SEARCH | IN_DUPLICATES},
    {"batch", NULL, "read queries from standard input, one a line", OPTION_BATCH, IN_SEARCH},
    {"paths", NULL, "print paths only", 'l', IN_SEARCH | IN_DUPLICATES},
    {"null", NULL, "print raw paths only, each ended by NUL; or read such from -", '0',
     IN_SEARCH | IN_EMBED | IN_CLASSIFY | IN_DUPLICATES},
    {"json", NULL, "one JSON value a line", OPTION_JSON,
     IN_SEARCH | IN_TOKENIZE | IN_EMBED | IN_CLASSIFY | IN_DUPLICATES | IN_CACHE},
    {"format", "FORMAT", "print this of each photo: '{score} {path}'", OPTION_FORMAT, IN_SEARCH},
    {"html", "FILE", "write a page with thumbnails, too", OPTION_HTML, IN_SEARCH},
    {"preview", NULL, "draw the photos in the terminal (needs chafa)", OPTION_PREVIEW, IN_SEARCH},
    {"explain", NULL, "say on standard error how the answer came about", OPTION_EXPLAIN, IN_SEARCH},
    {"text", "TEXT", "a text to embed; may be repeated", OPTION_TEXT, IN_EMBED},
    {"templates", "SET", "short, long, a file, or a template: 'a sketch of a {}.'",
     OPTION_TEMPLATES, IN_CLASSIFY},
    {"ensemble", "[=SET]", "put words into the sentences of --templates SET (short)",
     OPTION_ENSEMBLE, IN_SEARCH | IN_EMBED | IN_CLASSIFY},
    {"cache", "list|clear", "print, or forget, what --ensemble has kept", OPTION_CACHE, IN_ALL},
    {"truncate", NULL, "cut to the model's context", OPTION_TRUNCATE, IN_TOKENIZE | IN_CLASSIFY},
    {"size", "N", "side of the crop in pixels (the model's)", OPTION_SIZE, IN_CROP},
    {"db", "FILE", "the index ($XDG_DATA_HOME/pixgrep/index.db)", OPTION_DB, IN_ALL},
    {"model", "NAME", "a model's name or .pixm file (the current one)", OPTION_MODEL, IN_ALL},
    {"vocab", "FILE", "the vocabulary for texts (the model's)", OPTION_VOCAB, IN_ALL},
    {"exact", NULL, "decode pictures in full, as OpenAI's code does", OPTION_EXACT, IN_ALL},
    {"no-autorotate", NULL, "ignore the EXIF orientation", OPTION_NO_AUTOROTATE, IN_ALL},
    {"precision", "P", "the model computes in fp32 or int8 (as it was imported)", OPTION_PRECISION,
     IN_ALL},
    {"threads", "N", "processors to use (all)", OPTION_THREADS, IN_ALL},
    {"help", NULL, "print this help", 'h', IN_ALL},
    {"version", NULL, "print the version", OPTION_VERSION, IN_ALL},
};
enum { OPTION_COUNT = sizeof table / sizeof *table };

void pix_query_options_help(FILE *out) {
    (void)fputs(
        "usage: pixgrep [options] WORDS...           find photos by what they show\n"
        "       pixgrep [options] ./PICTURE          find photos like this one\n"
        "       pixgrep [options] TERM + TERM - TERM...   add and subtract words, pictures\n"
        "       pixgrep [options] --like FILE...     find photos like all of these\n"
        "       pixgrep --batch [options] < QUERIES      answer many queries, a line each\n"
        "       pixgrep --classify LABELS [--ensemble] [--json] FILE...\n"
        "       pixgrep --classify LABELS --in DIR [filters] [--json]\n"
        "       pixgrep --duplicates [filters] [--alike X]\n"
        "       pixgrep --embed [--json] [--text TEXT]... [FILE...]\n"
        "       pixgrep --tokenize [--json] [--truncate] < TEXTS\n"
        "       pixgrep --crop [--size N] FILE > CROP.ppm\n"
        "       pixgrep --cache list|clear\n\n"
        "A picture begins with /, ./, ../, ~/ or file://; anything else is words.\n"
        "A term is words or a picture; 2:TERM counts twice, 0.5:TERM half.\n\n",
        out);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char left[64];
        const char *value = table[i].value ? table[i].value : "";
        const char *space = table[i].value && value[0] != '[' ? " " : "";
        if (table[i].code < 256)
            (void)snprintf(left, sizeof left, "-%c, --%s%s%s", table[i].code, table[i].name, space,
                           value);
        else
            (void)snprintf(left, sizeof left, "    --%s%s%s", table[i].name, space, value);
        (void)fprintf(out, "  %-22s %s\n", left, table[i].help);
    }
    (void)fputs(
        "\nWithout an imported model, the bundled one is used: tiny, which knows drawings and\n"
        "simple cut-out pictures.  For photographs: pixgrep-fetch-model ViT-B/32\n",
        out);
    (void)fputs("\nExit status: 0 photos found, 1 nothing matches, 2 error.\n", out);
}

static const char *mode_name(pix_query_mode mode) {
    switch (mode) {
    case PIX_QUERY_TOKENIZE:
        return "--tokenize";
    case PIX_QUERY_EMBED:
        return "--embed";
    case PIX_QUERY_CROP:
        return "--crop";
    case PIX_QUERY_CLASSIFY:
        return "--classify";
    case PIX_QUERY_DUPLICATES:
        return "--duplicates";
    case PIX_QUERY_CACHE:
        return "--cache";
    case PIX_QUERY_SEARCH:
    case PIX_QUERY_HELP:
    case PIX_QUERY_VERSION:
        break;
    }
    return "a search";
}

static pix_status parse_number(const char *word, const char *value, int high, int *out,
                               pix_error *error) {
    int64_t number;
    if (pix_parse_integer(value, 1, high, &number))
        return pix_fail(error, PIX_EINVALID, "%s: '%s' is not a number from 1 to %d", word, value,
                        high);
    *out = (int)number;
    return PIX_OK;
}

static pix_status parse_score(const char *word, const char *value, double *out, pix_error *error) {
    char *end;
    *out = strtod(value, &end);
    bool plain = value[0] && strspn(value, "+-.0123456789") == strlen(value);
    if (!plain || *end || *out < -1 || *out > 1)
        return pix_fail(error, PIX_EINVALID, "%s: '%s' is not a score from -1 to 1", word, value);
    return PIX_OK;
}

static pix_status parse_sort(const char *word, const char *value, pix_sort *out, pix_error *error) {
    static const char *const names[] = {"score", "date", "path"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(value, names[i]) == 0) {
            *out = (pix_sort)i;
            return PIX_OK;
        }
    return pix_fail(error, PIX_EINVALID, "%s: '%s' is not score, date or path", word, value);
}

static pix_status parse_alike(const char *word, const char *value, double *out, pix_error *error) {
    if (strcmp(value, "identical") == 0) {
        *out = PIX_IDENTICAL;
        return PIX_OK;
    }
    pix_status status = parse_score(word, value, out, error);
    if (status || *out >= PIX_LEAST_ALIKE)
        return status;
    return pix_fail(error, PIX_EINVALID, "%s: below %g pictures are not alike", word,
                    PIX_LEAST_ALIKE);
}

static pix_status set_mode(pix_query_options *options, pix_query_mode mode, pix_error *error) {
    if (options->mode == mode)
        return pix_fail(error, PIX_EINVALID, "%s is given twice", mode_name(mode));
    if (options->mode != PIX_QUERY_SEARCH)
        return pix_fail(error, PIX_EINVALID, "%s and %s exclude each other",
                        mode_name(options->mode), mode_name(mode));
    options->mode = mode;
    return PIX_OK;
}

static pix_status set_cache(pix_query_options *options, const char *value, pix_error *error) {
    options->clear_cache = strcmp(value, "clear") == 0;
    if (!options->clear_cache && strcmp(value, "list") != 0)
        return pix_fail(error, PIX_EINVALID, "--cache: '%s' is neither list nor clear", value);
    return set_mode(options, PIX_QUERY_CACHE, error);
}

static pix_status set_format(pix_query_options *options, pix_query_format format,
                             pix_error *error) {
    if (options->format != PIX_FORMAT_LINES && options->format != format)
        return pix_fail(error, PIX_EINVALID, "--json and paths only (-l, -0) exclude each other");
    options->format = format;
    return PIX_OK;
}

/* How a search is asked and shown. */
static pix_status apply_to_search(pix_query_options *options, int code, const char *word,
                                  const char *value, pix_error *error) {
    options->literal |= code == OPTION_LITERAL;
    options->batch |= code == OPTION_BATCH;
    options->preview |= code == OPTION_PREVIEW;
    options->explain |= code == OPTION_EXPLAIN;
    options->has_min_score |= code == OPTION_MIN_SCORE;
    if (code == OPTION_MIN_SCORE)
        return parse_score(word, value, &options->min_score, error);
    if (code == OPTION_FORMAT)
        options->template = value; /* may be empty */
    if (code == OPTION_HTML)
        options->sheet = value;
    if (code == OPTION_HTML && value[0] == '\0')
        return pix_fail(error, PIX_EINVALID, "%s: the value is empty", word);
    return PIX_OK;
}

static pix_status apply(pix_query_options *options, int code, const char *word, char *value,
                        pix_error *error) {
    pix_status status = PIX_OK;
    pix_precision precision;
    switch (code) {
    case OPTION_TOKENIZE:
        return set_mode(options, PIX_QUERY_TOKENIZE, error);
    case OPTION_EMBED:
        return set_mode(options, PIX_QUERY_EMBED, error);
    case OPTION_CROP:
        return set_mode(options, PIX_QUERY_CROP, error);
    case OPTION_CLASSIFY:
        options->labels = value;
        status = set_mode(options, PIX_QUERY_CLASSIFY, error);
        break;
    case OPTION_TEMPLATES:
        options->templates = value;
        break;
    case OPTION_ENSEMBLE:
        options->ensemble = value ? value : PIX_TEMPLATES_SHORT;
        break;
    case OPTION_DUPLICATES:
        return set_mode(options, PIX_QUERY_DUPLICATES, error);
    case OPTION_CACHE:
        return set_cache(options, value, error);
    case OPTION_JSON:
        return set_format(options, PIX_FORMAT_JSON, error);
    case 'l':
        return set_format(options, PIX_FORMAT_PATHS, error);
    case '0':
        options->null_ended = true;
        return PIX_OK;
    case 'k':
        return parse_number(word, value, INT32_MAX, &options->k, error);
    case OPTION_LIKE:
        options->inputs[options->input_count++] = (pix_query_input){value, .is_like = true};
        break;
    case OPTION_LITERAL:
    case OPTION_MIN_SCORE:
    case OPTION_BATCH:
    case OPTION_FORMAT:
    case OPTION_HTML:
    case OPTION_PREVIEW:
    case OPTION_EXPLAIN:
        return apply_to_search(options, code, word, value, error);
    case OPTION_SIZE:
        return parse_number(word, value, MAX_CROP_SIZE, &options->size, error);
    case OPTION_THREADS:
        return parse_number(word, value, MAX_THREADS, &options->threads, error);
    case OPTION_TEXT:
        options->inputs[options->input_count++] = (pix_query_input){value, .is_text = true};
        return PIX_OK;
    case OPTION_DB:
        options->database = value;
        break;
    case OPTION_MODEL:
        options->model = value;
        break;
    case OPTION_VOCAB:
        options->vocabulary = value;
        break;
    case OPTION_PRECISION:
        if (!pix_precision_parse(value, &precision))
            return pix_fail(error, PIX_EINVALID, "%s: '%s' is neither fp32 nor int8", word, value);
        options->precision = value;
        break;
    case OPTION_TRUNCATE:
        options->truncate = true;
        break;
    case OPTION_EXACT:
        options->exact = true;
        break;
    case OPTION_NO_AUTOROTATE:
        options->ignore_rotation = true;
        break;
    case OPTION_SORT:
        return parse_sort(word, value, &options->sort, error);
    case OPTION_COLLAPSE:
        options->collapse = true;
        break;
    case OPTION_ALIKE:
        return parse_alike(word, value, &options->alike, error);
    default:
        if (code >= OPTION_IN && code < OPTION_IN + PIX_FILTER_OPTIONS)
            status = pix_filters_take(&options->filters, (pix_filter_option)(code - OPTION_IN),
                                      word, value, error);
        break;
    }
    if (!status && value && value[0] == '\0')
        return pix_fail(error, PIX_EINVALID, "%s: the value is empty", word);
    return status;
}

/* What getopt's '?' and ':' mean for the word it was reading. */
static pix_status complain(int result, int code, const char *word, pix_error *error) {
    if (result == ':')
        return pix_fail(error, PIX_EINVALID, "option '%s' needs a value", word);
    if (code != 0 && strncmp(word, "--", 2) == 0)
        return pix_fail(error, PIX_EINVALID, "option '%s' takes no value", word);
    return pix_fail(error, PIX_EINVALID,
                    "unknown option '%s' (words that begin with '-' go after '--')", word);
}

/* -0 asks for paths too, so it goes with -l; a --format it ends with NUL. */
static pix_status null_ends_paths(pix_query_options *options, pix_error *error) {
    if (!options->null_ended)
        return PIX_OK;
    if (options->format == PIX_FORMAT_PATHS)
        options->format = PIX_FORMAT_LINES;
    return set_format(options, PIX_FORMAT_NULL, error);
}

/* What a batch reads and prints, other than a search. */
static pix_status check_batch(const pix_query_options *options, pix_error *error) {
    if (options->input_count > 0)
        return pix_fail(error, PIX_EINVALID, "'%s': --batch reads its queries from standard input",
                        options->inputs[0].value);
    if (options->format == PIX_FORMAT_PATHS)
        return pix_fail(error, PIX_EINVALID,
                        "--batch prints the query beside each path: -l does not go with it");
    if (options->explain)
        return pix_fail(error, PIX_EINVALID, "--explain does not go with --batch");
    return PIX_OK;
}

static pix_status check_search(pix_query_options *options, pix_error *error) {
    if (options->template && options->format != PIX_FORMAT_LINES)
        return pix_fail(error, PIX_EINVALID, "--format does not go with --json and -l");
    if (options->preview && (options->null_ended || options->format == PIX_FORMAT_JSON))
        return pix_fail(error, PIX_EINVALID, "--preview does not go with --json and -0");
    if (options->alike != 0 && !options->collapse)
        return pix_fail(error, PIX_EINVALID, "--alike goes with --collapse");
    if (options->batch)
        return check_batch(options, error);
    if (options->input_count == 0)
        return pix_fail(error, PIX_EINVALID,
                        "what shall be searched for?  Give words or a picture");
    return options->template ? PIX_OK : null_ends_paths(options, error);
}

static pix_status check_duplicates(pix_query_options *options, pix_error *error) {
    if (options->input_count > 0)
        return pix_fail(
            error, PIX_EINVALID,
            "'%s': --duplicates looks at the whole index, or at what filters let through",
            options->inputs[0].value);
    if (options->sort == PIX_SORT_DATE)
        return pix_fail(error, PIX_EINVALID, "--duplicates are sorted by their number or by path");
    return null_ends_paths(options, error);
}

static pix_status check_classify(pix_query_options *options, pix_error *error) {
    if (options->ensemble && options->templates)
        return pix_fail(error, PIX_EINVALID, "--ensemble and --templates exclude each other");
    if (options->ensemble)
        options->templates = options->ensemble;
    if (options->k == 0)
        options->k = DEFAULT_LABELS;
    if (options->input_count == 0 && !options->filters.given)
        return pix_fail(error, PIX_EINVALID,
                        "--classify needs pictures after its labels, or photos of the index: "
                        "--in DIR");
    if (options->input_count > 0 && options->filters.given)
        return pix_fail(
            error, PIX_EINVALID,
            "--classify takes pictures or, with filters, photos of the index, not both");
    for (size_t i = 0; i < options->input_count; i++)
        if (strcmp(options->labels, "-") == 0 && strcmp(options->inputs[i].value, "-") == 0)
            return pix_fail(error, PIX_EINVALID,
                            "standard input cannot hold both the labels and the pictures");
    return PIX_OK;
}

static pix_status check_whole(pix_query_options *options, const bool *seen, pix_error *error) {
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (seen[i] && !(table[i].modes & 1 << options->mode))
            return pix_fail(error, PIX_EINVALID, "--%s does not go with %s", table[i].name,
                            mode_name(options->mode));
    pix_status status = pix_filters_check(&options->filters, error);
    if (status)
        return status;
    switch (options->mode) {
    case PIX_QUERY_SEARCH:
        return check_search(options, error);
    case PIX_QUERY_TOKENIZE:
        if (options->input_count > 0)
            return pix_fail(error, PIX_EINVALID,
                            "'%s': --tokenize reads its texts from standard input",
                            options->inputs[0].value);
        break;
    case PIX_QUERY_EMBED:
        if (options->input_count == 0)
            return pix_fail(error, PIX_EINVALID, "--embed needs --text TEXT or files");
        break;
    case PIX_QUERY_CROP:
        if (options->input_count != 1)
            return pix_fail(error, PIX_EINVALID, "--crop needs one file, not %zu",
                            options->input_count);
        break;
    case PIX_QUERY_CLASSIFY:
        return check_classify(options, error);
    case PIX_QUERY_DUPLICATES:
        return check_duplicates(options, error);
    case PIX_QUERY_CACHE:
        if (options->input_count > 0)
            return pix_fail(error, PIX_EINVALID, "'%s': --cache takes list or clear alone",
                            options->inputs[0].value);
        break;
    case PIX_QUERY_HELP:
    case PIX_QUERY_VERSION:
        break;
    }
    return PIX_OK;
}

/* The long options and the "-:k:l0h" of getopt: '-' returns other words in order as code 1, ':'
 * tells a missing value from an unknown option. */
static void getopt_tables(struct option longs[OPTION_COUNT + 1],
                          char shorts[2 * OPTION_COUNT + 3]) {
    size_t length = 0;
    shorts[length++] = '-';
    shorts[length++] = ':';
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        int has = !table[i].value            ? no_argument
                  : table[i].value[0] == '[' ? optional_argument
                                             : required_argument;
        longs[i] = (struct option){table[i].name, has, NULL, table[i].code};
        if (table[i].code < 256) {
            shorts[length++] = (char)table[i].code;
            if (table[i].value)
                shorts[length++] = ':';
        }
    }
    longs[OPTION_COUNT] = (struct option){0};
    shorts[length] = '\0';
}

/* A sign of its own, alone or with what follows it in "- fruit", ends the FILEs of --like. */
static void add_word(pix_query_options *options, const char *word, bool *liking) {
    if ((word[0] == '+' || word[0] == '-') && (!word[1] || word[1] == ' '))
        *liking = false;
    options->inputs[options->input_count++] = (pix_query_input){.value = word, .is_like = *liking};
}

pix_status pix_query_options_parse(int argc, char **argv, pix_query_options *options,
                                   pix_error *error) {
    *options = (pix_query_options){0};
    options->inputs = calloc((size_t)argc + 1, sizeof *options->inputs);
    if (!options->inputs)
        return pix_fail_memory(error);
    struct option longs[OPTION_COUNT + 1];
    char shorts[2 * OPTION_COUNT + 3];
    getopt_tables(longs, shorts);
    bool seen[OPTION_COUNT] = {false}, liking = false;
    opterr = 0;
    optind = 0; /* glibc: start afresh, with '-' looked at again */
    (void)getopt_long(1, argv, shorts, longs, NULL);
    while (optind < argc) {
        const char *word = argv[optind];
        if (strncmp(word, "- ", 2) == 0) { /* "- fruit" as one word: no option is a blank */
            add_word(options, word, &liking);
            optind++;
            continue;
        }
        int code = getopt_long(argc, argv, shorts, longs, NULL);
        if (code == -1)
            break;
        pix_status status = PIX_OK;
        if (code == '?' || code == ':')
            status = complain(code, optopt, word, error);
        else if (code == 'h' || code == OPTION_VERSION) {
            options->mode = code == 'h' ? PIX_QUERY_HELP : PIX_QUERY_VERSION;
            return PIX_OK;
        } else if (code == 1)
            add_word(options, optarg, &liking);
        else {
            liking = code == OPTION_LIKE;
            for (size_t i = 0; i < OPTION_COUNT; i++)
                seen[i] |= table[i].code == code;
            status = apply(options, code, word, optarg, error);
        }
        if (status)
            return status;
    }
    for (; optind < argc; optind++)
        add_word(options, argv[optind], &liking);
    if (options->threads == 0)
        options->threads = pix_cpu_count();
    return check_whole(options, seen, error);
}

void pix_query_options_free(pix_query_options *options) {
    free(options->inputs);
    pix_filters_free(&options->filters);
    *options = (pix_query_options){0};
}
