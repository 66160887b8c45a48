#include "tests/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/weights/convert.h"
#include "core/weights/safetensors.h"
#include "tests/archives.h"

/* A header and `size` bytes of data that count up from 0. */
static pix_bytes file_of(const char *header, size_t size) {
    pix_bytes file = {0};
    put_number(&file, strlen(header), 8);
    put_opcodes(&file, header);
    for (size_t i = 0; i < size; i++)
        put_number(&file, i, 1);
    return file;
}

/* Reads a copy in a block of its own, so that a sanitizer sees every byte read beyond it. */
static pix_status read_it(const pix_bytes *file, pix_tensors *tensors, pix_error *error) {
    static uint8_t *copy;
    free(copy);
    copy = malloc(file->size + !file->size);
    if (file->size > 0)
        memcpy(copy, file->data, file->size);
    *tensors = (pix_tensors){0};
    return pix_safetensors_read(copy, file->size, tensors, error);
}

static void check_refused(pix_bytes file, pix_status status, const char *text) {
    pix_tensors tensors;
    pix_error error = {0};
    assert_int_equal(read_it(&file, &tensors, &error), status);
    if (!strstr(error.text, text))
        fail_msg("\"%s\" does not say \"%s\"", error.text, text);
    pix_tensors_free(&tensors);
    pix_bytes_free(&file);
}

static void assert_refused(const char *header, size_t size, pix_status status, const char *text) {
    check_refused(file_of(header, size), status, text);
}

static void every_type_is_read(void **state) {
    (void)state;
    /* Values that every type holds, unaligned: each begins at an odd byte. */
    static const struct {
        const char *dtype;
        int width;
        uint64_t two, three;
    } types[] = {
        {"F64", 8, 0x4000000000000000, 0x4008000000000000},
        {"F32", 4, 0x40000000, 0x40400000},
        {"F16", 2, 0x4000, 0x4200},
        {"BF16", 2, 0x4000, 0x4040},
        {"I64", 8, 2, 3},
        {"I32", 4, 2, 3},
        {"I16", 2, 2, 3},
        {"I8", 1, 2, 3},
        {"U8", 1, 2, 3},
        {"U16", 2, 2, 3},
        {"U32", 4, 2, 3},
        {"U64", 8, 2, 3},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char header[200];
        int end = 1 + 2 * types[i].width;
        (void)snprintf(header, sizeof header,
                       "{\"pad\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]},"
                       "\"x\":{\"dtype\":\"%s\",\"shape\":[2],\"data_offsets\":[1,%d]}}",
                       types[i].dtype, end);
        pix_bytes file = file_of(header, 1);
        set_number(&file, file.size - 1, 9, 1);
        put_number(&file, types[i].two, types[i].width);
        put_number(&file, types[i].three, types[i].width);
        pix_tensors tensors;
        pix_error error;
        float values[2];
        assert_ok(read_it(&file, &tensors, &error), &error);
        assert_int_equal(tensors.count, 2);
        assert_ok(pix_tensors_sort(&tensors, &error), &error);
        const pix_tensor *x = pix_tensors_find(&tensors, "x");
        assert_non_null(x);
        assert_string_equal(x->info.dtype, types[i].dtype);
        pix_tensor_convert(x, values);
        assert_true(values[0] == 2 && values[1] == 3);
        pix_tensor_convert(pix_tensors_find(&tensors, "pad"), values);
        assert_true(values[0] == 1); /* any BOOL but 0 */
        pix_tensors_free(&tensors);
        pix_bytes_free(&file);
    }
}

static void signed_values_keep_their_sign(void **state) {
    (void)state;
    pix_bytes file = file_of("{\"a\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                             "\"b\":{\"dtype\":\"I16\",\"shape\":[1],\"data_offsets\":[1,3]},"
                             "\"c\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[3,7]},"
                             "\"d\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[7,15]}}",
                             0);
    put_number(&file, UINT64_MAX, 8); /* -1 in all of them */
    put_number(&file, UINT64_MAX, 7);
    pix_tensors tensors;
    pix_error error;
    assert_ok(read_it(&file, &tensors, &error), &error);
    for (size_t i = 0; i < 4; i++) {
        float value;
        pix_tensor_convert(&tensors.items[i], &value);
        assert_true(value == -1);
    }
    pix_tensors_free(&tensors);
    pix_bytes_free(&file);
}

