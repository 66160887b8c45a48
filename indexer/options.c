#include "indexer/options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/clip/precision.h"

#define BIT(command) (1U << PIX_COMMAND_##command)
#define RUNS (BIT(INDEX) | BIT(WATCH))
#define ALL_STORE                                                                                  \
    (RUNS | BIT(STATUS) | BIT(ROOTS) | BIT(FORGET) | BIT(FAILURES) | BIT(APPROVE) | BIT(MOVE) |    \
     BIT(SALVAGE) | BIT(PAUSE) | BIT(RESUME) | BIT(RESCAN))

typedef enum option_kind { FLAG, TEXT, LIST, THREADS, DURATION } option_kind;

/* Every option, the commands that know it and the field it sets. */
static const struct option {
    const char *name;
    option_kind kind;
    unsigned commands;
    size_t field;
} option_table[] = {
#define FIELD(name) offsetof(pix_options, name)
    {"--db", TEXT, ALL_STORE, FIELD(db)},
    {"--exclude", LIST, RUNS, FIELD(excludes)},
    {"--follow", FLAG, RUNS, FIELD(follow)},
    {"--hidden", FLAG, RUNS, FIELD(hidden)},
    {"--exact", FLAG, RUNS, FIELD(exact)},
    {"--no-autorotate", FLAG, RUNS, FIELD(no_autorotate)},
    {"--precision", TEXT, RUNS | BIT(MODEL_IMPORT), FIELD(precision)},
    {"--threads", THREADS, RUNS, FIELD(threads)},
    {"--model", TEXT, RUNS, FIELD(model)},
    {"--quiet", FLAG, RUNS | BIT(RESCAN), FIELD(quiet)},
    {"--rescan", DURATION, BIT(WATCH), FIELD(rescan_s)},
    {"--time-limit", DURATION, BIT(INDEX) | BIT(RESCAN), FIELD(time_limit_s)},
    {"--report", TEXT, BIT(INDEX) | BIT(RESCAN), FIELD(report)},
    {"--retry", FLAG, BIT(FAILURES), FIELD(retry)},
    {"--verbose", FLAG, BIT(STATUS), FIELD(verbose)},
    {"--json", FLAG,
     BIT(STATUS) | BIT(ROOTS) | BIT(FAILURES) | BIT(SALVAGE) | BIT(MODEL_IMPORT) | BIT(MODEL_LIST),
     FIELD(json)},
    {"--vocab", TEXT, BIT(MODEL_IMPORT), FIELD(vocabulary)},
    {"--name", TEXT, BIT(MODEL_IMPORT), FIELD(name)},
    {"--gelu", TEXT, BIT(MODEL_IMPORT), FIELD(gelu)},
    {"--no-use", FLAG, BIT(MODEL_IMPORT), FIELD(no_use)},
    {"--output", TEXT, BIT(MODEL_IMPORT), FIELD(output)},
    {"--no-source", FLAG, BIT(MODEL_VERIFY), FIELD(no_source)},
#undef FIELD
};

enum { OPTION_COUNT = sizeof option_table / sizeof *option_table };

static const struct command {
    const char *word, *second; /* "model", "import" */
    pix_command command;
    size_t least, most; /* operands */
    const char *operands;
} command_table[] = {
    {"index", NULL, PIX_COMMAND_INDEX, 0, SIZE_MAX, "DIR..."},
    {"watch", NULL, PIX_COMMAND_WATCH, 0, SIZE_MAX, "DIR..."},
    {"pause", NULL, PIX_COMMAND_PAUSE, 0, 0, ""},
    {"resume", NULL, PIX_COMMAND_RESUME, 0, 0, ""},
    {"rescan", NULL, PIX_COMMAND_RESCAN, 0, SIZE_MAX, "DIR..."},
    {"status", NULL, PIX_COMMAND_STATUS, 0, 0, ""},
    {"roots", NULL, PIX_COMMAND_ROOTS, 0, 0, ""},
    {"forget", NULL, PIX_COMMAND_FORGET, 1, 1, "DIR"},
    {"failures", NULL, PIX_COMMAND_FAILURES, 0, SIZE_MAX, "PATH..."},
    {"approve-removals", NULL, PIX_COMMAND_APPROVE, 0, SIZE_MAX, "DIR..."},
    {"move", NULL, PIX_COMMAND_MOVE, 2, 2, "OLD NEW"},
    {"salvage", NULL, PIX_COMMAND_SALVAGE, 0, 0, ""},
    {"model", "import", PIX_COMMAND_MODEL_IMPORT, 1, 1, "PATH"},
    {"model", "list", PIX_COMMAND_MODEL_LIST, 0, 0, ""},
    {"model", "use", PIX_COMMAND_MODEL_USE, 1, 1, "NAME"},
    {"model", "verify", PIX_COMMAND_MODEL_VERIFY, 0, 1, "NAME"},
    {"model", "remove", PIX_COMMAND_MODEL_REMOVE, 1, 1, "NAME"},
};

