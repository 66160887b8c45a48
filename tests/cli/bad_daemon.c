/* bad_daemon.c - stands between pixgrep and a pixgrepd watch and spoils its answers.
 *
 *   bad_daemon SOCKET REAL MANNER N     listens at SOCKET, asks at REAL, spoils each client's N-th
 *                                       answer and is gone for that client, but for `slow`
 *
 *   half      half of the line                     gone      nothing
 *   garbage   a line that is no JSON               empty     an answer without its members
 *   refuse    an error                             endless   a line without an end
 *   slow      in pieces, over half a second        version   of another version
 *
 * It serves one client after the other and prints a line once it listens, and one for each answer
 * that it spoils. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/control/channel.h"

enum { ANSWER_MS = 60000, ENDLESS = 16 << 20, PIECES = 10, PIECE_NS = 50000000 };

static int open_socket(const char *path, bool listens) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct sockaddr *name = (const struct sockaddr *)&address;
    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool done = listens ? !bind(fd, name, sizeof address) && !listen(fd, 16)
                        : !connect(fd, name, sizeof address);
    if (done)
        return fd;
    close(fd);
    return -1;
}

static bool say(int fd, const void *data, size_t size) {
    for (size_t sent = 0; sent < size;) {
        ssize_t some = send(fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL);
        if (some <= 0)
            return false;
        sent += (size_t)some;
    }
    return true;
}

static bool say_text(int fd, const char *text) {
    return say(fd, text, strlen(text));
}

static void say_endlessly(int fd) {
    char piece[4096];
    memset(piece, ' ', sizeof piece);
    for (size_t sent = 0; sent < ENDLESS && say(fd, piece, sizeof piece); sent += sizeof piece)
        ;
}

static bool say_slowly(int fd, const char *line, size_t size) {
    const struct timespec pause = {.tv_nsec = PIECE_NS};
    for (size_t i = 0; i < PIECES; i++) {
        size_t from = size * i / PIECES, to = size * (i + 1) / PIECES;
        if (!say(fd, line + from, to - from))
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* Whether the client is worth more answers; `line` ends with its newline. */
static bool spoil(int fd, const char *manner, char *line, size_t size) {
    if (strcmp(manner, "slow") == 0)
        return say_slowly(fd, line, size);
    if (strcmp(manner, "half") == 0)
        (void)say(fd, line, size / 2);
    else if (strcmp(manner, "garbage") == 0)
        (void)say_text(fd, "\x01{]\xff\"\n");
    else if (strcmp(manner, "empty") == 0)
        return say_text(fd, "{\"ok\":true}\n");
    else if (strcmp(manner, "refuse") == 0)
        return say_text(fd, "{\"ok\":false,\"code\":-9,\"error\":\"not today\"}\n");
    else if (strcmp(manner, "endless") == 0)
        say_endlessly(fd);
    else if (strcmp(manner, "version") == 0 && strstr(line, "\"version\":\""))
        strstr(line, "\"version\":\"")[11] = 'X';
    return strcmp(manner, "version") == 0 && say(fd, line, size);
}

static bool spoil_and_say(int fd, const char *manner, char *line, size_t size) {
    return puts("spoiled") >= 0 && !fflush(stdout) && spoil(fd, manner, line, size);
}

static void serve(pix_channel *client, pix_channel *daemon, const char *manner, int number) {
    const char *line;
    size_t size;
    bool worth = true;
    for (int i = 1; worth; i++) {
        const char *answer;
        size_t answer_size;
        if (pix_channel_wait(client, ANSWER_MS, &line, &size, NULL) ||
            pix_channel_ask(daemon, line, size + 1, client->passed, ANSWER_MS, &answer,
                            &answer_size, NULL))
            return;
        if (client->passed >= 0)
            close(client->passed);
        client->passed = -1;
        char *copy = strndup(answer, answer_size + 1);
        worth = copy && (i == number ? spoil_and_say(client->fd, manner, copy, answer_size + 1)
                                     : say(client->fd, copy, answer_size + 1));
        free(copy);
    }
}

int main(int argc, char **argv) {
    if (argc != 5)
        return 2;
    int listener = open_socket(argv[1], true);
    if (listener < 0 || printf("listening\n") < 0 || fflush(stdout))
        return 1;
    for (;;) {
        pix_channel client, daemon;
        pix_channel_init(&client, accept(listener, NULL, NULL));
        pix_channel_init(&daemon, open_socket(argv[2], false));
        if (client.fd >= 0 && daemon.fd >= 0)
            serve(&client, &daemon, argv[3], atoi(argv[4]));
        pix_channel_close(&client);
        pix_channel_close(&daemon);
    }
}
