#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/base/threads.h"
#include "core/clip/session.h"
#include "indexer/pipeline.h"
#include "tests/support.h"

static pix_model *model;
static pix_store *store;
static pix_recipe recipe;
static char folder[64], decoder[PATH_MAX];
static pix_error error;

static int open_all(void **state) {
    (void)state;
    char path[PATH_MAX];
    pix_import_report report;
    (void)snprintf(folder, sizeof folder, "%s", test_folder());
    (void)snprintf(decoder, sizeof decoder, "%s", test_built("libexec/pixgrep/pixgrep-decode"));
    (void)snprintf(path, sizeof path, "%s/model.pixm", folder);
    assert_ok(pix_model_import(test_golden("models/vit-p32/vit-p32.pt"), "vit-p32", path, NULL,
                               &report, &error),
              &error);
    assert_ok(pix_model_open(path, &model, &error), &error);
    return 0;
}

static int close_all(void **state) {
    (void)state;
    pix_model_close(model);
    return 0;
}

/* Every test has an empty store. */
static int open_store(void **state) {
    (void)state;
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/index.db", test_folder());
    assert_ok(pix_store_open(path, PIX_STORE_WRITE, &store, &error), &error);
    recipe = (pix_recipe){.precision = "fp32"};
    assert_ok(pix_store_model_put(store, "vit-p32", pix_model_fingerprint(model),
                                  pix_model_config(model)->embed_dim, &recipe.model_id, &error),
              &error);
    return 0;
}

static int close_store(void **state) {
    (void)state;
    pix_store_close(store);
    return 0;
}

static pix_pipeline *open_pipeline(int threads, const char *program) {
    pix_pipeline_settings settings = {
        .model = model, .store = store, .recipe = recipe, .threads = threads, .decoder = program};
    pix_pipeline *pipeline;
    assert_ok(pix_pipeline_open(&settings, &pipeline, &error), &error);
    return pipeline;
}

/* A golden picture under another name, with `tail` appended. */
static const char *copy(const char *picture, const char *name, const char *tail) {
    static char path[PATH_MAX];
    pix_bytes bytes = {0};
    assert_ok(pix_file_read(test_golden("preprocess/images/%s", picture), 1 << 20, &bytes, &error),
              &error);
    assert_int_equal(pix_bytes_append_text(&bytes, tail), PIX_OK);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    test_write_file(path, bytes.data, bytes.size);
    pix_bytes_free(&bytes);
    return path;
}

