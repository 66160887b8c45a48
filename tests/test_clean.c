#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/base/files.h"
#include "core/text/clean.h"

typedef pix_status cleaner(const char *text, size_t size, pix_bytes *out);

static void check(cleaner *clean, const char *name, const char *text, size_t size, const char *want,
                  size_t want_size) {
    pix_bytes got = {0};
    assert_int_equal(clean(text, size, &got), PIX_OK);
    if (got.size != want_size || memcmp(got.data, want, want_size) != 0)
        fail_msg("%s(\"%.*s\") is \"%.*s\", not \"%.*s\"", name, (int)size, text, (int)got.size,
                 got.data, (int)want_size, want);
    pix_bytes_free(&got);
}

#define fixes_to(text, want)                                                                       \
    check(pix_fix_text, "pix_fix_text", text, sizeof(text) - 1, want, sizeof(want) - 1)
#define cleans_to(text, want)                                                                      \
    check(pix_clean, "pix_clean", text, sizeof(text) - 1, want, sizeof(want) - 1)

static void check_file(const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t room = 0, lines = 0, wrong = 0;
    for (ssize_t size; (size = getline(&line, &room, file)) > 0; lines++) {
        json_t *object = json_loadb(line, (size_t)size, JSON_ALLOW_NUL, NULL);
        assert_non_null(object);
        const json_t *text = json_object_get(object, "text");
        const json_t *clean = json_object_get(object, "clean");
        const json_t *fixed = json_object_get(object, "fixed");
        if (!fixed)
            fixed = text;
        pix_bytes got_fixed = {0}, got_clean = {0};
        const char *bytes = json_string_value(text);
        assert_int_equal(pix_fix_text(bytes, json_string_length(text), &got_fixed), PIX_OK);
        assert_int_equal(pix_clean(bytes, json_string_length(text), &got_clean), PIX_OK);
        if (got_fixed.size != json_string_length(fixed) ||
            memcmp(got_fixed.data, json_string_value(fixed), got_fixed.size) != 0 ||
            got_clean.size != json_string_length(clean) ||
            memcmp(got_clean.data, json_string_value(clean), got_clean.size) != 0) {
            print_error(
                "line %zu: \"%s\": fixed \"%s\" (want \"%s\"), clean \"%s\" (want \"%s\")\n", lines,
                bytes, got_fixed.data, json_string_value(fixed), got_clean.data,
                json_string_value(clean));
            wrong++;
        }
        pix_bytes_free(&got_fixed);
        pix_bytes_free(&got_clean);
        json_decref(object);
    }
    free(line);
    assert_int_equal(fclose(file), 0);
    print_message("%s: %zu of %zu lines equal\n", path, lines - wrong, lines);
    assert_true(lines > 0);
    assert_int_equal(wrong, 0);
}

static void golden_lines_are_fixed_and_cleaned_as_the_reference_did(void **state) {
    (void)state;
    check_file(test_golden("tokenizer/tokens.jsonl"));
}

static void reference_lines_are_fixed_and_cleaned_as_the_reference_did(void **state) {
    (void)state;
    const char *path = test_reference("tokenizer/tokens.jsonl");
    if (!test_exists(path))
        test_skip("the reference data is not here");
    check_file(path);
}

static void mojibake_is_decoded_again(void **state) {
    (void)state;
    fixes_to("schÃ¶n", "schön");
    fixes_to("âœ” No problems", "✔ No problems");
    fixes_to("voilÃ  le travail", "voilà le travail");
    fixes_to("l’humanitÃ©", "l'humanité");
    fixes_to("Ð\xC2\x9F"
             "Ñ\xC2\x80"
             "Ð¸Ð²ÐµÑ\xC2\x82",
             "Привет");
    fixes_to("РџСЂРёРІРµС‚", "Привет");
    /* twice over */
    fixes_to("ÃƒÂ©tÃƒÂ©", "été");
    /* embedded in text that was never broken */
    fixes_to("東京 â€” Â© 2020", "東京 — © 2020");
}

static void text_that_only_looks_odd_is_left_alone(void **state) {
    (void)state;
    fixes_to("AHÅ™, the new sofa from IKEA®", "AHÅ™, the new sofa from IKEA®");
    fixes_to("not such a fan of Charlotte Brontë…", "not such a fan of Charlotte Brontë…");
    fixes_to("SÃO PAULO", "SÃO PAULO");
    fixes_to("¯\\_(ツ)_/¯", "¯\\_(ツ)_/¯");
}

static void lost_bytes_become_replacement_characters(void **state) {
    (void)state;
    fixes_to("â€œlike thisâ€\uFFFD", "\"like this\uFFFD");
    fixes_to("l\u00E2\u20AC\uFFFDinstant et l'\u00C3\u00A9t\u00C3\u00A9",
             "l\uFFFDinstant et l'été");
}