static void scalars_empty_tensors_metadata_and_padding_are_legal(void **state) {
    (void)state;
    pix_bytes file = file_of(
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"scalar\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},"
        "\"empty\":{\"dtype\":\"F16\",\"shape\":[3,0,4294967296],\"data_offsets\":[1,1]}}   ",
        1);
    pix_tensors tensors;
    pix_error error;
    assert_ok(read_it(&file, &tensors, &error), &error);
    assert_int_equal(tensors.count, 2);
    assert_ok(pix_tensors_sort(&tensors, &error), &error);
    assert_int_equal(pix_tensors_find(&tensors, "scalar")->info.rank, 0);
    float untouched = 5;
    pix_tensor_convert(pix_tensors_find(&tensors, "empty"), &untouched);
    assert_true(untouched == 5);
    pix_tensors_free(&tensors);
    pix_bytes_free(&file);
}

static void a_file_cut_anywhere_is_truncated(void **state) {
    (void)state;
    pix_bytes file = file_of("{\"x\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}}", 9);
    size_t whole = file.size, length = whole - 9 - 8;
    for (size_t size = 0; size < whole; size++) {
        pix_bytes cut = {0};
        char text[100];
        put_bytes(&cut, file.data, size);
        if (size < 8 + length)
            (void)snprintf(text, sizeof text,
                           "truncated safetensors file: %zu of at least %zu bytes", size,
                           size < 8 ? 8 : 8 + length);
        else
            (void)snprintf(text, sizeof text, "truncated safetensors file: %zu of %zu bytes", size,
                           whole);
        check_refused(cut, PIX_EFORMAT, text);
    }
    pix_bytes_free(&file);
}

#define X_IS(dtype, shape, offsets)                                                                \
    "{\"x\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void sizes_that_contradict_are_refused(void **state) {
    (void)state;
    assert_refused(X_IS("F16", "[2,3]", "[0,10]"), 20, PIX_EFORMAT,
                   "tensor x: 10 bytes where its shape needs 12");
    assert_refused(X_IS("F16", "[1048576,1048576]", "[0,4]"), 4, PIX_ELIMIT, "tensor x");
    assert_refused(X_IS("F16", "[4294967296,4294967296]", "[0,0]"), 4, PIX_ELIMIT, "tensor x");
    assert_refused(X_IS("F16", "[9223372036854775807,2]", "[0,4]"), 4, PIX_ELIMIT, "tensor x");
    assert_refused(X_IS("U8", "[4]", "[4,0]"), 4, PIX_EFORMAT, "malformed data_offsets");
    assert_refused(X_IS("U8", "[4]", "[-4,0]"), 4, PIX_EFORMAT, "malformed data_offsets");
    assert_refused(X_IS("U8", "[4]", "[0]"), 4, PIX_EFORMAT, "malformed data_offsets");
    assert_refused(X_IS("U8", "[4]", "[0,4,8]"), 8, PIX_EFORMAT, "malformed data_offsets");
    assert_refused(X_IS("U8", "[4]", "[0,4.0]"), 4, PIX_EFORMAT, "malformed data_offsets");
    assert_refused(X_IS("U8", "[4]", "4"), 4, PIX_EFORMAT, "malformed data_offsets");
    assert_refused(X_IS("U8", "[4]", "[9223372036854775803,9223372036854775807]"), 4, PIX_EFORMAT,
                   "truncated safetensors file");
    assert_refused(X_IS("U8", "[-4]", "[0,4]"), 4, PIX_EFORMAT, "malformed shape");
    assert_refused(X_IS("U8", "[4.0]", "[0,4]"), 4, PIX_EFORMAT, "malformed shape");
    assert_refused(X_IS("U8", "4", "[0,4]"), 4, PIX_EFORMAT, "malformed shape");
    assert_refused(X_IS("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, PIX_EUNSUPPORTED, "9 dimensions");
    assert_refused(X_IS("F4", "[4]", "[0,2]"), 2, PIX_EUNSUPPORTED, "tensor x: unknown dtype F4");
    assert_refused("{\"x\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, PIX_EFORMAT,
                   "tensor x: has no dtype");
    assert_refused("{\"x\":[]}", 1, PIX_EFORMAT, "tensor x: has no dtype");
}

static void overlapping_tensors_are_refused(void **state) {
    (void)state;
    assert_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                   "\"y\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[3,7]}}",
                   8, PIX_EFORMAT, "tensors x and y overlap");
    assert_refused("{\"y\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},"
                   "\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[4,5]}}",
                   8, PIX_EFORMAT, "tensors y and x overlap");
}