static void submit(pix_pipeline *pipeline, const char *path) {
    struct stat info = {0};
    (void)stat(path, &info);
    pix_job *job = pix_job_new(
        path, (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec, info.st_size);
    assert_non_null(job);
    assert_true(pix_pipeline_has_room(pipeline));
    pix_pipeline_submit(pipeline, job);
}

static pix_job *collect(pix_pipeline *pipeline) {
    pix_job *job = pix_pipeline_collect(pipeline, 60000);
    assert_non_null(job);
    return job;
}

/* Stores an encoded job as the scan does. */
static void keep(const pix_job *job) {
    pix_content facts = {.width = job->photo.width,
                         .height = job->photo.height,
                         .orientation = job->photo.orientation,
                         .format = job->photo.format};
    assert_ok(pix_store_content_put(store, &recipe, job->content, &facts, job->vector,
                                    pix_model_config(model)->embed_dim, &error),
              &error);
}

/* A program that does `first`, then decodes. */
static const char *decoder_after(const char *name, const char *first) {
    static char path[PATH_MAX];
    char script[2 * PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int size = snprintf(script, sizeof script, "#!/bin/sh\n%s\nexec %s\n", first, decoder);
    test_write_file(path, script, (size_t)size);
    assert_int_equal(chmod(path, 0700), 0);
    return path;
}

static const char *in_folder(const char *name) {
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A decoder that is held up, once begun, until it is let go. */
static const char *held_decoder(void) {
    char hold[256];
    (void)unlink(in_folder("begun"));
    (void)unlink(in_folder("go"));
    (void)snprintf(hold, sizeof hold, "cd %s && : >begun && while [ ! -e go ]; do sleep 0.05; done",
                   folder);
    return decoder_after("held", hold);
}

static void wait_until_begun(void) {
    for (int i = 0; i < 1200 && access(in_folder("begun"), F_OK) != 0; i++)
        (void)usleep(50000);
    assert_int_equal(access(in_folder("begun"), F_OK), 0);
}

static void let_go(void) {
    test_write_file(in_folder("go"), "", 0);
}

static void vectors_are_those_of_a_photo_encoded_alone(void **state) {
    (void)state;
    const char *pictures[] = {"bilevel.png", "grey16.png",      "interlaced.png",   "one-1x1.png",
                              "rgb16.png",   "tall-31x700.png", "wide-1000x40.png", "tiny-7x5.png"};
    enum { COUNT = sizeof pictures / sizeof *pictures };
    int size = pix_model_config(model)->image_size, dimension = pix_model_config(model)->embed_dim;
    pix_decode_options options = {.size = size};
    pix_decoder *alone;
    pix_session *session;
    uint8_t *crop = malloc(3 * (size_t)size * (size_t)size);
    float *vector = malloc((size_t)dimension * sizeof *vector);
    assert_ok(pix_decoder_open(decoder, &options, &alone, &error), &error);
    assert_ok(pix_session_new(model, PIX_FP32, 1, 1, &session, &error), &error);
    pix_pipeline *pipeline = open_pipeline(2, decoder);
    for (size_t i = 0; i < COUNT; i++)
        submit(pipeline, test_golden("preprocess/images/%s", pictures[i]));
    for (size_t i = 0; i < COUNT; i++) {
        pix_job *job = collect(pipeline);
        int fd;
        pix_photo photo;
        assert_int_equal(job->outcome, PIX_OUTCOME_ENCODED);
        assert_ok(pix_photo_open(job->path, &fd, &error), &error);
        assert_ok(pix_decoder_run(alone, fd, crop, &photo, &error), &error);
        close(fd);
        assert_ok(pix_session_encode_images(session, crop, 1, vector, &error), &error);
        assert_ok(pix_normalise(vector, (size_t)dimension, &error), &error);
        assert_true(test_max_difference(vector, job->vector, (size_t)dimension) < 1e-6);
        assert_string_equal(job->photo.format, "png");
        assert_int_equal(job->photo.width, photo.width);
        pix_pipeline_settle(pipeline, job);
    }
    assert_int_equal(pix_pipeline_pending(pipeline), 0);
    pix_pipeline_close(pipeline);
    pix_session_free(session);
    pix_decoder_close(alone);
    free(crop);
    free(vector);
}

static void copies_at_the_same_time_are_encoded_once(void **state) {
    (void)state;
    pix_pipeline *pipeline = open_pipeline(2, decoder);
    int encoded = 0, known = 0;
    for (int i = 0; i < 12; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "copy%d.png", i);
        submit(pipeline, copy("exact-224.png", name, i % 2 ? "odd" : ""));
    }
    for (int i = 0; i < 12; i++) {
        pix_job *job = collect(pipeline);
        if (job->outcome == PIX_OUTCOME_ENCODED) {
            keep(job);
            encoded++;
        } else {
            assert_int_equal(job->outcome, PIX_OUTCOME_KNOWN);
            known++;
        }
        pix_pipeline_settle(pipeline, job);
    }
    assert_int_equal(encoded, 2);
    assert_int_equal(known, 10);
    pix_pipeline_close(pipeline);
}

static void stored_content_is_not_decoded_again(void **state) {
    (void)state;
    pix_pipeline *pipeline = open_pipeline(1, decoder);
    submit(pipeline, copy("tiny-7x5.png", "a.png", ""));
    pix_job *job = collect(pipeline);
    keep(job);
    pix_pipeline_settle(pipeline, job);
    pix_pipeline_close(pipeline);
    /* this decoder would give an error */
    pipeline = open_pipeline(1, "/bin/false");
    submit(pipeline, copy("tiny-7x5.png", "b.png", ""));
    job = collect(pipeline);
    assert_int_equal(job->outcome, PIX_OUTCOME_KNOWN);
    pix_pipeline_settle(pipeline, job);
    pix_pipeline_close(pipeline);
}

static void copies_of_a_broken_file_share_its_reason(void **state) {
    (void)state;
    pix_pipeline *pipeline = open_pipeline(2, decoder);
    char path[PATH_MAX];
    for (int i = 0; i < 6; i++) {
        (void)snprintf(path, sizeof path, "%s/broken%d.jpg", folder, i);
        test_write_file(path, "nothing", 7);
        submit(pipeline, path);
    }
    char reason[1024] = "";
    for (int i = 0; i < 6; i++) {
        pix_job *job = collect(pipeline);
        assert_int_equal(job->outcome, PIX_OUTCOME_BROKEN);
        assert_string_equal(job->stage, "decode");
        assert_true(job->error.text[0] != '\0');
        if (i > 0)
            assert_string_equal(job->error.text, reason);
        (void)snprintf(reason, sizeof reason, "%s", job->error.text);
        pix_pipeline_settle(pipeline, job);
    }
    pix_pipeline_close(pipeline);
}

static void what_cannot_be_opened_is_told_apart(void **state) {
    (void)state;
    pix_pipeline *pipeline = open_pipeline(1, decoder);
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/gone.png", folder);
    submit(pipeline, path);
    pix_job *job = collect(pipeline);
    assert_int_equal(job->outcome, PIX_OUTCOME_GONE);
    pix_pipeline_settle(pipeline, job);

    (void)snprintf(path, sizeof path, "%s/pipe.png", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    submit(pipeline, path);
    job = collect(pipeline);
    assert_int_equal(job->outcome, PIX_OUTCOME_BROKEN);
    assert_string_equal(job->error.text, "not a regular file");
    pix_pipeline_settle(pipeline, job);

    (void)snprintf(path, sizeof path, "%s", copy("one-1x1.png", "closed.png", ""));
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(path, 0), 0);
    uid_t user = geteuid();
    if (user == 0) /* root may read everything */
        assert_int_equal(seteuid(65534), 0);
    submit(pipeline, path);
    job = collect(pipeline);
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(job->outcome, PIX_OUTCOME_DENIED);
    assert_non_null(strstr(job->error.text, "Permission denied"));
    pix_pipeline_settle(pipeline, job);
    pix_pipeline_close(pipeline);
}

static void a_file_that_changes_while_read_is_not_believed(void **state) {
    (void)state;
    pix_pipeline *pipeline = open_pipeline(1, held_decoder());
    char first[PATH_MAX];
    (void)snprintf(first, sizeof first, "%s", copy("tiny-7x5.png", "changing.png", "x"));
    submit(pipeline, first);
    wait_until_begun();
    (void)copy("tiny-7x5.png", "changing.png", "other");
    let_go();
    pix_job *job = collect(pipeline);
    assert_string_equal(job->path, first);
    assert_int_equal(job->outcome, PIX_OUTCOME_UNSTEADY);
    assert_string_equal(job->error.text, "changed while being read");
    pix_pipeline_settle(pipeline, job);
    pix_pipeline_close(pipeline);
}

static void copies_of_a_file_that_changed_are_tried_again(void **state) {
    (void)state;
    pix_pipeline *pipeline = open_pipeline(2, held_decoder());
    submit(pipeline, copy("tiny-7x5.png", "leader.png", "y"));
    wait_until_begun();
    submit(pipeline, copy("tiny-7x5.png", "follower.png", "y"));
    submit(pipeline, in_folder("gone.png"));
    pix_job *job = collect(pipeline); /* the free worker took the follower before it */
    assert_int_equal(job->outcome, PIX_OUTCOME_GONE);
    pix_pipeline_settle(pipeline, job);
    (void)copy("tiny-7x5.png", "leader.png", "other");
    let_go();
    job = collect(pipeline);
    assert_non_null(strstr(job->path, "leader.png"));
    assert_int_equal(job->outcome, PIX_OUTCOME_UNSTEADY);
    pix_pipeline_settle(pipeline, job);
    job = collect(pipeline);
    assert_non_null(strstr(job->path, "follower.png"));
    assert_int_equal(job->outcome, PIX_OUTCOME_ENCODED);
    pix_pipeline_settle(pipeline, job);
    pix_pipeline_close(pipeline);
}

static void a_decoder_that_dies_once_is_not_the_files_fault(void **state) {
    (void)state;
    char first[PATH_MAX];
    (void)snprintf(first, sizeof first, "mkdir %s/once 2>/dev/null && exit 9", folder);
    pix_pipeline *pipeline = open_pipeline(1, decoder_after("dies", first));
    submit(pipeline, copy("tiny-7x5.png", "once.png", "once"));
    pix_job *job = collect(pipeline);
    assert_int_equal(job->outcome, PIX_OUTCOME_ENCODED);
    pix_pipeline_settle(pipeline, job);
    pix_pipeline_close(pipeline);
    pipeline = open_pipeline(1, "/bin/false");
    submit(pipeline, copy("tiny-7x5.png", "always.png", "always"));
    job = collect(pipeline);
    assert_int_equal(job->outcome, PIX_OUTCOME_BROKEN);
    assert_string_equal(job->error.text, "the decoder ended with status 1");
    pix_pipeline_settle(pipeline, job);
    pix_pipeline_close(pipeline);
}

static void a_decoder_that_is_killed_is_not_the_files_fault(void **state) {
    (void)state;
    pix_pipeline *pipeline = open_pipeline(1, decoder_after("killed", "kill -KILL $$"));
    submit(pipeline, copy("tiny-7x5.png", "killed.png", "killed"));
    pix_job *job = collect(pipeline);
    assert_int_equal(job->outcome, PIX_OUTCOME_INTERRUPTED);
    assert_non_null(strstr(job->error.text, "killed from outside"));
    pix_pipeline_settle(pipeline, job);
    pix_pipeline_close(pipeline);
}

static bool no_memory_to_start;

/* In the place of libc's, which it calls. */
int posix_spawn(pid_t *child, const char *path, const posix_spawn_file_actions_t *files,
                const posix_spawnattr_t *attributes, char *const arguments[],
                char *const environment[]) {
    union {
        void *symbol;
        int (*call)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                    const posix_spawnattr_t *, char *const[], char *const[]);
    } next = {.symbol = dlsym(RTLD_NEXT, "posix_spawn")};
    return no_memory_to_start ? ENOMEM
                              : next.call(child, path, files, attributes, arguments, environment);
}

static void a_decoder_that_cannot_be_started_is_not_the_files_fault(void **state) {
    (void)state;
    char program[PATH_MAX];
    (void)snprintf(program, sizeof program, "%s", decoder_after("vanishes", ""));
    pix_pipeline *pipeline = open_pipeline(1, program);
    for (int i = 0; i < 2; i++) {
        no_memory_to_start = i == 0;
        if (i == 1)
            assert_int_equal(unlink(program), 0);
        submit(pipeline, copy("tiny-7x5.png", "unstarted.png", "unstarted"));
        pix_job *job = collect(pipeline);
        no_memory_to_start = false;
        assert_int_equal(job->outcome, PIX_OUTCOME_TROUBLE);
        assert_non_null(
            strstr(job->error.text, i == 0 ? "Cannot allocate memory" : "No such file"));
        pix_pipeline_settle(pipeline, job);
    }
    pix_pipeline_close(pipeline);
}

static void stopping_finishes_what_has_begun_and_cancels_the_rest(void **state) {
    (void)state;
    pix_pipeline *pipeline = open_pipeline(1, held_decoder());
    int count = 0, encoded = 0;
    for (; pix_pipeline_has_room(pipeline); count++) {
        char name[16];
        (void)snprintf(name, sizeof name, "s%d.png", count);
        submit(pipeline, copy("tiny-7x5.png", name, name));
    }
    assert_true(count > 2);
    wait_until_begun();
    pix_pipeline_stop(pipeline);
    let_go();
    for (int i = 0; i < count; i++) {
        pix_job *job = collect(pipeline);
        if (job->outcome == PIX_OUTCOME_ENCODED)
            encoded++;
        else
            assert_int_equal(job->outcome, PIX_OUTCOME_CANCELLED);
        pix_pipeline_settle(pipeline, job);
    }
    assert_int_equal(encoded, 1);
    pix_pipeline_close(pipeline);
}

static void stopping_does_not_wait_for_a_decoder_that_hangs(void **state) {
    (void)state;
    pix_pipeline *pipeline = open_pipeline(1, held_decoder());
    submit(pipeline, copy("tiny-7x5.png", "hanging.png", "hanging"));
    wait_until_begun();
    int64_t start = pix_now_ns();
    pix_pipeline_stop(pipeline);
    pix_job *job = collect(pipeline);
    assert_int_equal(job->outcome, PIX_OUTCOME_CANCELLED);
    assert_true(pix_now_ns() - start < INT64_C(40000000000)); /* a photo has 60 s */
    pix_pipeline_settle(pipeline, job);
    pix_pipeline_close(pipeline);
    let_go();
}

static void closing_drops_what_nobody_collected(void **state) {
    (void)state;
    pix_pipeline *pipeline = open_pipeline(2, decoder);
    for (int i = 0; pix_pipeline_has_room(pipeline); i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "d%d.png", i);
        submit(pipeline, copy("tiny-7x5.png", name, i % 3 ? name : "same"));
    }
    pix_pipeline_close(pipeline);
}

