#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/image/format.h"
#include "query/filter_values.h"
#include "tests/support.h"

static void times_are_spans_as_long_as_what_they_name(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"2023", "2023", "2024"},
        {"9999", "9999", ":"},
        {"0001", "0001", "0002"},
        {"2023-05", "2023-05", "2023-06"},
        {"2023-12", "2023-12", "2024-01"},
        {"2023-05-17", "2023-05-17", "2023-05-18"},
        {"2023-02-28", "2023-02-28", "2023-03-01"},
        {"2024-02-28", "2024-02-28", "2024-02-29"},
        {"2024-02-29", "2024-02-29", "2024-03-01"},
        {"2000-02-29", "2000-02-29", "2000-03-01"},
        {"2023-12-31", "2023-12-31", "2024-01-01"},
        {"9999-12-31", "9999-12-31", ":"},
        {"2023-05-17T13", "2023-05-17T13", "2023-05-17T14"},
        {"2023-05-17 23:59", "2023-05-17T23:59", "2023-05-18T00:00"},
        {"2023-12-31T23:59:59", "2023-12-31T23:59:59", "2024-01-01T00:00:00"},
        {"2023-05-17t13:45:09", "2023-05-17T13:45:09", "2023-05-17T13:45:10"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_span span;
        pix_error error;
        assert_ok(pix_span_parse(cases[i][0], &span, &error), &error);
        if (strcmp(span.first, cases[i][1]) != 0 || strcmp(span.after, cases[i][2]) != 0)
            fail_msg("%s is from %s to before %s", cases[i][0], span.first, span.after);
    }
}

static void what_is_no_time_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",           "0000",       "23",          "20230",          "2023-",
        "2023-5",     "2023-00",    "2023-13",     "2023-02-29",     "1900-02-29",
        "2023-04-31", "2023-05-1",  "2023-05-17T", "2023-05-17T24",  "2023-05-17T13:60",
        "2023/05/17", "17.05.2023", "yesterday",   "2023-05-17T13Z", "2023-05-17T13:45:10+02:00",
        "2023 ",      " 2023",      "-2023",       "2023'; DROP",    "2023-05-17T13:45:10:00",
        "２０２３"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_span span;
        pix_error error;
        if (pix_span_parse(cases[i], &span, &error) != PIX_EINVALID ||
            !strstr(error.text, cases[i]))
            fail_msg("'%s' was taken", cases[i]);
    }
}

static void sizes_are_sides_or_megapixels(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int32_t min_long, min_short;
        int64_t min_pixels;
    } good[] = {
        {"800", 0, 800, 0},          {"1920x1080", 1920, 1080, 0},    {"1080X1920", 1920, 1080, 0},
        {"500x500", 500, 500, 0},    {"12MP", 0, 0, 12000000},        {"0.3mp", 0, 0, 300000},
        {"12.5 Mp", 0, 0, 12500000}, {"2147483647", 0, INT32_MAX, 0}, {"1", 0, 1, 0}};
    static const char *const bad[] = {
        "",           "0",           "x",       "1920x", "x1080",       "-5",
        "+5",         "12M",         "MP",      "-1MP",  "1e3MP",       "infMP",
        "nanMP",      "0x10",        "0x10x20", "12MPx", "1 0",         "800px",
        "2147483648", "1920x1080x3", "1,5MP",   "..MP",  "1920 x 1080", "99999999999999999999"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        pix_filter f = {.min_long = 7, .min_short = 7, .min_pixels = 7};
        pix_error error;
        assert_ok(pix_size_parse(good[i].text, &f, &error), &error);
        if (good[i].min_long != 0 ? f.min_long != good[i].min_long : f.min_long > f.min_short)
            fail_msg("%s: a long side of %d", good[i].text, f.min_long);
        if (f.min_short != good[i].min_short || f.min_pixels != good[i].min_pixels)
            fail_msg("%s: %d, %lld", good[i].text, f.min_short, (long long)f.min_pixels);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pix_filter f = {0};
        pix_error error;
        if (pix_size_parse(bad[i], &f, &error) != PIX_EINVALID)
            fail_msg("'%s' was taken", bad[i]);
    }
}

