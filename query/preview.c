#include "query/preview.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "query/thumbnail.h"

extern char **environ;

/* Sixel and kitty show all of these pixels, blocks of colour a few. */
enum { THUMBNAIL = 384, PICTURE_FD = 3 };

struct pix_preview {
    pix_thumbnails *thumbnails;
    pix_bytes png;
};

/* Whether a program of this name can be run, as execvp would find it. */
static bool is_installed(const char *program) {
    const char *path = getenv("PATH");
    char place[4096];
    for (; path && *path; path += *path == ':') {
        size_t length = strcspn(path, ":");
        int size = snprintf(place, sizeof place, "%.*s/%s", (int)length, path, program);
        if (length > 0 && size > 0 && (size_t)size < sizeof place && access(place, X_OK) == 0)
            return true;
        path += length;
    }
    return false;
}

pix_status pix_preview_open(const pix_query_options *options, pix_preview **out, pix_error *error) {
    *out = NULL;
    if (!is_installed("chafa"))
        return pix_fail(error, PIX_ENOTFOUND,
                        "--preview draws with chafa, which is not installed (Debian: apt install "
                        "chafa)");
    pix_preview *preview = calloc(1, sizeof *preview);
    if (!preview)
        return pix_fail_memory(error);
    pix_status status = pix_thumbnails_open(options, THUMBNAIL, &preview->thumbnails, error);
    if (status) {
        pix_preview_close(preview);
        return status;
    }
    *out = preview;
    return PIX_OK;
}

void pix_preview_close(pix_preview *preview) {
    if (!preview)
        return;
    pix_thumbnails_close(preview->thumbnails);
    pix_bytes_free(&preview->png);
    free(preview);
}

/* The bytes as a file of no name, to be read from its start. */
static pix_status hold(const pix_bytes *bytes, int *fd, pix_error *error) {
    *fd = memfd_create("pixgrep-preview", MFD_CLOEXEC);
    if (*fd < 0)
        return pix_fail_errno(error, "a preview");
    for (size_t done = 0; done < bytes->size;) {
        ssize_t written = pwrite(*fd, bytes->data + done, bytes->size - done, (off_t)done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            pix_status status = pix_fail_errno(error, "a preview");
            (void)close(*fd);
            return status;
        }
        done += (size_t)written;
    }
    return PIX_OK;
}

static int spawn(int fd, pid_t *child) {
    static char *const arguments[] = {"chafa", "--size=40x16", "--animate=off", "/dev/fd/3", NULL};
    posix_spawn_file_actions_t actions;
    int cause = posix_spawn_file_actions_init(&actions);
    if (cause)
        return cause;
    cause = posix_spawn_file_actions_adddup2(&actions, fd, PICTURE_FD);
    if (!cause)
        cause = posix_spawnp(child, "chafa", &actions, NULL, arguments, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return cause;
}

static pix_status draw(int fd, pix_error *error) {
    pid_t child;
    int result = 0, cause = spawn(fd, &child);
    if (cause) {
        errno = cause;
        return pix_fail_errno(error, "cannot run chafa");
    }
    while (waitpid(child, &result, 0) < 0)
        if (errno != EINTR)
            return pix_fail_errno(error, "chafa");
    if (WIFSIGNALED(result))
        return pix_fail(error, PIX_ECRASHED, "chafa ended by signal %d", WTERMSIG(result));
    if (WEXITSTATUS(result) != 0)
        return pix_fail(error, PIX_EIO, "chafa failed with exit code %d", WEXITSTATUS(result));
    return PIX_OK;
}

pix_status pix_preview_show(pix_preview *preview, const char *path, FILE *out, pix_error *error) {
    int fd;
    pix_status status = pix_thumbnails_get(preview->thumbnails, path, &preview->png, error);
    if (!status)
        status = hold(&preview->png, &fd, error);
    if (status)
        return status;
    if (fflush(out))
        status = pix_fail_errno(error, "standard output");
    else
        status = draw(fd, error);
    (void)close(fd);
    return status;
}
