#include "tests/support.h"

#include <stdlib.h>

#include "core/weights/zip.h"
#include "tests/archives.h"

enum { ENTRY_METHOD = 10, ENTRY_STORED_SIZE = 20, ENTRY_SIZE = 24, ENTRY_NAME = 46 };

/* Two stored members and, between them, a deflated one. */
static zip_writer three_members(bool zip64) {
    static const char run[1000] = {0};
    zip_writer zip = {.zip64 = zip64};
    zip_add(&zip, "b/second", "hello", 5);
    zip_add_deflated(&zip, "run", run, sizeof run);
    zip_add(&zip, "a/first", "", 0);
    zip_finish(&zip);
    return zip;
}

static pix_status open_it(const zip_writer *writer, pix_zip **zip, pix_error *error) {
    return pix_zip_open((const uint8_t *)writer->file.data, writer->file.size, zip, error);
}

/* The archive is refused, for a reason that contains `text`. */
static void assert_refused(zip_writer *writer, pix_status status, const char *text) {
    pix_zip *zip;
    pix_error error;
    assert_int_equal(open_it(writer, &zip, &error), status);
    assert_null(zip);
    if (!strstr(error.text, text))
        fail_msg("\"%s\" does not say \"%s\"", error.text, text);
    zip_free(writer);
}

static void check_three(bool zip64) {
    zip_writer writer = three_members(zip64);
    pix_zip *zip;
    pix_error error;
    assert_ok(open_it(&writer, &zip, &error), &error);
    assert_int_equal(pix_zip_count(zip), 3);
    assert_string_equal(pix_zip_at(zip, 0)->name, "a/first");
    const pix_zip_member *member = pix_zip_find(zip, "b/second");
    const uint8_t *data;
    pix_bytes expanded = {0};
    assert_non_null(member);
    assert_true(member->stored);
    assert_int_equal(member->size, 5);
    assert_ok(pix_zip_view(member, 5, &expanded, &data, &error), &error);
    assert_ptr_equal(data, (const uint8_t *)writer.file.data + 30 + strlen("b/second"));
    assert_memory_equal(data, "hello", 5);
    assert_int_equal(pix_zip_view(member, 4, &expanded, &data, &error), PIX_ELIMIT);
    assert_null(pix_zip_find(zip, "b/secon"));
    pix_zip_close(zip);
    zip_free(&writer);
}

static void stored_members_are_used_in_place(void **state) {
    (void)state;
    check_three(false);
}

static void zip64_fields_are_read(void **state) {
    (void)state;
    check_three(true);
}

static void a_deflated_member_is_expanded_when_asked(void **state) {
    (void)state;
    zip_writer writer = three_members(false);
    pix_zip *zip;
    pix_error error;
    const uint8_t *data;
    pix_bytes expanded = {0};
    assert_ok(open_it(&writer, &zip, &error), &error);
    const pix_zip_member *member = pix_zip_find(zip, "run");
    assert_non_null(member);
    assert_false(member->stored);
    assert_ok(pix_zip_view(member, 1000, &expanded, &data, &error), &error);
    assert_int_equal(expanded.size, 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(data[i], 0);
    pix_bytes_clear(&expanded);
    assert_int_equal(pix_zip_view(member, 999, &expanded, &data, &error), PIX_ELIMIT);

    pix_zip_member wrong = *member;
    wrong.crc32++;
    assert_int_equal(pix_zip_view(&wrong, 1000, &expanded, &data, &error), PIX_EFORMAT);
    wrong = *member;
    wrong.size--;
    pix_bytes_clear(&expanded);
    assert_int_equal(pix_zip_view(&wrong, 1000, &expanded, &data, &error), PIX_EFORMAT);
    wrong = *member;
    wrong.stored_size--;
    pix_bytes_clear(&expanded);
    assert_int_equal(pix_zip_view(&wrong, 1000, &expanded, &data, &error), PIX_EFORMAT);
    pix_bytes_free(&expanded);
    pix_zip_close(zip);
    zip_free(&writer);
}

static void an_archive_cut_anywhere_is_truncated(void **state) {
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        zip_writer writer = three_members(zip64);
        for (size_t size = 0; size < writer.file.size; size++) {
            pix_zip *zip;
            pix_error error;
            uint8_t *copy =
                malloc(size + 1); /* its own block, so that a sanitizer sees overreads */
            memcpy(copy, writer.file.data, size);
            assert_int_equal(pix_zip_open(copy, size, &zip, &error), PIX_EFORMAT);
            assert_non_null(strstr(error.text, "truncated zip archive"));
            free(copy);
        }
        zip_free(&writer);
    }
}

