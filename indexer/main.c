/* pixgrepd: the program that keeps the index. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/mapping.h"
#include "indexer/commands.h"
#include "indexer/format.h"

static const struct command {
    const char *name;
    pix_exit (*run)(const pix_options *options, pix_error *error);
} commands[] = {
    [PIX_COMMAND_INDEX] = {"index", pix_command_index},
    [PIX_COMMAND_WATCH] = {"watch", pix_command_watch},
    [PIX_COMMAND_PAUSE] = {"pause", pix_command_pause},
    [PIX_COMMAND_RESUME] = {"resume", pix_command_resume},
    [PIX_COMMAND_RESCAN] = {"rescan", pix_command_rescan},
    [PIX_COMMAND_STATUS] = {"status", pix_command_status},
    [PIX_COMMAND_ROOTS] = {"roots", pix_command_roots},
    [PIX_COMMAND_FORGET] = {"forget", pix_command_forget},
    [PIX_COMMAND_FAILURES] = {"failures", pix_command_failures},
    [PIX_COMMAND_APPROVE] = {"approve-removals", pix_command_approve},
    [PIX_COMMAND_MOVE] = {"move", pix_command_move},
    [PIX_COMMAND_SALVAGE] = {"salvage", pix_command_salvage},
    [PIX_COMMAND_MODEL_IMPORT] = {"model import", pix_command_model_import},
    [PIX_COMMAND_MODEL_LIST] = {"model list", pix_command_model_list},
    [PIX_COMMAND_MODEL_USE] = {"model use", pix_command_model_use},
    [PIX_COMMAND_MODEL_VERIFY] = {"model verify", pix_command_model_verify},
    [PIX_COMMAND_MODEL_REMOVE] = {"model remove", pix_command_model_remove},
};

/* Output that did not arrive is an error, too.  It is told, unless an error was told already or the
 * reader has gone (EPIPE) and knows. */
static pix_exit finish(pix_exit code) {
    bool failed = ferror(stdout) != 0;
    errno = 0;
    if (fclose(stdout) == 0 && !failed)
        return code;
    if (code != PIX_EXIT_ERROR && errno != EPIPE)
        pix_complain("cannot write the output%s%s", errno ? ": " : "",
                     errno ? strerror(errno) : "");
    return PIX_EXIT_ERROR;
}

/* In a signal handler. */
static void lose_file(const char *line) {
    (void)!write(STDERR_FILENO, "pixgrepd: ", strlen("pixgrepd: "));
    (void)!write(STDERR_FILENO, line, strlen(line));
    _exit(PIX_EXIT_ERROR);
}

int main(int argc, char **argv) {
    (void)signal(SIGPIPE, SIG_IGN);
    pix_mapping_guard(lose_file);
    pix_error error = {0};
    pix_options options;
    if (pix_options_parse(argc, argv, &options, &error)) {
        pix_complain("%s", error.text);
        return PIX_EXIT_ERROR;
    }
    pix_exit code = PIX_EXIT_OK;
    if (options.help) {
        (void)fputs(pix_options_help(options.command), stdout);
    } else if (options.version) {
        (void)puts("pixgrepd " PIX_VERSION);
    } else {
        const struct command *command = &commands[options.command];
        code = command->run(&options, &error);
        if (code == PIX_EXIT_ERROR)
            pix_complain("%s: %s", command->name, error.text);
    }
    pix_options_free(&options);
    return finish(code);
}
