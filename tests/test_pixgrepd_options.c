#include <stdio.h>
#include <string.h>

#include "indexer/format.h"
#include "indexer/options.h"
#include "indexer/progress.h"
#include "tests/support.h"

enum { MOST = 12 };

static pix_options options;
static pix_error error;

/* Parses "pixgrepd WORDS", split at spaces. */
static pix_status parse(const char *words) {
    static char text[256];
    char *argv[MOST + 1] = {"pixgrepd"}, *save = NULL;
    int argc = 1;
    assert_true(strlen(words) < sizeof text);
    memcpy(text, words, strlen(words) + 1);
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        assert_true(argc < MOST);
        argv[argc++] = word;
    }
    pix_options_free(&options);
    return pix_options_parse(argc, argv, &options, &error);
}

static void index_takes_its_options_in_any_place(void **state) {
    (void)state;
    assert_ok(parse("--db=x index a --exclude p --follow b --threads 3 --exclude=q"), &error);
    assert_int_equal(options.command, PIX_COMMAND_INDEX);
    assert_string_equal(options.db, "x");
    assert_int_equal(options.operand_count, 2);
    assert_string_equal(options.operands[1], "b");
    assert_int_equal(options.exclude_count, 2);
    assert_string_equal(options.excludes[1], "q");
    assert_int_equal(options.threads, 3);
    assert_true(options.follow);
    assert_false(options.exact);
}

static void times_have_units(void **state) {
    (void)state;
    const struct {
        const char *text;
        int64_t seconds;
    } times[] = {{"90", 90}, {"90s", 90}, {"45m", 2700}, {"2h", 7200}, {"1d", 86400}};
    char words[64];
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        (void)snprintf(words, sizeof words, "index --time-limit %s", times[i].text);
        assert_ok(parse(words), &error);
        assert_int_equal(options.time_limit_s, times[i].seconds);
    }
    const char *wrong[] = {
        "0", "s", "-1s", "1.5h", "2w", "3651d", "99999999999999999999999999999h"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        (void)snprintf(words, sizeof words, "index --time-limit %s", wrong[i]);
        assert_int_equal(parse(words), PIX_EINVALID);
        assert_non_null(strstr(error.text, wrong[i]));
    }
}

static void patterns_are_compared_without_slashes_at_their_ends(void **state) {
    (void)state;
    assert_ok(parse("index --exclude photos/ --exclude=./a/b// --exclude .//./c --exclude /d/ "
                    "--exclude .*"),
              &error);
    const char *patterns[] = {"photos", "a/b", "c", "/d", ".*"};
    assert_int_equal(options.exclude_count, 5);
    for (size_t i = 0; i < options.exclude_count; i++)
        assert_string_equal(options.excludes[i], patterns[i]);
}

static void two_dashes_end_the_options(void **state) {
    (void)state;
    assert_ok(parse("index -- --follow -x"), &error);
    assert_int_equal(options.operand_count, 2);
    assert_string_equal(options.operands[0], "--follow");
    assert_false(options.follow);
}

static void model_commands_have_two_words(void **state) {
    (void)state;
    assert_ok(parse("model import file --gelu exact --json"), &error);
    assert_string_equal(options.gelu, "exact");
    assert_true(options.json);
    assert_ok(parse("model import file --vocab v --name n --no-use"), &error);
    assert_int_equal(options.command, PIX_COMMAND_MODEL_IMPORT);
    assert_string_equal(options.vocabulary, "v");
    assert_string_equal(options.name, "n");
    assert_true(options.no_use);
    assert_ok(parse("model verify"), &error);
    assert_ok(parse("model verify a --no-source"), &error);
    assert_true(options.no_source);
    assert_ok(parse("model list --json"), &error);
    assert_true(options.json);
    assert_ok(parse("model --help"), &error);
    assert_true(options.help);
    assert_int_equal(options.command, PIX_COMMAND_MODEL);
}