static const char *const help_texts[] = {
    [PIX_COMMAND_NONE] =
        "usage: pixgrepd COMMAND [OPTION...] [ARGUMENT...]\n"
        "\n"
        "Keeps the index that pixgrep searches.\n"
        "\n"
        "  index [DIR...]        bring the index up to date with these folders, or with all known\n"
        "  watch [DIR...]        keep it up to date: index whatever changes, until stopped\n"
        "  pause, resume         hold what watch does, and let it go on\n"
        "  rescan [DIR...]       have watch look at these folders now, or at all\n"
        "  status                what the index holds\n"
        "  roots                 the folders that are indexed\n"
        "  forget DIR            drop a folder's photos from the index; the files stay\n"
        "  failures              the files that could not be indexed, and why\n"
        "  approve-removals      photos that went with too many others are gone for good\n"
        "  move OLD NEW          a folder's files are elsewhere now\n"
        "  salvage               check the index, and save what can be read of a damaged one\n"
        "  model import PATH     make CLIP weights ready to use, and current\n"
        "  model list            the models there are; the one in use has a '*'\n"
        "  model use NAME        make a model the current one\n"
        "  model verify [NAME]   check a model's file, or every one\n"
        "  model remove NAME     delete a model's file\n"
        "\n"
        "  --help, --version     also: pixgrepd COMMAND --help\n",
    [PIX_COMMAND_INDEX] =
        "usage: pixgrepd index [OPTION...] [DIR...]\n"
        "\n"
        "Brings the index up to date with the folders DIR, or with every known one.\n"
        "\n"
        "  --exclude GLOB        leave out files and folders whose name or path matches "
        "(repeatable)\n"
        "  --follow              follow symbolic links\n"
        "  --hidden              also names that begin with a dot\n"
        "  --exact               decode in full: slower, bit for bit OpenAI's pixels\n"
        "  --no-autorotate       ignore the orientation a camera noted\n"
        "  --precision fp32|int8 arithmetic of the model (default: what it was imported with)\n"
        "  --threads N           photos worked on at once (default: the number of processors)\n"
        "  --model NAME          a model other than the current one; the bundled one is tiny\n"
        "  --db FILE             the index (default: $XDG_DATA_HOME/pixgrep/index.db)\n"
        "  --time-limit TIME     stop then, and go on in the next run: 90s, 45m, 2h, 1d\n"
        "  --report json         one JSON object at the end instead of a line for each folder\n"
        "  --quiet               no progress, no summary, no word on the bundled model\n"
        "\n"
        "Without an imported model, the bundled one is used: tiny, which knows drawings and "
        "simple\n"
        "cut-out pictures.  For photographs: pixgrep-fetch-model ViT-B/32\n"
        "\n"
        "Exit status: 0 done, 1 done but files failed for the first time, 2 error, 3 stopped "
        "early.\n",
    [PIX_COMMAND_WATCH] =
        "usage: pixgrepd watch [OPTION...] [DIR...]\n"
        "\n"
        "Brings the index up to date with every known folder and the folders DIR, and keeps it "
        "so:\n"
        "photos are indexed when they come, change or move, until SIGTERM or SIGINT.  SIGHUP "
        "opens\n"
        "everything anew, with the model that is current by then.\n"
        "\n"
        "  --rescan TIME         look at everything this often, too (default: 6h): changes that\n"
        "                        another machine makes on a network drive are not told\n"
        "  --exclude, --follow, --hidden, --exact, --no-autorotate, --precision, --threads,\n"
        "  --model, --db         as of pixgrepd index\n"
        "  --quiet               no summaries\n"
        "\n"
        "Exit status: 0 stopped with nothing left to do, 2 error, 3 stopped before the end of a\n"
        "scan.\n",
    [PIX_COMMAND_PAUSE] =
        "usage: pixgrepd pause [--db FILE]\n"
        "\n"
        "Holds the indexing of the running pixgrepd watch until pixgrepd resume.\n",
    [PIX_COMMAND_RESUME] = "usage: pixgrepd resume [--db FILE]\n"
                           "\n"
                           "Lets a paused pixgrepd watch go on.\n",
    [PIX_COMMAND_RESCAN] =
        "usage: pixgrepd rescan [--quiet] [--report json] [--time-limit TIME] [--db FILE] "
        "[DIR...]\n"
        "\n"
        "Has the running pixgrepd watch look at the folders DIR, or at every known one, and waits\n"
        "for that; prints what pixgrepd index prints, which does the same while watch is running.\n"
        "\n"
        "  --time-limit TIME     wait no longer\n"
        "  --report json         one JSON object at the end instead of a line for each folder\n"
        "  --quiet               no progress, no summary\n"
        "\n"
        "Exit status: as of pixgrepd index.\n",
    [PIX_COMMAND_STATUS] = "usage: pixgrepd status [--verbose] [--json] [--db FILE]\n"
                           "\n"
                           "What the index holds; --verbose adds what it runs on.\n",
    [PIX_COMMAND_ROOTS] = "usage: pixgrepd roots [--json] [--db FILE]\n"
                          "\n"
                          "The indexed folders: photos, last complete scan, file system, path.\n",
    [PIX_COMMAND_FORGET] = "usage: pixgrepd forget [--db FILE] DIR\n"
                           "\n"
                           "Drops what is known of photos in DIR; the files themselves stay.\n",
    [PIX_COMMAND_FAILURES] =
        "usage: pixgrepd failures [--json] [--retry] [--db FILE] [PATH...]\n"
        "\n"
        "The files, at or below PATH or all, that could not be indexed, one a line: path, reason,\n"
        "stage, since when. They are tried again when they change.\n"
        "\n"
        "  --retry               have the next run try them again as they are\n"
        "  --json                one JSON object a line\n",
    [PIX_COMMAND_APPROVE] =
        "usage: pixgrepd approve-removals [--db FILE] [DIR...]\n"
        "\n"
        "When more than 50 photos and more than a fifth of a root are gone at once, they stay in\n"
        "the index. This says that those below DIR, or all, are gone for good; what has come back\n"
        "stays.\n",
    [PIX_COMMAND_MOVE] =
        "usage: pixgrepd move [--db FILE] OLD NEW\n"
        "\n"
        "The files in the folder OLD are in NEW now, on this machine or another that the index "
        "was\n"
        "copied to: what is known of them follows, and nothing is encoded again. No file is\n"
        "touched.\n",
    [PIX_COMMAND_SALVAGE] = "usage: pixgrepd salvage [--json] [--db FILE]\n"
                            "\n"
                            "Checks the index. Of a damaged one all that can be read is saved in a "
                            "new file that takes\n"
                            "its place, and what is lost is told; the damaged file is kept.\n",
    [PIX_COMMAND_MODEL] = "usage: pixgrepd model import [OPTION...] PATH\n"
                          "       pixgrepd model list [--json]\n"
                          "       pixgrepd model use NAME\n"
                          "       pixgrepd model verify [--no-source] [NAME]\n"
                          "       pixgrepd model remove NAME\n",
    [PIX_COMMAND_MODEL_IMPORT] =
        "usage: pixgrepd model import [OPTION...] PATH\n"
        "\n"
        "Makes CLIP weights ready to use. PATH is a file (OpenAI's .pt, what torch.save writes,\n"
        "safetensors), the index of weights in several files, or a folder of Hugging Face's or\n"
        "open_clip's.\n"
        "\n"
        "  --vocab FILE          the byte pair merges, when they are not beside the weights\n"
        "  --gelu exact|quick    the activation, whatever the files say\n"
        "  --precision fp32|int8 what the model runs in unless told otherwise (default: int8 where "
        "it\n"
        "                        is near fp32, which is measured)\n"
        "  --name NAME           what to call the model (default: the file's or folder's name)\n"
        "  --no-use              leave the model in use as it is\n"
        "  --output FILE         only write the .pixm there, for others: PATH is kept as written\n"
        "  --json                one JSON object on what was imported\n",
    [PIX_COMMAND_MODEL_LIST] = "usage: pixgrepd model list [--json]\n"
                               "\n"
                               "The imported models and those bundled with pixgrep; the one in use "
                               "has a '*'.\n",
    [PIX_COMMAND_MODEL_USE] = "usage: pixgrepd model use NAME\n"
                              "\n"
                              "Makes a model the current one.\n",
    [PIX_COMMAND_MODEL_VERIFY] =
        "usage: pixgrepd model verify [--no-source] [NAME]\n"
        "\n"
        "Checks a model's file against its checksums, and the weights it was imported from when\n"
        "they still exist; without NAME, every model.\n"
        "\n"
        "  --no-source           leave those weights alone\n",
    [PIX_COMMAND_MODEL_REMOVE] = "usage: pixgrepd model remove NAME\n"
                                 "\n"
                                 "Deletes a model's file; the vectors it made stay in the index.\n"
                                 "A bundled model cannot be removed.\n",
};

