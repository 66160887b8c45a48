#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/json.h"
#include "core/control/channel.h"
#include "core/control/filter.h"
#include "core/control/protocol.h"
#include "tests/support.h"

static pix_error error;

static pix_status parse(const char *line, pix_request *request) {
    return pix_request_parse(line, strlen(line), request, &error);
}

static void hello_says_what_is_wanted_next(void **state) {
    (void)state;
    pix_request request;
    assert_ok(parse("{\"call\":\"hello\",\"protocol\":2,\"unknown\":[]}", &request), &error);
    assert_int_equal(request.call, PIX_CALL_HELLO);
    assert_ok(parse("{\"call\":\"hello\",\"protocol\":2,\"texts\":[{\"text\":\"a\"}],"
                    "\"search\":{\"k\":3,\"photos\":2}}",
                    &request),
              &error);
    assert_int_equal(request.text_count, 1);
    assert_int_equal(request.k, 3);
    assert_int_equal(request.photos, 2);
    pix_request_free(&request);
}

static void requests_say_what_is_wanted(void **state) {
    (void)state;
    pix_request request;
    assert_ok(parse("{\"call\":\"tokenize\",\"text\":\"a \\u0000 dog\"}", &request), &error);
    assert_int_equal(request.text.size, 7);
    assert_memory_equal(request.text.data, "a \0 dog", 7);
    pix_request_free(&request);
    assert_ok(parse("{\"call\":\"encode_text\",\"ids\":[[1,2,3],[4]]}", &request), &error);
    assert_int_equal(request.text_count, 2);
    assert_int_equal(request.ids[0].count, 3);
    assert_int_equal(request.ids[1].data[0], 4);
    pix_request_free(&request);
    assert_ok(parse("{\"call\":\"encode_text\",\"packed\":true,\"texts\":[{\"text\":\"a\"},"
                    "{\"text_base64\":\"/w==\"}]}",
                    &request),
              &error);
    assert_null(request.ids);
    assert_true(request.packed);
    assert_int_equal(request.text_count, 2);
    assert_string_equal(request.texts[0].data, "a");
    assert_string_equal(request.texts[1].data, "\xff");
    pix_request_free(&request);
    assert_ok(parse("{\"call\":\"encode_image\",\"exact\":true}", &request), &error);
    assert_true(request.exact);
    assert_false(request.ignore_rotation);
    assert_ok(parse("{\"call\":\"search\",\"vectors\":[[0.5,-1e-9],[1,0]],\"k\":7}", &request),
              &error);
    assert_int_equal(request.vector_count, 2);
    assert_int_equal(request.dimension, 2);
    assert_int_equal(request.k, 7);
    assert_true(request.vectors[1] == -1e-9F && request.vectors[2] == 1.0F);
    assert_null(request.filter);
    pix_request_free(&request);
    assert_ok(parse("{\"call\":\"search\",\"vectors\":[\"AAAAPwAAgL8=\"],\"k\":1,"
                    "\"filter\":{\"since\":\"2023\"}}",
                    &request),
              &error);
    assert_int_equal(request.dimension, 2);
    assert_true(request.vectors[0] == 0.5F && request.vectors[1] == -1.0F);
    assert_string_equal(request.filter->since, "2023");
    pix_request_free(&request);
    assert_ok(parse("{\"call\":\"rescan\",\"folders\":[{\"path\":\"/a b\"},"
                    "{\"path_base64\":\"L/8=\"}]}",
                    &request),
              &error);
    assert_int_equal(request.folder_count, 2);
    assert_string_equal(request.folders[0], "/a b");
    assert_string_equal(request.folders[1], "/\xff");
    pix_request_free(&request);
    assert_ok(
        parse("{\"call\":\"move\",\"paths\":[{\"path\":\"/a\"},{\"path\":\"/b\"}]}", &request),
        &error);
    assert_int_equal(request.call, PIX_CALL_MOVE);
    assert_string_equal(request.folders[1], "/b");
    pix_request_free(&request);
    assert_ok(parse("{\"call\":\"retry_failures\"}", &request), &error);
    assert_int_equal(request.call, PIX_CALL_RETRY);
    assert_int_equal(request.folder_count, 0);
}

