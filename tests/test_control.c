/* The daemon's end of the control socket, with clients that do not behave. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/threads.h"
#include "indexer/control.h"
#include "tests/support.h"

static uv_loop_t loop;
static pix_control *control;
static char path[100];
static pix_scan_request *asked;
static int64_t withdrawn;

static void note_request(void *context, pix_scan_request *request) {
    (void)context;
    asked = request;
}

static void note_withdrawal(void *context, int64_t waiter) {
    (void)context;
    withdrawn = waiter;
}

static void write_status(void *context, FILE *out) {
    (void)context;
    (void)fputs(",\"state\":\"idle\"", out);
}

static int open_control(void **state) {
    (void)state;
    pix_error error;
    int listener, lock;
    pix_control_settings settings = {.loop = &loop,
                                     .status = write_status,
                                     .request = note_request,
                                     .withdraw = note_withdrawal};
    (void)snprintf(path, sizeof path, "%s/socket", test_folder());
    asked = NULL;
    withdrawn = 0;
    return uv_loop_init(&loop) || pix_control_bind(path, &listener, &lock, &error) ||
           pix_control_start(&settings, path, listener, lock, &control, &error);
}

static int close_control(void **state) {
    (void)state;
    pix_control_stop(control);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    pix_control_free(control);
    return uv_loop_close(&loop);
}

/* Lets the loop do what there is to do. */
static void run_for(int ms) {
    static const struct timespec tick = {.tv_nsec = 1000000};
    for (int i = 0; i < ms; i++) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        (void)nanosleep(&tick, NULL);
    }
}

static int new_socket(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

static void connect_and_say(int fd, const char *line) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
}

/* All that is there to be read. */
static size_t read_all(int fd, char *out, size_t size) {
    size_t count = 0;
    ssize_t part;
    run_for(20);
    while ((part = recv(fd, out + count, size - 1 - count, MSG_DONTWAIT)) > 0) {
        count += (size_t)part;
        run_for(5);
    }
    out[count] = '\0';
    return count;
}

static void who_does_not_listen_is_told_less_but_the_end(void **state) {
    (void)state;
    enum { TIMES = 200000, ROOM = 4 << 20 };
    int fd = new_socket();
    connect_and_say(fd, "{\"call\":\"forget\",\"paths\":[{\"path\":\"/a\"}]}\n");
    run_for(20);
    assert_non_null(asked);
    assert_int_equal(asked->call, PIX_CALL_FORGET);
    assert_string_equal(asked->folders.items[0], "/a");
    size_t before = mallinfo2().uordblks;
    pix_run_counts counts = {0};
    for (counts.seen = 0; counts.seen < TIMES; counts.seen++)
        pix_control_tell_progress(control, &counts);
    assert_in_range(mallinfo2().uordblks, 0, before + 65536);
    asked->answer = strdup("{\"ok\":true,\"output\":\"\",\"notes\":\"\"}\n");
    pix_control_deliver_scan(control, asked);
    char *text = malloc(ROOM);
    assert_non_null(text);
    size_t size = read_all(fd, text, ROOM);
    assert_in_range(size, 1000, TIMES * 20);
    for (char *line = text, *end; *line; line = end + 1) { /* each is whole */
        end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        if (end + 1 < text + size)
            assert_memory_equal(line, "{\"ok\":true,\"seen\":", 18);
        else
            assert_string_equal(line, "{\"ok\":true,\"output\":\"\",\"notes\":\"\"}");
        assert_int_equal(end[-1], '}');
    }
    free(text);
    close(fd);
    assert_int_equal(withdrawn, 0);
}

static void who_hangs_up_is_waited_for_no_more(void **state) {
    (void)state;
    int fd = new_socket(), other = new_socket();
    char text[512];
    connect_and_say(fd, "{\"call\":\"rescan\"}\n");
    run_for(20);
    assert_non_null(asked);
    int64_t waiter = asked->waiter;
    assert_int_equal(shutdown(fd, SHUT_WR), 0); /* it still listens */
    run_for(20);
    assert_int_equal(withdrawn, 0);
    pix_control_tell_progress(control, &(pix_run_counts){.seen = 7});
    (void)read_all(fd, text, sizeof text);
    assert_string_equal(text, "{\"ok\":true,\"seen\":7,\"encoded\":0,\"failed\":0}\n");
    pix_scan_request *first = asked;
    connect_and_say(other, "{\"call\":\"rescan\"}\n");
    run_for(20);
    close(other);
    run_for(20);
    assert_int_equal(withdrawn, asked->waiter);
    assert_int_not_equal(withdrawn, waiter);
    pix_control_deliver_scan(control, asked); /* for nobody */
    close(fd);
    pix_control_tell_progress(control, &(pix_run_counts){.seen = 8});
    assert_int_equal(withdrawn, waiter);
    pix_control_deliver_scan(control, first);
}

static void without_descriptors_the_loop_rests(void **state) {
    (void)state;
    struct rlimit usual, none;
    char text[512];
    int fd = new_socket(), next = dup(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    close(next);
    none.rlim_cur = (rlim_t)next;
    connect_and_say(fd, "{\"call\":\"status\"}\n");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int turns = 0;
    for (int64_t end = pix_now_ns() + 300000000; pix_now_ns() < end && turns < 1000; turns++)
        (void)uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    assert_in_range(turns, 1, 10);
    run_for(1200);
    assert_true(read_all(fd, text, sizeof text) > 0);
    assert_memory_equal(text, "{\"ok\":true,\"version\"", 20);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_does_not_listen_is_told_less_but_the_end, open_control,
                                        close_control),
        cmocka_unit_test_setup_teardown(who_hangs_up_is_waited_for_no_more, open_control,
                                        close_control),
        cmocka_unit_test_setup_teardown(without_descriptors_the_loop_rests, open_control,
                                        close_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