const char *pix_options_help(pix_command command) {
    return help_texts[command];
}

void pix_options_free(pix_options *options) {
    free(options->excludes);
    free(options->operands);
    *options = (pix_options){0};
}

static const struct command *command_of(pix_command command) {
    for (size_t i = 0; i < sizeof command_table / sizeof *command_table; i++)
        if (command_table[i].command == command)
            return &command_table[i];
    return NULL;
}

static pix_status wrong(const pix_options *options, pix_error *error, const char *what,
                        const char *word) {
    const struct command *command = command_of(options->command);
    const char *first = command                                 ? command->word
                        : options->command == PIX_COMMAND_MODEL ? "model"
                                                                : NULL;
    const char *second = command ? command->second : NULL;
    return pix_fail(error, PIX_EINVALID, "%s '%s' (see: pixgrepd%s%s%s%s --help)", what, word,
                    first ? " " : "", first ? first : "", second ? " " : "", second ? second : "");
}

/* The command's words at argv[*at]; moves *at to the last of them. */
static pix_status parse_command(char **argv, int *at, pix_options *out, pix_error *error) {
    const char *word = argv[*at], *second = NULL;
    if (strcmp(word, "model") == 0) {
        out->command = PIX_COMMAND_MODEL;
        second = argv[*at + 1];
        if (!second || second[0] == '-')
            return PIX_OK;
        ++*at;
    }
    for (size_t i = 0; i < sizeof command_table / sizeof *command_table; i++) {
        const struct command *command = &command_table[i];
        if (strcmp(word, command->word) == 0 && (!second || strcmp(second, command->second) == 0)) {
            out->command = command->command;
            return PIX_OK;
        }
    }
    return second ? wrong(out, error, "unknown model command", second)
                  : wrong(out, error, "unknown command", word);
}