static void a_missing_decoder_is_an_error_before_any_photo(void **state) {
    (void)state;
    pix_pipeline_settings settings = {
        .model = model, .store = store, .recipe = recipe, .decoder = "/nonexistent/pixgrep-decode"};
    pix_pipeline *pipeline;
    assert_int_equal(pix_pipeline_open(&settings, &pipeline, &error), PIX_ENOTFOUND);
    assert_null(pipeline);
    assert_non_null(strstr(error.text, "/nonexistent/pixgrep-decode"));
}

int main(void) {
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)
    const struct CMUnitTest tests[] = {
        WITH_STORE(vectors_are_those_of_a_photo_encoded_alone),
        WITH_STORE(copies_at_the_same_time_are_encoded_once),
        WITH_STORE(stored_content_is_not_decoded_again),
        WITH_STORE(copies_of_a_broken_file_share_its_reason),
        WITH_STORE(what_cannot_be_opened_is_told_apart),
        WITH_STORE(a_file_that_changes_while_read_is_not_believed),
        WITH_STORE(copies_of_a_file_that_changed_are_tried_again),
        WITH_STORE(a_decoder_that_dies_once_is_not_the_files_fault),
        WITH_STORE(a_decoder_that_is_killed_is_not_the_files_fault),
        WITH_STORE(a_decoder_that_cannot_be_started_is_not_the_files_fault),
        WITH_STORE(stopping_finishes_what_has_begun_and_cancels_the_rest),
        WITH_STORE(stopping_does_not_wait_for_a_decoder_that_hangs),
        WITH_STORE(closing_drops_what_nobody_collected),
        WITH_STORE(a_missing_decoder_is_an_error_before_any_photo),
    };
#undef WITH_STORE
    return cmocka_run_group_tests(tests, open_all, close_all);
}
