#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "indexer/notify.h"
#include "tests/support.h"

/* Listens at `name`, whose first byte may be '@', and has pix_notify send there. */
static int listen_at(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(name);
    assert_true(size < sizeof address.sun_path);
    memcpy(address.sun_path, name, size);
    bool abstract = name[0] == '@';
    if (abstract)
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + !abstract);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, length), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void assert_hears(int fd, const char *expected) {
    char text[1024] = "";
    ssize_t size = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    assert_int_equal(size, (ssize_t)strlen(expected));
    assert_string_equal(text, expected);
}

static void a_listener_with_a_path_hears(void **state) {
    (void)state;
    char name[100];
    (void)snprintf(name, sizeof name, "%s/notify", test_folder());
    int fd = listen_at(name);
    pix_notify("READY=1");
    assert_hears(fd, "READY=1");
    pix_notify("STATUS=%d photos\nX=%s", 12, "y");
    assert_hears(fd, "STATUS=12 photos\nX=y");
    close(fd);
    pix_notify("READY=1"); /* nobody is there any more */
}

static void an_abstract_listener_hears(void **state) {
    (void)state;
    char name[100];
    (void)snprintf(name, sizeof name, "@pixgrep-test-%d", (int)getpid());
    int fd = listen_at(name);
    pix_notify("STOPPING=1");
    assert_hears(fd, "STOPPING=1");
    close(fd);
}

static void a_status_is_one_line(void **state) {
    (void)state;
    char name[100], text[1024] = "";
    (void)snprintf(name, sizeof name, "@pixgrep-test-%d-status", (int)getpid());
    int fd = listen_at(name);
    pix_notify_status("/photos/a\nREADY=1\nMAINPID=1: cannot be read");
    assert_hears(fd, "STATUS=/photos/a READY=1 MAINPID=1: cannot be read");
    memset(text, 'x', sizeof text - 1);
    pix_notify_status(text); /* too long: its start */
    char heard[1024] = "";
    assert_true(recv(fd, heard, sizeof heard - 1, MSG_DONTWAIT) > 300);
    assert_memory_equal(heard, "STATUS=xxx", 10);
    close(fd);
}

static void without_a_listener_nothing_happens(void **state) {
    (void)state;
    static char long_name[300] = "/";
    memset(long_name + 1, 'x', sizeof long_name - 2);
    const char *names[] = {"", "relative", "/", "@", long_name};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
        pix_notify("READY=1");
    }
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    pix_notify("READY=1");
}

static void the_watchdog_is_for_the_process_it_names(void **state) {
    (void)state;
    char id[32];
    assert_int_equal(unsetenv("WATCHDOG_USEC"), 0);
    assert_int_equal(unsetenv("WATCHDOG_PID"), 0);
    assert_int_equal(pix_notify_watchdog_us(), 0);
    assert_int_equal(setenv("WATCHDOG_USEC", "30000000", 1), 0);
    assert_int_equal(pix_notify_watchdog_us(), 30000000);
    assert_int_equal(setenv("WATCHDOG_PID", "1", 1), 0);
    assert_int_equal(pix_notify_watchdog_us(), 0);
    (void)snprintf(id, sizeof id, "%d", (int)getpid());
    assert_int_equal(setenv("WATCHDOG_PID", id, 1), 0);
    assert_int_equal(pix_notify_watchdog_us(), 30000000);
    assert_int_equal(setenv("WATCHDOG_USEC", "often", 1), 0);
    assert_int_equal(pix_notify_watchdog_us(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_with_a_path_hears),
        cmocka_unit_test(an_abstract_listener_hears),
        cmocka_unit_test(a_status_is_one_line),
        cmocka_unit_test(without_a_listener_nothing_happens),
        cmocka_unit_test(the_watchdog_is_for_the_process_it_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
