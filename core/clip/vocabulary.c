#include "core/clip/vocabulary.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/text/tokenizer.h"

/* OpenAI's own file, plain or compressed, and the two of a Hugging Face folder. */
static const char *const file_names[] = {
    "bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt", "merges.txt", "tokenizer.json"};

typedef struct vocabulary_search {
    size_t token_count;
    pix_bytes *merges;
    char *path; /* the one that fits */
    char *why;  /* what was wrong with the first that does not */
} vocabulary_search;

static pix_status try_file(vocabulary_search *search, const char *path, pix_error *error) {
    if (access(path, F_OK) != 0)
        return PIX_OK;
    pix_error reason;
    pix_status status = pix_vocabulary_load(path, search->token_count, search->merges, &reason);
    char **copy = status ? &search->why : &search->path;
    if (status == PIX_ENOMEM || (!*copy && !(*copy = strdup(status ? reason.text : path))))
        return pix_fail_memory(error);
    return PIX_OK;
}

static pix_status try_folder(vocabulary_search *search, const char *folder, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; !status && !search->path && i < sizeof file_names / sizeof *file_names;
         i++) {
        char *path = pix_path_join(folder, file_names[i]);
        status = path ? try_file(search, path, error) : pix_fail_memory(error);
        free(path);
    }
    return status;
}

/* `place` is heap memory, taken; NULL (no HOME, or not running from an installation) is skipped. */
static pix_status try_place(vocabulary_search *search, char *place, pix_error *error) {
    pix_status status = PIX_OK;
    struct stat info;
    if (place && !search->path && stat(place, &info) == 0)
        status = S_ISDIR(info.st_mode) ? try_folder(search, place, error)
                                       : try_file(search, place, error);
    free(place);
    return status;
}

/* $PIXGREP_VOCAB as an absolute path in heap memory, NULL when it is not set.  One that is not
 * there is the reason told before any other: a person meant it. */
static pix_status chosen_place(vocabulary_search *search, char **out, pix_error *error) {
    const char *value = getenv("PIXGREP_VOCAB");
    *out = value && value[0] ? pix_path_absolute(value) : NULL;
    if (*out && access(*out, F_OK) != 0 &&
        asprintf(&search->why, "PIXGREP_VOCAB: %s: %s", *out, strerror(errno)) < 0) {
        search->why = NULL;
        return pix_fail_memory(error);
    }
    return PIX_OK;
}

/* Where OpenAI's own package and rclip keep what they download. */
static char *clip_cache(void) {
    const char *home = getenv("HOME");
    return home ? pix_path_join(home, ".cache/clip") : NULL;
}

static pix_status try_installed(vocabulary_search *search, pix_error *error) {
    char *chosen;
    pix_status status = chosen_place(search, &chosen, error);
    if (status)
        free(chosen);
    else
        status = try_place(search, chosen, error);
    if (!status)
        status = try_place(search, pix_place_data("vocab"), error);
    if (!status)
        status = try_place(search, pix_place_installed("share/pixgrep/vocab"), error);
    if (!status)
        status = try_place(search, clip_cache(), error);
    if (!status && !search->path && !search->why &&
        !(search->why = strdup("no vocabulary lies beside the weights or is installed")))
        status = pix_fail_memory(error);
    return status;
}

pix_status pix_vocabulary_search(const char *folder, size_t token_count, pix_bytes *merges,
                                 char **path, char **why, pix_error *error) {
    *path = *why = NULL;
    vocabulary_search search = {.token_count = token_count, .merges = merges};
    pix_status status = try_folder(&search, folder, error);
    bool beside = search.path || search.why;
    if (!status && !beside)
        status = try_installed(&search, error);
    if (status || search.path) {
        free(search.why);
        search.why = NULL;
    }
    if (status) {
        free(search.path);
        search.path = NULL;
    }
    *path = search.path;
    *why = search.why;
    return status;
}