static void a_comment_after_the_end_record_is_skipped(void **state) {
    (void)state;
    zip_writer writer = three_members(false);
    set_number(&writer.file, writer.file.size - 2, 7, 2);
    put_bytes(&writer.file, "comment", 7);
    pix_zip *zip;
    pix_error error;
    assert_ok(open_it(&writer, &zip, &error), &error);
    pix_zip_close(zip);
    zip_free(&writer);
}

static void overlapping_members_are_refused(void **state) {
    (void)state;
    zip_writer writer = three_members(false);
    /* The first member now reaches into the header of the next. */
    set_number(&writer.file, writer.directory_at + ENTRY_STORED_SIZE, 40, 4);
    set_number(&writer.file, writer.directory_at + ENTRY_SIZE, 40, 4);
    assert_refused(&writer, PIX_EFORMAT, "members b/second and run overlap");

    zip_writer twice = {0};
    zip_add(&twice, "x", "12", 2);
    char entry[47];
    memcpy(entry, twice.directory.data, sizeof entry);
    put_bytes(&twice.directory, entry, sizeof entry);
    twice.count++;
    zip_finish(&twice);
    assert_refused(&twice, PIX_EFORMAT, "overlap");
}

static void a_name_that_exists_twice_is_refused(void **state) {
    (void)state;
    zip_writer writer = {0};
    zip_add(&writer, "x", "1", 1);
    zip_add(&writer, "x", "2", 1);
    zip_finish(&writer);
    assert_refused(&writer, PIX_EFORMAT, "member x exists twice");
}

static void names_with_control_bytes_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"a\0b", "a\nb", "\x1b[2",
                                        "a\x7f"
                                        "b"};
    for (size_t i = 0; i < 4; i++) {
        zip_writer writer = {0};
        zip_entry(&writer, names[i], 3, "1", 1, 1, 0, 0);
        zip_finish(&writer);
        assert_refused(&writer, PIX_EFORMAT, "bad member name");
    }
    zip_writer empty = {0};
    zip_add(&empty, "", "1", 1);
    zip_finish(&empty);
    assert_refused(&empty, PIX_EFORMAT, "bad member name");
}

static void sizes_and_offsets_outside_the_file_are_refused(void **state) {
    (void)state;
    zip_writer writer = three_members(false);
    set_number(&writer.file, writer.directory_at + ENTRY_STORED_SIZE, 0xFFFFFF00, 4);
    set_number(&writer.file, writer.directory_at + ENTRY_SIZE, 0xFFFFFF00, 4);
    assert_refused(&writer, PIX_EFORMAT, "b/second reaches beyond the file");

    writer = three_members(false);
    set_number(&writer.file, writer.directory_at + 42, 0xFFFFFF00, 4);
    assert_refused(&writer, PIX_EFORMAT, "b/second lies outside the file");

    writer = three_members(false);
    set_number(&writer.file, writer.directory_at + 42, 1, 4);
    assert_refused(&writer, PIX_EFORMAT, "has no header where the directory says");

    writer = three_members(true); /* the same, in 64 bits that would wrap around */
    set_number(&writer.file, writer.directory_at + ENTRY_NAME + 8 + 4 + 16, UINT64_MAX - 8, 8);
    assert_refused(&writer, PIX_EFORMAT, "b/second lies outside the file");

    writer = three_members(true);
    set_number(&writer.file, writer.directory_at + ENTRY_NAME + 8 + 2, 23, 2);
    assert_refused(&writer, PIX_EFORMAT, "b/second has a bad zip64 field");

    writer = three_members(false);
    set_number(&writer.file, writer.directory_at + ENTRY_SIZE, 6, 4);
    assert_refused(&writer, PIX_EFORMAT, "stored with two different sizes");
}