static void spaces_that_were_a0_are_restored(void **state) {
    (void)state;
    fixes_to("Ã la mode, dÃ©jÃ vu", "à la mode, déjà vu");
    fixes_to("Ã s vezes Ã©", "às vezes é");
    fixes_to("Ã quele sÃ©culo", "àquele século");
}

static void variants_of_utf_8_are_read(void **state) {
    (void)state;
    /* CESU-8: a pair of surrogates, three bytes each */
    fixes_to("\u00ED\u00A0\u00BD\u00ED\u00B8\xC2\x8D", "\U0001F60D");
    /* Java's NUL, which is then removed as a control */
    fixes_to("\u00C3\u00A9 \u00C0\xC2\x80"
             "x",
             "é x");
    /* the codec takes a newline at the very end for the last byte */
    fixes_to("\u00C3\u00A9 \u00C0\n", "é ");
    fixes_to("\u00C3\u00A9 \u00ED\u00A0\u00BD\u00ED\u00B8\n", "é \U0001F60A");
}

static void c1_controls_are_windows_1252(void **state) {
    (void)state;
    fixes_to("bar\xC2\x85"
             " \xC2\x93"
             "quoted\xC2\x94",
             "bar… \"quoted\"");
    fixes_to("a\xC2\x81"
             "b",
             "a\xC2\x81"
             "b");
}

static void quotes_ligatures_and_widths_are_simplified(void **state) {
    (void)state;
    fixes_to("“a” ‘b’ ‛c„ \u02BCd", "\"a\" 'b' 'c\" 'd");
    fixes_to("ﬂuﬃest ĳ ŉ ǅ ﬅ", "fluffiest ij 'n Dž ſt");
    fixes_to("ＬＯＵＤ　ＮＯＩＳＥＳ", "LOUD NOISES");
    fixes_to("Ｕﾀｰﾝ ｶﾞ", "Uターン ガ");
}

static void line_breaks_and_controls_go(void **state) {
    (void)state;
    fixes_to("a\r\nb\rc\u2028d\u2029e", "a\nb\nc\nd\ne");
    fixes_to("\x1B[36;44mblue\x1B[0m", "blue");
    fixes_to("\x1B[1;\u0663mred\x1B[", "red[");
    fixes_to("a\0b\x07"
             "c\x7F\uFEFF\uFFFC\u206A",
             "abc");
    fixes_to("a\tb\fc\u200D\u2060", "a\tb\fc\u200D\u2060");
}

static void every_line_is_fixed_for_itself(void **state) {
    (void)state;
    /* alone in its line, one sequence is enough evidence; a letter beside it decides otherwise */
    fixes_to("Ã©\nÃ©€\n", "é\né€\n");
    fixes_to("schÃ¶n\nAHÅ™\nschön", "schön\nAHÅ™\nschön");
}

static void references_are_kept_from_the_first_tag_on(void **state) {
    (void)state;
    fixes_to("&eacute;&EACUTE;&nGt;&HilbertSpace;", "éÉ≫⃒ℋ");
    fixes_to("&amp;amp;lt;", "<");
    fixes_to("&lt;b&gt;\n<b>&lt;\n&lt;", "<b>\n<b>&lt;\n&lt;");
    /* without a semicolon, or one that is its own character: only the later rounds read these */
    fixes_to("this&not that &eacute &#59; &#x3b;", "this&not that &eacute &#59; &#x3b;");
    fixes_to("&#233;&#xe9;&#X00E9;&#128;&#0;&#xD800;&#x110000;&#1;&#xFFFF;",
             "ééé€\uFFFD\uFFFD\uFFFD");
    fixes_to("&#99999999999999999999999; &#999999999999999999999999;", "\uFFFD \uFFFD");
    fixes_to("&#9999999999999999999999999;", "&#9999999999999999999999999;");
}

static void the_text_is_normalised(void **state) {
    (void)state;
    fixes_to("e\u0301 A\u030A \u1112\u1161\u11AB", "é Å 한");
    fixes_to("a\u0316\u0301 a\u0301\u0316", "á\u0316 á\u0316");
    fixes_to("\u0958 \u212B", "\u0915\u093C Å");
    /* Unicode 14 does not know U+10EFD, a mark of Unicode 15: it neither moves nor is passed */
    fixes_to("a\U00010EFD\u0301", "a\U00010EFD\u0301");
}

