/* bad_server.c - an HTTP server on loopback for fetch_model.sh: the first part of a path says how
 * it behaves.
 *
 *     bad_server FOLDER
 *
 * prints its port, then a line for each request: manner, file, where its range starts.  The file is
 * the last part of the path, out of FOLDER; as a proxy it takes every host for itself.  It serves
 * one request after the other and ends by itself after ten minutes. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/files.h"

enum {
    PIECE = 700000,          /* what a connection that breaks gives */
    ENDLESS = 64 << 20,      /* an endless one ends here all the same */
    PATIENCE_MS = 60 * 1000, /* for a client that should hang up */
};

typedef struct request {
    char manner[32], file[128];
    size_t start;
    bool ranged;
} request;

static bool is_manner(const request *r, const char *name) {
    return strcmp(r->manner, name) == 0;
}

/* False when the client has gone. */
static bool send_all(int client, const void *data, size_t size) {
    for (const char *next = data; size > 0;) {
        ssize_t sent = send(client, next, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        next += sent;
        size -= (size_t)sent;
    }
    return true;
}

static void answer(int client, const char *status, const char *headers) {
    char text[512];
    int size =
        snprintf(text, sizeof text, "HTTP/1.1 %s\r\nConnection: close\r\n%s\r\n", status, headers);
    (void)send_all(client, text, (size_t)size);
}

static bool read_head(int client, char *head, size_t room) {
    size_t size = 0;
    while (size + 1 < room) {
        ssize_t got = recv(client, head + size, room - 1 - size, 0);
        if (got <= 0)
            return false;
        size += (size_t)got;
        head[size] = '\0';
        if (strstr(head, "\r\n\r\n"))
            return true;
    }
    return false;
}

/* "GET /cut/SHA256/FILE HTTP/1.1", or with http://HOST before the path. */
static bool parse(char *head, request *r) {
    static const char range[] = "\r\nRange: bytes=";
    const char *found = strstr(head, range);
    r->ranged = found != NULL;
    r->start = found ? strtoull(found + sizeof range - 1, NULL, 10) : 0;
    char *path = strchr(head, ' ');
    if (!path)
        return false;
    path++;
    path[strcspn(path, " \r\n")] = '\0';
    if (strncmp(path, "http://", 7) == 0)
        path = strchr(path + 7, '/');
    const char *file = path ? strrchr(path, '/') : NULL;
    if (!file || file == path)
        return false;
    int manner = (int)strcspn(path + 1, "/");
    (void)snprintf(r->manner, sizeof r->manner, "%.*s", manner, path + 1);
    (void)snprintf(r->file, sizeof r->file, "%s", file + 1);
    return true;
}

static void wait_for_end(int client) {
    struct pollfd end = {.fd = client, .events = POLLIN};
    (void)poll(&end, 1, PATIENCE_MS);
}

static void send_endless(int client) {
    static const char zeros[65536];
    answer(client, "200 OK", "");
    for (size_t sent = 0; sent < ENDLESS && send_all(client, zeros, sizeof zeros);)
        sent += sizeof zeros;
}

static void send_file(int client, const request *r, const char *data, size_t size) {
    char headers[128] = "";
    bool breaks = is_manner(r, "cut") || is_manner(r, "hang") || is_manner(r, "stubborn");
    bool ranges = r->ranged && !is_manner(r, "norange") && !is_manner(r, "stubborn");
    size_t start = ranges ? r->start : 0;
    if (start > 0 && start >= size) {
        (void)snprintf(headers, sizeof headers, "Content-Range: bytes */%zu\r\n", size);
        answer(client, "416 Range Not Satisfiable", headers);
        return;
    }
    size_t left = size - start;
    int used = snprintf(headers, sizeof headers, "Content-Length: %zu\r\n", left);
    if (ranges)
        (void)snprintf(headers + used, sizeof headers - (size_t)used,
                       "Content-Range: bytes %zu-%zu/%zu\r\n", start, size - 1, size);
    answer(client, ranges ? "206 Partial Content" : "200 OK", headers);
    (void)send_all(client, data + start, breaks && left > PIECE ? PIECE : left);
    if (is_manner(r, "hang"))
        wait_for_end(client);
}

/* The file as this manner has it: right, with one wrong byte, or longer. */
static void serve_file(int client, const char *folder, const request *r) {
    pix_bytes bytes = {0};
    char *path = pix_path_join(folder, r->file);
    if (!path || pix_file_read(path, 1 << 30, &bytes, NULL) || bytes.size == 0 ||
        is_manner(r, "missing")) {
        answer(client, "404 Not Found", "Content-Length: 0\r\n");
    } else {
        if (is_manner(r, "wrong"))
            bytes.data[bytes.size / 2] ^= 1;
        if (!is_manner(r, "long") || pix_bytes_append(&bytes, "more", 4) == PIX_OK)
            send_file(client, r, (const char *)bytes.data, bytes.size);
    }
    pix_bytes_free(&bytes);
    free(path);
}

static void serve(int client, const char *folder) {
    static int refusals = 0;
    char head[8192], headers[256];
    request r = {.start = 0};
    if (!read_head(client, head, sizeof head) || !parse(head, &r))
        return;
    (void)printf("%s %s %zu\n", r.manner, r.file, r.start);
    (void)fflush(stdout);
    if (is_manner(&r, "mute")) {
        wait_for_end(client);
    } else if (is_manner(&r, "endless")) {
        send_endless(client);
    } else if (is_manner(&r, "redirect")) {
        (void)snprintf(headers, sizeof headers, "Location: /good/%s\r\nContent-Length: 0\r\n",
                       r.file);
        answer(client, "302 Found", headers);
    } else if (is_manner(&r, "down") || (is_manner(&r, "busy") && refusals++ < 2)) {
        answer(client, "503 Service Unavailable", "Content-Length: 0\r\n");
    } else {
        serve_file(client, folder, &r);
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (argc != 2 || server < 0 || bind(server, (struct sockaddr *)&address, size) ||
        listen(server, 16) || getsockname(server, (struct sockaddr *)&address, &size)) {
        perror("bad_server");
        return 1;
    }
    (void)alarm(600);
    (void)printf("%d\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    for (;;) {
        int client = accept(server, NULL, NULL);
        if (client < 0)
            continue;
        serve(client, argv[1]);
        (void)close(client);
    }
}