/* A pattern as the walk compares it: without "./" before and slashes after; NULL when nothing is
 * left, and then `text` is as it was. */
static const char *trim_pattern(char *text) {
    while (text[0] == '.' && text[1] == '/')
        text += 1 + strspn(text + 1, "/");
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '/')
        length--;
    if (length == 0)
        return NULL;
    text[length] = '\0';
    return text;
}

/* "90", "90s", "45m", "2h" or "1d" in seconds: a second to ten years. */
static pix_status parse_duration(char *text, int64_t *seconds) {
    static const char units[] = "smhd";
    static const int64_t lengths[] = {1, 60, 3600, 86400};
    static const int64_t longest = INT64_C(3650) * 86400;
    size_t size = strlen(text);
    const char *unit = size > 1 ? strchr(units, text[size - 1]) : NULL;
    int64_t length = unit ? lengths[unit - units] : 1, number;
    char digits[24];
    size_t count = unit ? size - 1 : size;
    if (count >= sizeof digits)
        return PIX_EINVALID;
    memcpy(digits, text, count);
    digits[count] = '\0';
    pix_status status = pix_parse_integer(digits, 1, longest / length, &number);
    if (!status)
        *seconds = number * length;
    return status;
}

static pix_status set_option(const struct option *option, char *value, pix_options *out,
                             pix_error *error) {
    void *field = (char *)out + option->field;
    const char *pattern;
    int64_t number;
    switch (option->kind) {
    case FLAG:
        *(bool *)field = true;
        break;
    case TEXT:
        *(const char **)field = value;
        break;
    case LIST:
        if (!(pattern = trim_pattern(value)))
            return wrong(out, error, "--exclude wants a pattern, not", value);
        out->excludes[out->exclude_count++] = pattern;
        break;
    case THREADS:
        if (pix_parse_integer(value, 1, 1024, &number))
            return wrong(out, error, "--threads wants a number from 1 to 1024, not", value);
        *(int *)field = (int)number;
        break;
    case DURATION:
        if (parse_duration(value, field))
            return wrong(out, error, "a time is 90s, 45m, 2h or 1d, not", value);
        break;
    }
    return PIX_OK;
}