static void a_directory_that_cannot_be_is_refused(void **state) {
    (void)state;
    zip_writer writer = three_members(false);
    set_number(&writer.file, writer.file.size - 14, 500, 2); /* more members than it has room for */
    set_number(&writer.file, writer.file.size - 12, 500, 2);
    assert_refused(&writer, PIX_EFORMAT, "500 members in a directory of");

    writer = (zip_writer){0};
    zip_add(&writer, "a name that is as long as an entry of the directory", "1", 1);
    zip_finish(&writer);
    set_number(&writer.file, writer.file.size - 14, 2, 2); /* more than there are */
    set_number(&writer.file, writer.file.size - 12, 2, 2);
    assert_refused(&writer, PIX_EFORMAT, "bad directory entry");

    writer = three_members(false);
    set_number(&writer.file, writer.file.size - 6, 0x7FFFFFFF, 4);
    assert_refused(&writer, PIX_EFORMAT, "is not inside the file");

    writer = three_members(true);
    set_number(&writer.file, writer.file.size - 22 - 20 - 32, UINT64_MAX, 8);
    set_number(&writer.file, writer.file.size - 22 - 20 - 24, UINT64_MAX, 8);
    assert_refused(&writer, PIX_EFORMAT, "corrupt zip archive");

    writer = three_members(true);
    set_number(&writer.file, writer.file.size - 22 - 12, UINT64_MAX - 3, 8);
    assert_refused(&writer, PIX_EFORMAT, "no zip64 end record");
}

static void a_header_that_disagrees_with_the_directory_is_refused(void **state) {
    (void)state;
    zip_writer writer = three_members(false);
    writer.file.data[30] = 'c';
    assert_refused(&writer, PIX_EFORMAT, "is called otherwise");

    writer = three_members(false);
    set_number(&writer.file, 8, 8, 2);
    assert_refused(&writer, PIX_EFORMAT, "is called otherwise");
}

static void encryption_and_other_compressions_are_named(void **state) {
    (void)state;
    zip_writer writer = three_members(false);
    set_number(&writer.file, writer.directory_at + 8, 0x0801, 2);
    assert_refused(&writer, PIX_EUNSUPPORTED, "member b/second is encrypted");

    writer = three_members(false);
    set_number(&writer.file, writer.directory_at + ENTRY_METHOD, 93, 2);
    assert_refused(&writer, PIX_EUNSUPPORTED, "b/second uses zip compression method 93");
}

static void an_archive_in_several_volumes_is_refused(void **state) {
    (void)state;
    /* In the end record: this volume, that of the directory, members on this volume. */
    for (size_t from_end = 18; from_end >= 14; from_end -= 2) {
        zip_writer writer = three_members(false);
        set_number(&writer.file, writer.file.size - from_end, 1, 2);
        assert_refused(&writer, PIX_EUNSUPPORTED, "zip archive in several volumes");
    }
    /* The locator's volume and number of volumes; the zip64 record's two volumes and count. */
    static const size_t places[] = {22 + 16, 22 + 4, 22 + 20 + 40, 22 + 20 + 36, 22 + 20 + 32};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        zip_writer writer = three_members(true);
        set_number(&writer.file, writer.file.size - places[i], 2, 4);
        assert_refused(&writer, PIX_EUNSUPPORTED, "zip archive in several volumes");
    }
}

