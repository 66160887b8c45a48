/* Sends the lines of standard input to a control socket, one after the other, and prints the lines
 * of answer.
 *
 *   control_client SOCKET           a line "@FILE REQUEST" passes FILE's descriptor along; "+TEXT"
 * is sent without waiting for an answer, and without a newline control_client SOCKET hold N opens N
 * connections that say nothing, prints how many are still open once the daemon has closed one, or
 * has kept all for ten seconds control_client SOCKET long N    sends N bytes without a newline,
 * then prints the answer
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/control/channel.h"

enum { ANSWER_MS = 60000, HOLD_MS = 10000, HOLD_MOST = 256 };

static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int fail(const pix_error *error) {
    (void)printf("control_client: %s\n", error->text);
    return 1;
}

/* Answers that only tell how far a scan is are followed by another. */
static bool is_last(const char *answer) {
    return strncmp(answer, "{\"ok\":true,\"seen\":", 18) != 0;
}

static int ask(pix_channel *channel, char *line, size_t size) {
    pix_error error;
    const char *answer;
    size_t answer_size;
    int passed = -1;
    if (line[0] == '@') {
        char *request = strchr(line, ' ');
        if (!request)
            return 1;
        *request++ = '\0';
        passed = open(line + 1, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        size -= (size_t)(request - line);
        line = request;
    }
    pix_status status =
        pix_channel_ask(channel, line, size, passed, ANSWER_MS, &answer, &answer_size, &error);
    if (passed >= 0)
        close(passed);
    while (!status && !is_last(answer))
        status = pix_channel_wait(channel, ANSWER_MS, &answer, &answer_size, &error);
    if (status)
        return fail(&error);
    (void)printf("%.*s\n", (int)answer_size, answer);
    return fflush(stdout) ? 1 : 0;
}

static int talk(const char *path) {
    pix_channel channel;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    int failed = 0;
    pix_channel_init(&channel, connect_to(path));
    while (!failed && (size = getline(&line, &capacity, stdin)) > 0) {
        if (line[0] == '+')
            failed = send(channel.fd, line + 1, (size_t)size - 2, MSG_NOSIGNAL) < 0;
        else
            failed = ask(&channel, line, (size_t)size);
    }
    free(line);
    pix_channel_close(&channel);
    return failed;
}

static int hold(const char *path, int count) {
    struct pollfd held[HOLD_MOST];
    int open_count = 0;
    for (int i = 0; i < count && i < HOLD_MOST; i++) {
        held[i] = (struct pollfd){.fd = connect_to(path), .events = POLLIN};
        open_count += held[i].fd >= 0;
    }
    if (poll(held, (nfds_t)open_count, HOLD_MS) > 0)
        for (int i = 0; i < open_count; i++)
            if (held[i].revents) {
                char answer[256] = "";
                ssize_t size = recv(held[i].fd, answer, sizeof answer - 1, MSG_DONTWAIT);
                (void)printf("%d: %s", i, size > 0 ? answer : "closed\n");
                break;
            }
    (void)printf("held\n");
    return fflush(stdout) || getchar() == 0; /* until standard input ends */
}

static int send_long(const char *path, long long count) {
    static char block[65536];
    int fd = connect_to(path);
    memset(block, 'x', sizeof block);
    for (long long sent = 0; sent < count;) {
        ssize_t size = send(fd, block, sizeof block, MSG_NOSIGNAL);
        if (size < 0)
            break;
        sent += size;
    }
    char answer[512] = "";
    if (recv(fd, answer, sizeof answer - 1, 0) > 0)
        (void)printf("%s", answer);
    close(fd);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2)
        return talk(argv[1]);
    if (argc == 4 && strcmp(argv[2], "hold") == 0)
        return hold(argv[1], atoi(argv[3]));
    if (argc == 4 && strcmp(argv[2], "long") == 0)
        return send_long(argv[1], atoll(argv[3]));
    return 2;
}