/* The option at argv[*at], with its value; moves *at to the last word it used and notes in *used,
 * one bit an option, that it was there. */
static pix_status parse_option(char **argv, int *at, uint32_t *used, pix_options *out,
                               pix_error *error) {
    char *word = argv[*at];
    size_t length = strcspn(word, "=");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &option_table[i];
        if (strlen(option->name) != length || strncmp(word, option->name, length) != 0)
            continue;
        *used |= UINT32_C(1) << i;
        char *value = word[length] == '=' ? word + length + 1 : NULL;
        if (option->kind == FLAG && value)
            return wrong(out, error, "no value is allowed in", word);
        if (option->kind != FLAG && !value && !(value = argv[++*at]))
            return wrong(out, error, "a value is missing after", word);
        return set_option(option, value, out, error);
    }
    return wrong(out, error, "unknown option", word);
}

static pix_status check(const pix_options *options, uint32_t used, pix_error *error) {
    const struct command *command = command_of(options->command);
    if (options->command == PIX_COMMAND_NONE)
        return pix_fail(error, PIX_EINVALID, "no command given (see: pixgrepd --help)");
    if (!command)
        return pix_fail(error, PIX_EINVALID, "no model command given (see: pixgrepd model --help)");
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (used & UINT32_C(1) << i && !(option_table[i].commands & 1U << options->command))
            return wrong(options, error, "not an option of this command:", option_table[i].name);
    if (options->operand_count < command->least)
        return wrong(options, error, "missing", command->operands);
    if (options->operand_count > command->most)
        return wrong(options, error, "unexpected argument", options->operands[command->most]);
    for (size_t i = 0; i < options->operand_count; i++)
        if (options->operands[i][0] == '\0')
            return wrong(options, error, "empty argument", "");
    if (options->output && options->no_use)
        return wrong(options, error, "--output leaves the current model as it is without",
                     "--no-use");
    if (options->gelu && strcmp(options->gelu, "exact") != 0 && strcmp(options->gelu, "quick") != 0)
        return wrong(options, error, "--gelu can be exact or quick, not", options->gelu);
    if (options->report && strcmp(options->report, "json") != 0)
        return wrong(options, error, "--report can only be json, not", options->report);
    pix_precision precision;
    if (options->precision && !pix_precision_parse(options->precision, &precision))
        return wrong(options, error, "--precision can be fp32 or int8, not", options->precision);
    return PIX_OK;
}

pix_status pix_options_parse(int argc, char **argv, pix_options *out, pix_error *error) {
    *out = (pix_options){0};
    out->excludes = calloc((size_t)argc + 1, sizeof *out->excludes);
    out->operands = calloc((size_t)argc + 1, sizeof *out->operands);
    if (!out->excludes || !out->operands) {
        pix_options_free(out);
        return pix_fail_memory(error);
    }
    pix_status status = PIX_OK;
    uint32_t used = 0;
    bool only_operands = false;
    for (int at = argc > 0 ? 1 : 0; !status && !out->help && !out->version && argv[at]; at++) {
        const char *word = argv[at];
        bool dashed = !only_operands && word[0] == '-' && word[1] != '\0';
        if (!dashed && out->command == PIX_COMMAND_NONE)
            status = parse_command(argv, &at, out, error);
        else if (!dashed)
            out->operands[out->operand_count++] = word;
        else if (strcmp(word, "--") == 0)
            only_operands = true;
        else if (strcmp(word, "--help") == 0)
            out->help = true;
        else if (strcmp(word, "--version") == 0 && out->command == PIX_COMMAND_NONE)
            out->version = true;
        else
            status = parse_option(argv, &at, &used, out, error);
    }
    if (!status && !out->help && !out->version)
        status = check(out, used, error);
    if (status)
        pix_options_free(out);
    return status;
}