static void places_are_two_angles_and_a_distance(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double latitude, longitude, km;
    } good[] = {{"48.86,2.35,10", 48.86, 2.35, 10},
                {"-33.9, 151.2, 0.5", -33.9, 151.2, 0.5},
                {"90,-180,20038", 90, -180, 20038},
                {"+0,-0,0", 0, 0, 0},
                {" 1 , 2 , 3 ", 1, 2, 3}};
    static const char *const bad[] = {
        "",        ",,",      "1,2",       "1,2,",    "1,2,3,4",   "91,0,1",  "-90.1,0,1",
        "0,181,1", "0,0,-1",  "0,0,20039", "nan,0,1", "0,inf,1",   "1e1,0,1", "0x1,0,1",
        "1;2;3",   "1,2,3km", "1.2.3,0,1", "--1,0,1", "N48,E2,10", "1,2,3'",  "1 1,2,3"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        pix_filter f = {0};
        pix_error error;
        assert_ok(pix_place_parse(good[i].text, &f, &error), &error);
        assert_true(f.has_place && f.latitude == good[i].latitude &&
                    f.longitude == good[i].longitude && f.radius_km == good[i].km);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pix_filter f = {0};
        pix_error error;
        if (pix_place_parse(bad[i], &f, &error) != PIX_EINVALID || f.has_place)
            fail_msg("'%s' was taken", bad[i]);
    }
}

static void orientations_add_up(void **state) {
    (void)state;
    unsigned orientations = 0;
    pix_error error;
    assert_ok(pix_orientation_parse("Landscape", &orientations, &error), &error);
    assert_int_equal(orientations, PIX_LANDSCAPE);
    assert_ok(pix_orientation_parse("square,portrait", &orientations, &error), &error);
    assert_int_equal(orientations, PIX_LANDSCAPE | PIX_PORTRAIT | PIX_SQUARE);
    assert_int_equal(pix_orientation_parse("square,", &orientations, &error), PIX_EINVALID);
    assert_int_equal(pix_orientation_parse("squar", &orientations, &error), PIX_EINVALID);
}

static void every_format_of_the_index_is_a_type(void **state) {
    (void)state;
    for (pix_format format = PIX_FORMAT_JPEG; format <= PIX_FORMAT_RAW; format++) {
        const char *formats[PIX_MOST_FORMATS];
        size_t count = 0;
        pix_error error;
        assert_ok(pix_formats_parse(pix_format_name(format), formats, &count, &error), &error);
        assert_int_equal(count, 1);
        assert_string_equal(formats[0], pix_format_name(format));
    }
}

static void types_have_the_names_people_use(void **state) {
    (void)state;
    const char *formats[PIX_MOST_FORMATS];
    size_t count = 0;
    pix_error error;
    assert_ok(pix_formats_parse("JPG,heif,jpeg,Tif", formats, &count, &error), &error);
    assert_ok(pix_formats_parse("jpg", formats, &count, &error), &error);
    assert_int_equal(count, 3);
    assert_string_equal(formats[0], "jpeg");
    assert_string_equal(formats[1], "heic");
    assert_string_equal(formats[2], "tiff");
    assert_ok(pix_formats_parse("jpg,png,heic,avif,webp,raw,tiff,gif,bmp,jp2,jxl,pnm", formats,
                                &count, &error),
              &error);
    assert_int_equal(count, PIX_MOST_FORMATS);
    static const char *const bad[] = {"", "jp", "jpeg,", ",jpeg", "doc", "jpeg png", "jpeg' OR 1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        count = 0;
        if (pix_formats_parse(bad[i], formats, &count, &error) != PIX_EINVALID ||
            !strstr(error.text, "jpeg, jpg, png, heic"))
            fail_msg("'%s': %s", bad[i], error.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_spans_as_long_as_what_they_name),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(sizes_are_sides_or_megapixels),
        cmocka_unit_test(places_are_two_angles_and_a_distance),
        cmocka_unit_test(orientations_add_up),
        cmocka_unit_test(every_format_of_the_index_is_a_type),
        cmocka_unit_test(types_have_the_names_people_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
