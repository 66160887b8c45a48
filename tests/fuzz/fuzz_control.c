/* Any bytes as what comes over the control socket, both ends': lines are cut out of them as a
 * channel does, each line is a request or an answer or an error that says why, and what was read is
 * within its bounds. */
#include <fcntl.h>
#include <math.h>
#include <sys/socket.h>

#include "core/control/channel.h"
#include "core/control/protocol.h"
#include "tests/fuzz/fuzz.h"

static void look_at_request(const pix_request *request) {
    demand(request->text_count <= PIX_CALL_TEXTS);
    demand(request->vector_count <= PIX_CALL_VECTORS);
    for (size_t i = 0; i < request->text_count && request->ids; i++) {
        demand(request->ids[i].count > 0);
        for (size_t k = 0; k < request->ids[i].count; k++)
            demand(request->ids[i].data[k] >= 0);
    }
    for (size_t i = 0; i < request->vector_count * (size_t)request->dimension; i++)
        demand(isfinite(request->vectors[i]));
    if (request->call == PIX_CALL_SEARCH)
        demand(request->k > 0 && request->k * (int64_t)request->vector_count <= PIX_CALL_HITS);
    demand(request->photos >= 0 &&
           request->photos * (int64_t)request->vector_count <= PIX_CALL_PHOTOS);
    for (size_t i = 0; i < request->folder_count; i++)
        demand(request->folders[i][0] == '/');
    const pix_filter *filter = request->filter;
    if (!filter)
        return;
    for (size_t i = 0; i < filter->folder_count; i++)
        demand(filter->folders[i][0] == '/');
    demand(!filter->camera || filter->camera[0]);
    demand(filter->min_pixels >= 0 && filter->min_long >= 0 && filter->min_short >= 0);
    demand(!filter->has_place || (fabs(filter->latitude) <= 90 && filter->radius_km >= 0));
}

static void look_at_line(const char *line, size_t size) {
    pix_request request;
    pix_error error = {0};
    pix_status status = pix_request_parse(line, size, &request, &error);
    if (status)
        demand_reason(status, &error);
    else
        look_at_request(&request);
    pix_request_free(&request);

    json_t *answer;
    int64_t number;
    float vector[4];
    pix_bytes bytes = {0};
    if (pix_answer_parse(line, size, &answer, &error))
        return;
    (void)pix_answer_integer(answer, "cut", &number, &error);
    (void)pix_answer_vector(json_object_get(answer, "vectors"), vector, 4, &error);
    if (pix_answer_bytes(answer, "path", &bytes, &error) == PIX_OK)
        demand(bytes.size == 0 || bytes.data[bytes.size] == '\0');
    pix_bytes_free(&bytes);
    json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int pair[2];
    demand(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    pix_channel channel;
    pix_channel_init(&channel, pair[0]);
    const char *line;
    size_t line_size, lines = 0, newlines = 0;
    for (size_t sent = 0; sent < size;) {
        size_t part = 1 + (sent * 31 + size) % 4096;
        if (part > size - sent)
            part = size - sent;
        demand(send(pair[1], data + sent, part, 0) == (ssize_t)part);
        for (size_t i = 0; i < part; i++)
            newlines += data[sent + i] == '\n';
        sent += part;
        demand(pix_channel_fill(&channel, NULL) == PIX_OK);
        while (pix_channel_line(&channel, &line, &line_size)) {
            lines++;
            look_at_line(line, line_size);
        }
    }
    demand(lines == newlines);
    if (size > 0)
        demand(pix_channel_is_midway(&channel) == (data[size - 1] != '\n'));
    close(pair[1]);
    pix_channel_close(&channel);
    return 0;
}