static void marks_in_any_number_are_sorted(void **state) {
    (void)state;
    enum { MARKS = 200000 };
    pix_bytes text = {0}, want = {0}, got = {0};
    assert_int_equal(pix_bytes_append_text(&text, "x"), PIX_OK);
    assert_int_equal(pix_bytes_append_text(&want, "x"), PIX_OK);
    for (int i = 0; i < MARKS; i++) {
        assert_int_equal(pix_bytes_append_text(&text, "\u0301\u0316"), PIX_OK);
        assert_int_equal(pix_bytes_append_text(&want, "\u0316"), PIX_OK);
    }
    for (int i = 0; i < MARKS; i++)
        assert_int_equal(pix_bytes_append_text(&want, "\u0301"), PIX_OK);
    assert_int_equal(pix_fix_text(text.data, text.size, &got), PIX_OK);
    assert_int_equal(got.size, want.size);
    assert_memory_equal(got.data, want.data, want.size);
    pix_bytes_free(&text);
    pix_bytes_free(&want);
    pix_bytes_free(&got);
}

/* Every pass over such a text finds one more thing to do. */
static void nested_references_take_bounded_time(void **state) {
    (void)state;
    enum { LEVELS = 300000 };
    pix_bytes text = {0}, got = {0};
    assert_int_equal(pix_bytes_append_text(&text, "&"), PIX_OK);
    for (int i = 0; i < LEVELS; i++)
        assert_int_equal(pix_bytes_append_text(&text, "amp;"), PIX_OK);
    assert_int_equal(pix_fix_text(text.data, text.size, &got), PIX_OK);
    assert_true(got.size < text.size && got.size > 0 && got.data[0] == '&');
    pix_bytes_free(&got);
    /* a depth that no honest text has is still resolved in full */
    text.data[4 * 2000 + 1] = '\0';
    assert_int_equal(pix_fix_text(text.data, 4 * 2000 + 1, &got), PIX_OK);
    assert_string_equal(got.data, "&");
    pix_bytes_free(&text);
    pix_bytes_free(&got);
}

static void references_are_unescaped_twice_more(void **state) {
    (void)state;
    cleans_to("<b>&amp;lt;&#38;gt;</b>", "<b><></b>");
    cleans_to("<&notit;&ampx&eacute1&Eacute;&zzz;", "<¬it;&xé1é&zzz;");
    cleans_to("<&#x80;&#150&#13;&#9;&#55296;&#11;", "<€– \uFFFD");
    cleans_to("<&CounterClockwiseContourIntegral;&CounterClockwiseContourIntegral",
              "<∳&counterclockwisecontourintegral");
    cleans_to("Ben &AMP; Jerry &COPY 2020 &nbsp; x", "ben & jerry © 2020 x");
}

static void white_space_is_folded(void **state) {
    (void)state;
    cleans_to(" \t a\n\n b\u00A0\u2003\u3000c\u1680 ", "a b c");
    cleans_to("a\rb\r\n\fc", "a b c");
    cleans_to("", "");
    cleans_to(" \n", "");
    /* no white space */
    cleans_to("a\u200Bb\u180Ec\u2060", "a\u200Bb\u180Ec\u2060");
    /* the fold does not see U+001C to U+001F; a tag keeps the fix from removing the reference */
    cleans_to("<&#x1C;a", "<a");
}

static void letters_are_lowered_as_python_does(void **state) {
    (void)state;
    cleans_to("ÉCOLE Ǆ ẞ ΐ K Å", "école dž ß ΐ k å");
    cleans_to("\u0130stanbul", "i\u0307stanbul");
    cleans_to("ΟΔΥΣΣΕΥΣ ΣΑΣ. Σ", "οδυσσευς σας. σ");
    /* what can stand between does not count: an apostrophe, a soft hyphen, marks */
    cleans_to("Α'Σ Α\u00ADΣ\u0301 ΑΣ'Β ΑΣ.Β ΑΣ:", "α'ς α\u00ADς\u0301 ασ'β α\u03C3.β ας:");
    cleans_to("1Σ2 ΣA", "1σ2 σa");
    /* Deseret and Adlam; Vithkuqi came with Unicode 14 */
    cleans_to("\U00010400\U0001E900\U00010570", "\U00010428\U0001E922\U00010597");
}

static void bytes_that_are_not_utf_8_are_replaced(void **state) {
    (void)state;
    fixes_to("a\xFF"
             "b\xE2\x82"
             "c\xC0\x80\xED\xA0\x80\xF0\x9F\x98",
             "a\uFFFDb\uFFFDc\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD");
    cleans_to("\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD");
}

static void appending_keeps_what_is_there(void **state) {
    (void)state;
    pix_bytes out = {0};
    assert_int_equal(pix_clean("A", 1, &out), PIX_OK);
    assert_int_equal(pix_clean(" B ", 3, &out), PIX_OK);
    assert_int_equal(pix_clean("É", 2, &out), PIX_OK);
    assert_int_equal(pix_fix_text("&lt;C", 5, &out), PIX_OK);
    assert_string_equal(out.data, "abé<C");
    pix_bytes_free(&out);
}