static void a_wrong_command_line_names_the_bad_word(void **state) {
    (void)state;
    const char *cases[][2] = {
        {"", "no command given"},
        {"frobnicate", "unknown command 'frobnicate'"},
        {"--frob", "unknown option '--frob'"},
        {"index --frob", "unknown option '--frob'"},
        {"index -x", "unknown option '-x'"},
        {"index --fol", "unknown option '--fol'"},
        {"index --follow=yes", "no value is allowed in '--follow=yes'"},
        {"index --db", "a value is missing after '--db'"},
        {"index --json", "not an option of this command: '--json'"},
        {"--json index", "not an option of this command: '--json'"},
        {"index --exclude=", "--exclude wants a pattern, not ''"},
        {"index --exclude //", "--exclude wants a pattern, not '//'"},
        {"index --threads 0", "not '0'"},
        {"index --threads 2x", "not '2x'"},
        {"index --precision int4", "--precision can be fp32 or int8, not 'int4'"},
        {"model import --precision FP32 x", "--precision can be fp32 or int8, not 'FP32'"},
        {"status extra", "unexpected argument 'extra'"},
        {"forget", "missing 'DIR'"},
        {"forget a b", "unexpected argument 'b'"},
        {"model", "no model command given"},
        {"model frob", "unknown model command 'frob'"},
        {"model use", "missing 'NAME'"},
        {"model import", "missing 'PATH'"},
        {"model import a --gelu tanh", "--gelu can be exact or quick, not 'tanh'"},
        {"model use a --gelu exact", "not an option of this command: '--gelu'"},
        {"model import a --no-use --output b", "as it is without '--no-use'"},
        {"model --db x", "no model command given"},
        {"model list --db x", "not an option of this command: '--db'"},
        {"model use a --json", "not an option of this command: '--json'"},
        {"model list --no-source", "not an option of this command: '--no-source'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(cases[i][0]), PIX_EINVALID);
        if (!strstr(error.text, cases[i][1]))
            fail_msg("pixgrepd %s: '%s' lacks '%s'", cases[i][0], error.text, cases[i][1]);
        assert_non_null(strstr(error.text, "--help"));
    }
}

static void every_command_has_help(void **state) {
    (void)state;
    for (int command = PIX_COMMAND_NONE; command <= PIX_COMMAND_MODEL; command++)
        assert_memory_equal(pix_options_help((pix_command)command), "usage: pixgrepd", 15);
    assert_ok(parse("forget --help"), &error);
    assert_true(options.help);
    assert_ok(parse("--version"), &error);
    assert_true(options.version);
}

static void numbers_read_well(void **state) {
    (void)state;
    assert_string_equal(pix_text_count(1234567), "1,234,567");
    assert_string_equal(pix_text_size(1023), "1023 bytes");
    assert_string_equal(pix_text_size(1536), "1.5 KiB");
    assert_string_equal(pix_text_duration(3.24), "3.2 s");
    assert_string_equal(pix_text_duration(59.96), "1 min 00 s");
    assert_string_equal(pix_text_duration(245), "4 min 05 s");
    assert_string_equal(pix_text_duration(7800), "2 h 10 min");
    assert_string_equal(pix_text_time(0), "never");
}

static void the_time_left_follows_the_last_ten_seconds(void **state) {
    (void)state;
    pix_pace pace = {0};
    char line[160];
    pix_progress_state progress = {.done = 0, .total = 1000};
    pix_pace_add(&pace, 0, 0);
    pix_progress_line(&pace, &progress, line, sizeof line);
    assert_string_equal(line, "0 of 1,000 or more, 0.0 photos/s");
    /* a fast start, which must not count for long: then 5 photos a second, five samples each */
    int64_t now = 0, done = 900;
    for (int i = 0; i < 60; i++)
        pix_pace_add(&pace, now += 200000000, ++done);
    progress = (pix_progress_state){.done = done, .total = 1000, .total_known = true, .failed = 2};
    pix_progress_line(&pace, &progress, line, sizeof line);
    assert_string_equal(line, "960 of 1,000, 5.0 photos/s, 8.0 s left, 2 failed");
}

static void a_share_tells_the_time_left_once_the_pace_is_known(void **state) {
    (void)state;
    pix_pace pace = {0};
    char line[160];
    pix_pace_add(&pace, 0, 0);
    pix_progress_share_line(&pace, "importing", 0, line, sizeof line);
    assert_string_equal(line, "importing: 0 %");
    pix_pace_add(&pace, 2000000000, 250000);
    pix_progress_share_line(&pace, "importing", 0.25, line, sizeof line);
    assert_string_equal(line, "importing: 25 %, 6.0 s left");
    pix_progress_share_line(&pace, "importing", 1, line, sizeof line);
    assert_string_equal(line, "importing: 100 %");
}

static int release(void **state) {
    (void)state;
    pix_options_free(&options);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_takes_its_options_in_any_place),
        cmocka_unit_test(times_have_units),
        cmocka_unit_test(patterns_are_compared_without_slashes_at_their_ends),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(model_commands_have_two_words),
        cmocka_unit_test(a_wrong_command_line_names_the_bad_word),
        cmocka_unit_test(every_command_has_help),
        cmocka_unit_test(numbers_read_well),
        cmocka_unit_test(the_time_left_follows_the_last_ten_seconds),
        cmocka_unit_test(a_share_tells_the_time_left_once_the_pace_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