static void two_end_records_must_agree(void **state) {
    (void)state;
    zip_writer writer = three_members(true);
    size_t end = writer.file.size;
    pix_zip *zip;
    pix_error error;
    /* PyTorch fills in both. */
    set_number(&writer.file, end - 14, 3, 2);
    set_number(&writer.file, end - 12, 3, 2);
    set_number(&writer.file, end - 10, writer.directory.size, 4);
    set_number(&writer.file, end - 6, writer.directory_at, 4);
    assert_ok(open_it(&writer, &zip, &error), &error);
    pix_zip_close(zip);
    set_number(&writer.file, end - 14, 2, 2);
    set_number(&writer.file, end - 12, 2, 2);
    assert_refused(&writer, PIX_EFORMAT, "its two end records disagree");
    writer = three_members(true);
    set_number(&writer.file, end - 10, writer.directory.size - 1, 4);
    assert_refused(&writer, PIX_EFORMAT, "its two end records disagree");
    writer = three_members(true);
    set_number(&writer.file, end - 6, writer.directory_at + 1, 4);
    assert_refused(&writer, PIX_EFORMAT, "its two end records disagree");
}

static void a_directory_that_says_less_than_it_holds_is_refused(void **state) {
    (void)state;
    zip_writer writer = three_members(false);
    set_number(&writer.file, writer.file.size - 14, 2, 2);
    set_number(&writer.file, writer.file.size - 12, 2, 2);
    assert_refused(&writer, PIX_EFORMAT, "53 bytes of its directory follow the last of 2 members");

    writer = three_members(false);
    set_number(&writer.file, writer.file.size - 10, writer.directory.size - 1, 4);
    assert_refused(&writer, PIX_EFORMAT, "does not reach its end record");

    writer = three_members(true);
    set_number(&writer.file, writer.file.size - 22 - 20 - 24, UINT64_C(1) << 40, 8);
    set_number(&writer.file, writer.file.size - 22 - 20 - 32, UINT64_C(1) << 40, 8);
    assert_refused(&writer, PIX_EFORMAT, "1099511627776 members in a directory of");
}

/* The last record whose comment ends the file is the archive's: one inside a comment must be true
 * like any other. */
static void an_end_record_in_a_comment_hides_nothing(void **state) {
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        zip_writer writer = three_members(false);
        set_number(&writer.file, writer.file.size - 2, 30, 2);
        put_number(&writer.file, 0x06054B50, 4);
        put_number(&writer.file, 0, 16);
        put_number(&writer.file, whole ? 8 : 9, 2);
        put_bytes(&writer.file, "12345678", 8);
        if (whole) {
            assert_refused(&writer, PIX_EFORMAT, "does not reach its end record");
            continue;
        }
        pix_zip *zip;
        pix_error error;
        assert_ok(open_it(&writer, &zip, &error), &error);
        assert_int_equal(pix_zip_count(zip), 3);
        pix_zip_close(zip);
        zip_free(&writer);
    }
}

static void sizes_beside_the_data_are_not_believed(void **state) {
    (void)state;
    zip_writer writer = three_members(false);
    size_t name = strlen("b/second");
    set_number(&writer.file, 14, UINT64_MAX, 8);                /* local header: CRC, stored size */
    set_number(&writer.file, 22, UINT64_MAX, 4);                /* size */
    set_number(&writer.file, 30 + name + 5 + 4, UINT64_MAX, 8); /* data descriptor: the same */
    set_number(&writer.file, 30 + name + 5 + 12, UINT64_MAX, 4);
    pix_zip *zip;
    pix_error error;
    const uint8_t *data;
    pix_bytes expanded = {0};
    assert_ok(open_it(&writer, &zip, &error), &error);
    assert_ok(pix_zip_view(pix_zip_find(zip, "b/second"), 5, &expanded, &data, &error), &error);
    assert_memory_equal(data, "hello", 5);
    pix_zip_close(zip);

    set_number(&writer.file, 28, 0xFFFF, 2); /* an extra field that reaches beyond everything */
    assert_refused(&writer, PIX_EFORMAT, "b/second reaches beyond the file");
}

