#include "core/tensor/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "tests/support.h"

enum { MOST = 1000 };

typedef struct tally {
    atomic_int runs[MOST];
    pix_pool *pool;
    size_t inner;
} tally;

static pix_pool *new_pool(int threads) {
    pix_error error;
    pix_pool *pool;
    assert_ok(pix_pool_new(threads, &pool, &error), &error);
    return pool;
}

static void count_run(void *context, size_t index) {
    tally *t = context;
    atomic_fetch_add(&t->runs[index], 1);
}

/* How many of the first `count` tasks did not run exactly once, or of those beyond ran at all. */
static int wrong_runs(const tally *t, size_t count) {
    int wrong = 0;
    for (size_t i = 0; i < MOST; i++)
        wrong += atomic_load(&t->runs[i]) != (i < count);
    return wrong;
}

static void every_task_runs_once(void **state) {
    (void)state;
    static const size_t counts[] = {0, 1, 2, 3, 7, 64, MOST};
    for (int threads = 1; threads <= 5; threads++) {
        pix_pool *pool = new_pool(threads);
        assert_int_equal(pix_pool_threads(pool), threads);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            tally t = {0};
            pix_pool_run(pool, counts[i], count_run, &t);
            assert_int_equal(wrong_runs(&t, counts[i]), 0);
        }
        pix_pool_free(pool);
    }
}

typedef struct masks {
    pthread_t asker;
    atomic_int helped, wrong;
} masks;

static void look_at_mask(void *context, size_t index) {
    masks *m = context;
    sigset_t mask;
    (void)index;
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (pthread_equal(pthread_self(), m->asker))
        return;
    atomic_fetch_add(&m->helped, 1);
    if (pthread_sigmask(SIG_BLOCK, NULL, &mask) || !sigismember(&mask, SIGTERM) ||
        !sigismember(&mask, SIGHUP) || sigismember(&mask, SIGBUS))
        atomic_fetch_add(&m->wrong, 1);
}

/* A signal that ends the program is not for them; one about what they read themselves is. */
static void threads_take_no_signals_but_their_own(void **state) {
    (void)state;
    masks m = {.asker = pthread_self()};
    pix_pool *pool = new_pool(3);
    pix_pool_run(pool, 64, look_at_mask, &m);
    pix_pool_free(pool);
    assert_true(atomic_load(&m.helped) > 0);
    assert_int_equal(atomic_load(&m.wrong), 0);
}

static void no_pool_is_the_asking_thread_alone(void **state) {
    (void)state;
    tally t = {0};
    assert_int_equal(pix_pool_threads(NULL), 1);
    pix_pool_run(NULL, 9, count_run, &t);
    assert_int_equal(wrong_runs(&t, 9), 0);
    pix_pool_free(NULL);
}

/* Plain writes of one run are read by the next, whichever threads they are. */
static void double_values(void *context, size_t index) {
    int *values = context;
    for (size_t i = index * 10; i < index * 10 + 10; i++)
        values[i] *= 2;
}

static void what_tasks_wrote_is_there_when_the_run_returns(void **state) {
    (void)state;
    static int values[MOST];
    pix_pool *pool = new_pool(3);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < MOST; i++)
            values[i] = 1;
        for (int i = 0; i < 10; i++)
            pix_pool_run(pool, MOST / 10, double_values, values);
        for (size_t i = 0; i < MOST; i++)
            assert_int_equal(values[i], 1024);
    }
    pix_pool_free(pool);
}

static void ask_again(void *context, size_t index) {
    tally *outer = context;
    tally inner = {0};
    pix_pool_run(outer->pool, outer->inner, count_run, &inner);
    if (wrong_runs(&inner, outer->inner) == 0)
        atomic_fetch_add(&outer->runs[index], 1);
}

static void a_task_may_ask_the_same_pool(void **state) {
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        tally t = {.pool = new_pool(threads), .inner = 17};
        pix_pool_run(t.pool, 23, ask_again, &t);
        assert_int_equal(wrong_runs(&t, 23), 0);
        pix_pool_free(t.pool);
    }
}

static void *ask_often(void *argument) {
    tally *failed = argument;
    for (int i = 0; i < 200; i++) {
        tally t = {0};
        pix_pool_run(failed->pool, 31, count_run, &t);
        if (wrong_runs(&t, 31) != 0)
            atomic_fetch_add(&failed->runs[0], 1);
    }
    return NULL;
}

static void threads_may_ask_at_the_same_time(void **state) {
    (void)state;
    enum { ASKERS = 4 };
    pthread_t askers[ASKERS];
    tally failed = {.pool = new_pool(3)};
    for (int i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_create(&askers[i], NULL, ask_often, &failed), 0);
    for (int i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_join(askers[i], NULL), 0);
    assert_int_equal(atomic_load(&failed.runs[0]), 0);
    pix_pool_free(failed.pool);
}

static void sleep_ms(long milliseconds) {
    struct timespec time = {.tv_nsec = milliseconds * 1000000};
    assert_int_equal(nanosleep(&time, NULL), 0);
}

static void wait_a_little(void *context, size_t index) {
    sleep_ms(index % 2 ? 2 : 1);
    count_run(context, index);
}

static void sleeping_threads_wake_and_slow_ones_are_awaited(void **state) {
    (void)state;
    pix_pool *pool = new_pool(3);
    for (int round = 0; round < 5; round++) {
        sleep_ms(5);
        tally t = {0};
        pix_pool_run(pool, 6, wait_a_little, &t);
        assert_int_equal(wrong_runs(&t, 6), 0);
    }
    pix_pool_free(pool);
}

static void idle_threads_take_no_processor_time(void **state) {
    (void)state;
    pix_pool *pool = new_pool(2);
    tally t = {0};
    pix_pool_run(pool, 100, count_run, &t);
    struct timespec before, after;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before), 0);
    sleep_ms(200);
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after), 0);
    double used_ms = (double)(after.tv_sec - before.tv_sec) * 1e3 +
                     (double)(after.tv_nsec - before.tv_nsec) / 1e6;
    if (!(used_ms < 20))
        fail_msg("%.1f ms of processor time in 200 ms of rest", used_ms);
    pix_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(threads_take_no_signals_but_their_own),
        cmocka_unit_test(no_pool_is_the_asking_thread_alone),
        cmocka_unit_test(what_tasks_wrote_is_there_when_the_run_returns),
        cmocka_unit_test(a_task_may_ask_the_same_pool),
        cmocka_unit_test(threads_may_ask_at_the_same_time),
        cmocka_unit_test(sleeping_threads_wake_and_slow_ones_are_awaited),
        cmocka_unit_test(idle_threads_take_no_processor_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