static void a_header_that_is_not_one_is_refused(void **state) {
    (void)state;
    assert_refused("{\"x\":1,\"x\":2}", 0, PIX_EFORMAT, "a name stands there twice");
    assert_refused("{\"x\":", 0, PIX_EFORMAT, "not a JSON object");
    assert_refused("[]", 0, PIX_EFORMAT, "not a JSON object");
    assert_refused("", 0, PIX_EFORMAT, "not a JSON object");
    assert_refused("{} x", 0, PIX_EFORMAT, "not a JSON object");
    assert_refused("{\"\\u001b[2J\":{}}", 0, PIX_EFORMAT, "not printable");
    pix_bytes huge = file_of("{}", 0);
    set_number(&huge, 0, UINT64_MAX, 8);
    check_refused(huge, PIX_ELIMIT, "header of 18446744073709551615 bytes");

    pix_bytes deep = {0};
    put_number(&deep, 200000, 8);
    for (int i = 0; i < 200000; i++)
        put_opcodes(&deep, i == 0 ? "{\"x\":" : "[");
    check_refused(deep, PIX_EFORMAT, "not a JSON object");
}

/* The definition of IEEE 754 binary16, with ldexp. */
static float half_by_definition(unsigned half) {
    int exponent = (int)(half >> 10 & 31);
    double fraction = half & 1023, value;
    if (exponent == 31)
        value = fraction > 0 ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexp(fraction, -24);
    else
        value = ldexp(1024 + fraction, exponent - 25);
    return (float)(half & 0x8000 ? -value : value);
}

static void all_halves_are_exact(void **state) {
    (void)state;
    enum { ALL = 65536 };
    static float values[ALL], reversed[ALL];
    pix_bytes data = {0};
    for (unsigned i = 0; i < ALL; i++)
        put_number(&data, i, 2);
    pix_tensor tensor = {
        .info = {.rank = 1, .shape = {ALL}},
        .part_count = 1,
        .parts = {
            {.data = (const uint8_t *)data.data, .dtype = PIX_F16, .rows = ALL, .stride = {1}}}};
    pix_tensor_convert(&tensor, values);
    /* [256, 256] read column by column takes the path of strided tensors. */
    tensor.info.rank = 2;
    tensor.info.shape[0] = tensor.info.shape[1] = tensor.parts[0].rows = 256;
    tensor.parts[0].stride[0] = 1;
    tensor.parts[0].stride[1] = 256;
    pix_tensor_convert(&tensor, reversed);
    for (unsigned i = 0; i < ALL; i++) {
        float expected = half_by_definition(i);
        float got[2] = {values[i], reversed[i % 256 * 256 + i / 256]};
        for (int k = 0; k < 2; k++)
            if (isnan(expected) ? !isnan(got[k])
                                : got[k] != expected || signbit(got[k]) != signbit(expected))
                fail_msg("half 0x%04x is %g instead of %g", i, (double)got[k], (double)expected);
    }
    pix_bytes_free(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(signed_values_keep_their_sign),
        cmocka_unit_test(scalars_empty_tensors_metadata_and_padding_are_legal),
        cmocka_unit_test(a_file_cut_anywhere_is_truncated),
        cmocka_unit_test(sizes_that_contradict_are_refused),
        cmocka_unit_test(overlapping_tensors_are_refused),
        cmocka_unit_test(a_header_that_is_not_one_is_refused),
        cmocka_unit_test(all_halves_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