static void what_is_no_request_is_refused_in_words(void **state) {
    (void)state;
    static const struct {
        const char *line;
        pix_status status;
        const char *words;
    } wrong[] = {
        {"", PIX_EFORMAT, "not JSON"},
        {"[1]", PIX_EFORMAT, "not an object"},
        {"{}", PIX_EFORMAT, "no such call"},
        {"{\"call\":1}", PIX_EFORMAT, "no such call"},
        {"{\"call\":\"status\",\"call\":\"pause\"}", PIX_EFORMAT, "not JSON"},
        {"{\"call\":\"hello\",\"protocol\":1}", PIX_EMISMATCH, "protocol 2"},
        {"{\"call\":\"hello\",\"protocol\":\"1\"}", PIX_EFORMAT, "protocol is not"},
        {"{\"call\":\"hello\",\"protocol\":2,\"texts\":[{\"text\":\"a\"}],\"search\":{}}",
         PIX_EFORMAT, "k is not"},
        {"{\"call\":\"hello\",\"protocol\":2,\"texts\":[{\"text\":\"a\"}],\"search\":{\"k\":"
         "1000001}}",
         PIX_ELIMIT, "k is not"},
        {"{\"call\":\"tokenize\",\"text\":\"a\",\"text_base64\":\"YQ==\"}", PIX_EFORMAT, "text"},
        {"{\"call\":\"tokenize\",\"text_base64\":\"a*\"}", PIX_EFORMAT, "text"},
        {"{\"call\":\"encode_text\",\"ids\":[]}", PIX_EFORMAT, "ids is not a list"},
        {"{\"call\":\"encode_text\",\"ids\":[[1],[]]}", PIX_EFORMAT, "token ids"},
        {"{\"call\":\"encode_text\",\"ids\":[[1.5]]}", PIX_EFORMAT, "whole number"},
        {"{\"call\":\"encode_text\",\"ids\":[[4294967296]]}", PIX_EFORMAT, "whole number"},
        {"{\"call\":\"encode_image\",\"exact\":1}", PIX_EFORMAT, "exact is neither"},
        {"{\"call\":\"search\",\"vectors\":[[1],[1,2]],\"k\":1}", PIX_EFORMAT, "1 numbers"},
        {"{\"call\":\"search\",\"vectors\":[[\"1\"]],\"k\":1}", PIX_EFORMAT, "1 numbers"},
        {"{\"call\":\"search\",\"vectors\":[[1e300]],\"k\":1}", PIX_EFORMAT, "1 numbers"},
        {"{\"call\":\"search\",\"vectors\":[[1],[1]],\"k\":500001}", PIX_ELIMIT, "500000"},
        {"{\"call\":\"search\",\"vectors\":[[1]],\"k\":-1}", PIX_ELIMIT, "k is not"},
        {"{\"call\":\"search\",\"vectors\":[[1],[1]],\"k\":1,\"photos\":2049}", PIX_ELIMIT, "2048"},
        {"{\"call\":\"search\",\"vectors\":[[1]],\"k\":1,\"photos\":-1}", PIX_ELIMIT, "photos"},
        {"{\"call\":\"search\",\"vectors\":[\"AAA=\"],\"k\":1}", PIX_EFORMAT, "1 to"},
        {"{\"call\":\"search\",\"vectors\":[\"AAAAPwAA\"],\"k\":1}", PIX_EFORMAT, "1 numbers"},
        {"{\"call\":\"search\",\"vectors\":[\"AADAfw==\"],\"k\":1}", PIX_EFORMAT, "1 numbers"},
        {"{\"call\":\"search\",\"vectors\":[\"AAAA*w==\"],\"k\":1}", PIX_EFORMAT, "1 numbers"},
        {"{\"call\":\"encode_text\",\"texts\":[\"a\"]}", PIX_EFORMAT, "text is not a text"},
        {"{\"call\":\"encode_text\",\"ids\":[[1]],\"packed\":1}", PIX_EFORMAT, "packed"},
        {"{\"call\":\"select\",\"filter\":1}", PIX_EFORMAT, "filter is not an object"},
        {"{\"call\":\"select\",\"filter\":{\"colour\":1}}", PIX_EFORMAT, "member: colour"},
        {"{\"call\":\"select\",\"filter\":{\"folders\":[{\"path\":\"a\"}]}}", PIX_EFORMAT,
         "with /"},
        {"{\"call\":\"select\",\"filter\":{\"since\":2023}}", PIX_EFORMAT, "since"},
        {"{\"call\":\"select\",\"filter\":{\"camera\":\"\"}}", PIX_EFORMAT, "camera is not"},
        {"{\"call\":\"select\",\"filter\":{\"camera\":\"a\\u0000\"}}", PIX_EFORMAT,
         "camera is not"},
        {"{\"call\":\"select\",\"filter\":{\"formats\":[]}}", PIX_EFORMAT, "formats is not"},
        {"{\"call\":\"select\",\"filter\":{\"formats\":[1]}}", PIX_EFORMAT, "a format is"},
        {"{\"call\":\"select\",\"filter\":{\"orientations\":[\"up\"]}}", PIX_EFORMAT, "landscape"},
        {"{\"call\":\"select\",\"filter\":{\"orientations\":[]}}", PIX_EFORMAT, "orientations"},
        {"{\"call\":\"select\",\"filter\":{\"place\":[91,0,1]}}", PIX_EFORMAT, "place is not"},
        {"{\"call\":\"select\",\"filter\":{\"place\":[1,2]}}", PIX_EFORMAT, "place is not"},
        {"{\"call\":\"select\",\"filter\":{\"min_long\":-1}}", PIX_EFORMAT, "min_long"},
        {"{\"call\":\"select\",\"filter\":{\"min_short\":2147483648}}", PIX_EFORMAT, "min_short"},
        {"{\"call\":\"select\",\"filter\":{\"min_pixels\":1.5}}", PIX_EFORMAT, "min_pixels"},
        {"{\"call\":\"rescan\",\"folders\":[{\"path\":\"a\"}]}", PIX_EFORMAT, "begins with /"},
        {"{\"call\":\"rescan\",\"folders\":[{\"path\":\"/a\\u0000b\"}]}", PIX_EFORMAT, "path"},
        {"{\"call\":\"rescan\",\"folders\":[\"/a\"]}", PIX_EFORMAT, "path is not a text"},
        {"{\"call\":\"forget\"}", PIX_EFORMAT, "paths has 0 members, and not 1"},
        {"{\"call\":\"forget\",\"paths\":[{\"path\":\"a\"}]}", PIX_EFORMAT, "begins with /"},
        {"{\"call\":\"forget\",\"paths\":[{\"path\":\"/a\"},{\"path\":\"/b\"}]}", PIX_EFORMAT,
         "not 1"},
        {"{\"call\":\"move\",\"paths\":[{\"path\":\"/a\"}]}", PIX_EFORMAT, "not 2"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        pix_request request;
        assert_int_equal(parse(wrong[i].line, &request), wrong[i].status);
        if (!strstr(error.text, wrong[i].words))
            fail_msg("%s: \"%s\" does not say \"%s\"", wrong[i].line, error.text, wrong[i].words);
    }
}

static void more_values_than_memory_should_hold_are_refused(void **state) {
    (void)state;
    size_t count = (1 << 20) + 2;
    char *line = malloc(2 * count + 64);
    assert_non_null(line);
    int size = sprintf(line, "{\"call\":\"encode_text\",\"ids\":[");
    for (size_t i = 0; i < count; i++)
        memcpy(line + size + 2 * i, "[,", 2);
    line[(size_t)size + 2 * count] = '\0';
    pix_request request;
    assert_int_equal(parse(line, &request), PIX_ELIMIT);
    free(line);
}

static void an_error_crosses_the_socket(void **state) {
    (void)state;
    pix_error sent, received;
    char *line = NULL;
    size_t size;
    json_t *answer;
    (void)pix_fail(&sent, PIX_EUNSUPPORTED, "a \"quoted\" \xff reason");
    FILE *out = open_memstream(&line, &size);
    assert_non_null(out);
    pix_answer_error(out, &sent);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(line[size - 1], '\n');
    assert_int_equal(pix_answer_parse(line, size - 1, &answer, &received), PIX_EUNSUPPORTED);
    assert_null(answer);
    assert_string_equal(received.text, "a \"quoted\" \xef\xbf\xbd reason");
    free(line);
}

static void a_vector_comes_back_to_the_bit(void **state) {
    (void)state;
    const float sent[] = {0.1F, -0.0F, 1.17549435e-38F, 0.333333343F, 1.0F, -1e-45F};
    enum { COUNT = sizeof sent / sizeof *sent };
    float received[COUNT];
    char *line = NULL;
    size_t size;
    FILE *out = open_memstream(&line, &size);
    assert_non_null(out);
    (void)fputs("{\"ok\":true,\"v\":", out);
    pix_vector_write(out, sent, COUNT, false);
    (void)fputs(",\"p\":", out);
    pix_vector_write(out, sent, COUNT, true);
    (void)fputs("}", out);
    assert_int_equal(fclose(out), 0);
    json_t *answer;
    assert_ok(pix_answer_parse(line, size, &answer, &error), &error);
    assert_ok(pix_answer_vector(json_object_get(answer, "v"), received, COUNT, &error), &error);
    for (size_t i = 0; i < COUNT; i++) /* a zero loses its sign as a number */
        assert_true(received[i] == sent[i]);
    memset(received, 0, sizeof received);
    assert_ok(pix_answer_vector(json_object_get(answer, "p"), received, COUNT, &error), &error);
    assert_memory_equal(received, sent, sizeof sent);
    assert_int_equal(pix_answer_vector(json_object_get(answer, "p"), received, COUNT - 1, &error),
                     PIX_EFORMAT);
    json_decref(answer);
    free(line);
}

/* The line that `filter` is sent as; what comes back is sent as the same line. */
static char *filter_line(const pix_filter *filter) {
    char *line = NULL;
    size_t size;
    FILE *out = open_memstream(&line, &size);
    assert_non_null(out);
    pix_filter_write(out, filter);
    assert_int_equal(fclose(out), 0);
    return line;
}

static pix_filter *filter_read(const char *line) {
    pix_filter *filter;
    json_t *object = json_loads(line, 0, NULL);
    assert_non_null(object);
    assert_ok(pix_filter_read(object, &filter, &error), &error);
    json_decref(object);
    return filter;
}

static void a_filter_comes_back_as_it_was(void **state) {
    (void)state;
    const char *const folders[] = {"/a b", "/\xff\"", "/"}, *const formats[] = {"jpeg", "x-raw"};
    const pix_filter sent = {.folders = folders,
                             .folder_count = 3,
                             .since = "2023-05",
                             .until = "2024",
                             .camera = "Canon \xff \xc3\xa4",
                             .formats = formats,
                             .format_count = 2,
                             .min_pixels = INT64_MAX,
                             .latitude = -17.000000000000004,
                             .longitude = 0.1,
                             .radius_km = 1e-300,
                             .has_place = true,
                             .orientations = PIX_PORTRAIT | PIX_SQUARE,
                             .min_long = INT32_MAX,
                             .min_short = 1};
    char *line = filter_line(&sent);
    pix_filter *received = filter_read(line);
    assert_int_equal(received->folder_count, 3);
    assert_string_equal(received->folders[1], folders[1]);
    assert_string_equal(received->since, sent.since);
    assert_string_equal(received->until, sent.until);
    assert_string_equal(received->camera, sent.camera);
    assert_int_equal(received->format_count, 2);
    assert_string_equal(received->formats[1], formats[1]);
    assert_true(received->has_place && received->latitude == sent.latitude &&
                received->longitude == sent.longitude && received->radius_km == sent.radius_km);
    assert_int_equal(received->orientations, sent.orientations);
    assert_true(received->min_pixels == sent.min_pixels && received->min_long == sent.min_long &&
                received->min_short == sent.min_short);
    char *again = filter_line(received);
    assert_string_equal(again, line);
    pix_filter_free(received);
    free(again);
    free(line);
}

static void a_filter_that_asks_for_nothing_comes_back_as_nothing(void **state) {
    (void)state;
    const pix_filter none = {0};
    char *line = filter_line(&none);
    pix_filter *received = filter_read(line);
    assert_memory_equal(received, &none, sizeof none);
    pix_filter_free(received);
    free(line);
}

static void lines_come_whole_however_they_are_cut(void **state) {
    (void)state;
    int pair[2];
    const char *line;
    size_t size;
    pix_channel channel;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pix_channel_init(&channel, pair[0]);
    assert_ok(pix_channel_fill(&channel, &error), &error); /* nothing is there yet */
    assert_false(pix_channel_line(&channel, &line, &size));
    assert_int_equal(send(pair[1], "one\n\ntw", 7, 0), 7);
    assert_ok(pix_channel_fill(&channel, &error), &error);
    assert_true(pix_channel_line(&channel, &line, &size));
    assert_int_equal(size, 3);
    assert_memory_equal(line, "one", 3);
    assert_true(pix_channel_line(&channel, &line, &size));
    assert_int_equal(size, 0);
    assert_false(pix_channel_line(&channel, &line, &size));
    assert_true(pix_channel_is_midway(&channel));
    assert_int_equal(send(pair[1], "o\n", 2, 0), 2);
    assert_ok(pix_channel_fill(&channel, &error), &error);
    assert_true(pix_channel_line(&channel, &line, &size));
    assert_memory_equal(line, "two", 3);
    assert_false(pix_channel_is_midway(&channel));
    close(pair[1]);
    assert_int_equal(pix_channel_fill(&channel, &error), PIX_ENOTFOUND);
    pix_channel_close(&channel);
}

static void a_descriptor_comes_with_its_line(void **state) {
    (void)state;
    int pair[2], pipe_ends[2];
    const char *line, *answer;
    size_t size;
    char byte = 0;
    pix_channel asking, answering;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(pipe(pipe_ends), 0);
    pix_channel_init(&asking, pair[0]);
    pix_channel_init(&answering, pair[1]);
    assert_int_equal(pix_channel_put(&answering, "{}\n", 3), PIX_OK); /* the answer lies ready */
    bool done;
    assert_ok(pix_channel_flush(&answering, &done, &error), &error);
    assert_true(done);
    assert_ok(pix_channel_ask(&asking, "look\n", 5, pipe_ends[1], 1000, &answer, &size, &error),
              &error);
    assert_ok(pix_channel_fill(&answering, &error), &error);
    if (!pix_channel_line(&answering, &line, &size)) {
        assert_ok(pix_channel_fill(&answering, &error), &error);
        assert_true(pix_channel_line(&answering, &line, &size));
    }
    assert_memory_equal(line, "look", 4);
    assert_true(answering.passed >= 0);
    assert_int_equal(fcntl(answering.passed, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(answering.passed, "x", 1), 1);
    assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(pix_channel_wait(&asking, 10, &answer, &size, &error), PIX_ETIMEOUT);
    pix_channel_close(&asking);
    pix_channel_close(&answering);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void a_line_without_end_is_refused(void **state) {
    (void)state;
    int pair[2];
    static char block[65536];
    pix_channel channel;
    pix_status status = PIX_OK;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    pix_channel_init(&channel, pair[0]);
    memset(block, 'x', sizeof block);
    for (size_t sent = 0; !status && sent < 2 * (size_t)PIX_LINE_LIMIT;) {
        ssize_t size = send(pair[1], block, sizeof block, 0);
        sent += size > 0 ? (size_t)size : 0;
        status = pix_channel_fill(&channel, &error);
    }
    assert_int_equal(status, PIX_ELIMIT);
    assert_true(channel.in.size <= PIX_LINE_LIMIT + sizeof block);
    pix_channel_close(&channel);
    close(pair[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_says_what_is_wanted_next),
        cmocka_unit_test(requests_say_what_is_wanted),
        cmocka_unit_test(what_is_no_request_is_refused_in_words),
        cmocka_unit_test(more_values_than_memory_should_hold_are_refused),
        cmocka_unit_test(an_error_crosses_the_socket),
        cmocka_unit_test(a_vector_comes_back_to_the_bit),
        cmocka_unit_test(a_filter_comes_back_as_it_was),
        cmocka_unit_test(a_filter_that_asks_for_nothing_comes_back_as_nothing),
        cmocka_unit_test(lines_come_whole_however_they_are_cut),
        cmocka_unit_test(a_descriptor_comes_with_its_line),
        cmocka_unit_test(a_line_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