static void a_deflate_bomb_expands_to_no_more_than_it_says(void **state) {
    (void)state;
    enum { ZEROS = 32 << 20 };
    char *zeros = calloc(1, ZEROS);
    assert_non_null(zeros);
    zip_writer writer = {0};
    zip_add_deflated(&writer, "bomb", zeros, ZEROS);
    zip_finish(&writer);
    free(zeros);
    assert_true(writer.file.size < 40000);
    set_number(&writer.file, writer.directory_at + ENTRY_SIZE, 1000, 4);
    pix_zip *zip;
    pix_error error;
    const uint8_t *data;
    pix_bytes expanded = {0};
    assert_ok(open_it(&writer, &zip, &error), &error);
    const pix_zip_member *member = pix_zip_find(zip, "bomb");
    assert_int_equal(pix_zip_view(member, 1 << 20, &expanded, &data, &error), PIX_EFORMAT);
    assert_string_equal(error.text, "member bomb: deflated data does not expand to what it should");
    assert_true(expanded.capacity < 5000);
    pix_zip_close(zip);

    set_number(&writer.file, writer.directory_at + ENTRY_SIZE, 0xFFFFFFFE, 4);
    assert_ok(open_it(&writer, &zip, &error), &error);
    pix_bytes_free(&expanded);
    assert_int_equal(pix_zip_view(pix_zip_at(zip, 0), 1 << 20, &expanded, &data, &error),
                     PIX_ELIMIT);
    assert_string_equal(error.text,
                        "member bomb has 4294967294 bytes, more than the 1048576 allowed");
    assert_int_equal(expanded.capacity, 0);
    pix_zip_close(zip);
    zip_free(&writer);
}

/* Whatever byte is wrong, the archive is refused in words or every member lies inside it. */
static void a_wrong_byte_never_leads_outside(void **state) {
    (void)state;
    size_t opened = 0, refused = 0;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        zip_writer writer = three_members(zip64);
        size_t size = writer.file.size;
        for (size_t i = 0; i < 8 * size; i++) {
            uint8_t *copy = malloc(size);
            assert_non_null(copy);
            memcpy(copy, writer.file.data, size);
            copy[i / 8] ^= (uint8_t)(1 << i % 8);
            pix_zip *zip;
            pix_error error = {0};
            pix_status status = pix_zip_open(copy, size, &zip, &error);
            assert_true(status ? !zip && error.text[0] : zip != NULL);
            refused += zip == NULL;
            opened += zip != NULL;
            for (size_t k = 0; zip && k < pix_zip_count(zip); k++) {
                const pix_zip_member *member = pix_zip_at(zip, k);
                assert_true(member->data >= copy &&
                            member->data + member->stored_size <= copy + size);
                const uint8_t *data;
                pix_bytes expanded = {0};
                if (pix_zip_view(member, 1 << 20, &expanded, &data, &error))
                    assert_true(error.text[0]);
                pix_bytes_free(&expanded);
            }
            pix_zip_close(zip);
            free(copy);
        }
        zip_free(&writer);
    }
    assert_true(opened > 100 && refused > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stored_members_are_used_in_place),
        cmocka_unit_test(zip64_fields_are_read),
        cmocka_unit_test(a_deflated_member_is_expanded_when_asked),
        cmocka_unit_test(an_archive_cut_anywhere_is_truncated),
        cmocka_unit_test(a_comment_after_the_end_record_is_skipped),
        cmocka_unit_test(overlapping_members_are_refused),
        cmocka_unit_test(a_name_that_exists_twice_is_refused),
        cmocka_unit_test(names_with_control_bytes_are_refused),
        cmocka_unit_test(sizes_and_offsets_outside_the_file_are_refused),
        cmocka_unit_test(a_directory_that_cannot_be_is_refused),
        cmocka_unit_test(a_header_that_disagrees_with_the_directory_is_refused),
        cmocka_unit_test(encryption_and_other_compressions_are_named),
        cmocka_unit_test(an_archive_in_several_volumes_is_refused),
        cmocka_unit_test(two_end_records_must_agree),
        cmocka_unit_test(a_directory_that_says_less_than_it_holds_is_refused),
        cmocka_unit_test(an_end_record_in_a_comment_hides_nothing),
        cmocka_unit_test(sizes_beside_the_data_are_not_believed),
        cmocka_unit_test(a_deflate_bomb_expands_to_no_more_than_it_says),
        cmocka_unit_test(a_wrong_byte_never_leads_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