/* A segment is at most a million code points; the one that follows is fixed by itself. */
static void long_lines_are_cut_into_segments(void **state) {
    (void)state;
    enum { SEGMENT = 1000000 };
    pix_bytes text = {0}, got = {0};
    for (int i = 0; i < SEGMENT - 1; i++)
        assert_int_equal(pix_bytes_append(&text, "x", 1), PIX_OK);
    assert_int_equal(pix_bytes_append_text(&text, "Ã©"), PIX_OK);
    assert_int_equal(pix_fix_text(text.data, text.size, &got), PIX_OK);
    assert_int_equal(got.size, text.size);
    assert_memory_equal(got.data, text.data, text.size);
    pix_bytes_clear(&got);
    assert_int_equal(pix_fix_text(text.data + 1, text.size - 1, &got), PIX_OK);
    assert_int_equal(got.size, SEGMENT - 2 + 2);
    assert_string_equal(got.data + SEGMENT - 2, "é");
    pix_bytes_free(&text);
    pix_bytes_free(&got);
}

static uint32_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (uint32_t)(*state >> 33);
}

/* Bytes, and pieces that steer the text into every step. */
static void make_noise(uint64_t *random, pix_bytes *text) {
    static const char *const pieces[] = {
        "Ã", "Â ",     "â€",           "&amp;",     "&#x", "&NTILDE;", "\x1B[3", "\r\n",     "<",
        "Σ", "\u0301", "í\u00A0",      "À",         "ﬃ",   "\uFFFD",   "œ",      "\xC2\x85", "ｶﾞ",
        " ", "\u0130", "\u1100\u1161", "ð\xC2\x9F", "РІ",  "β€",
    };
    size_t count = next_random(random) % 24;
    pix_bytes_clear(text);
    for (size_t i = 0; i < count; i++) {
        const char *piece = pieces[next_random(random) % (sizeof pieces / sizeof *pieces)];
        char byte = (char)next_random(random);
        if (next_random(random) % 2 == 0)
            assert_int_equal(pix_bytes_append_text(text, piece), PIX_OK);
        else
            assert_int_equal(pix_bytes_append(text, &byte, 1), PIX_OK);
    }
}

static void any_bytes_give_utf_8_and_the_same_again(void **state) {
    (void)state;
    uint64_t random = 2024;
    pix_bytes text = {0};
    for (int i = 0; i < 20000; i++) {
        make_noise(&random, &text);
        pix_bytes fixed = {0}, clean = {0}, again = {0};
        assert_int_equal(pix_fix_text(text.data, text.size, &fixed), PIX_OK);
        assert_int_equal(pix_clean(text.data, text.size, &clean), PIX_OK);
        assert_int_equal(pix_clean(text.data, text.size, &again), PIX_OK);
        assert_true(pix_is_utf8(fixed.data, fixed.size));
        assert_true(pix_is_utf8(clean.data, clean.size));
        assert_int_equal(clean.size, again.size);
        assert_true(clean.size == 0 || memcmp(clean.data, again.data, clean.size) == 0);
        pix_bytes_free(&fixed);
        pix_bytes_free(&clean);
        pix_bytes_free(&again);
    }
    pix_bytes_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_lines_are_fixed_and_cleaned_as_the_reference_did),
        cmocka_unit_test(reference_lines_are_fixed_and_cleaned_as_the_reference_did),
        cmocka_unit_test(mojibake_is_decoded_again),
        cmocka_unit_test(text_that_only_looks_odd_is_left_alone),
        cmocka_unit_test(lost_bytes_become_replacement_characters),
        cmocka_unit_test(spaces_that_were_a0_are_restored),
        cmocka_unit_test(variants_of_utf_8_are_read),
        cmocka_unit_test(c1_controls_are_windows_1252),
        cmocka_unit_test(quotes_ligatures_and_widths_are_simplified),
        cmocka_unit_test(line_breaks_and_controls_go),
        cmocka_unit_test(every_line_is_fixed_for_itself),
        cmocka_unit_test(references_are_kept_from_the_first_tag_on),
        cmocka_unit_test(the_text_is_normalised),
        cmocka_unit_test(marks_in_any_number_are_sorted),
        cmocka_unit_test(nested_references_take_bounded_time),
        cmocka_unit_test(references_are_unescaped_twice_more),
        cmocka_unit_test(white_space_is_folded),
        cmocka_unit_test(letters_are_lowered_as_python_does),
        cmocka_unit_test(bytes_that_are_not_utf_8_are_replaced),
        cmocka_unit_test(appending_keeps_what_is_there),
        cmocka_unit_test(long_lines_are_cut_into_segments),
        cmocka_unit_test(any_bytes_give_utf_8_and_the_same_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
