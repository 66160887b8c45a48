#include "core/clip/text_trie.h"

#include "tests/support.h"

static void a_text_alone_is_rows_in_order(void **state) {
    (void)state;
    const int32_t ids[] = {510, 7, 7, 9, 511};
    pix_text_trie trie;
    pix_error error;
    assert_ok(pix_text_trie_init(&trie, 5, &error), &error);
    assert_int_equal(pix_text_trie_add(&trie, ids, 5), 4);
    assert_int_equal(trie.rows, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(trie.token[i], ids[i]);
        assert_int_equal(trie.parent[i], i - 1);
        assert_int_equal(trie.depth[i], i);
    }
    pix_text_trie_free(&trie);
}

static void a_common_beginning_is_there_once(void **state) {
    (void)state;
    const int32_t cat[] = {1, 2, 3, 4, 9}, dog[] = {1, 2, 3, 5, 9}, longer[] = {1, 2, 3, 4, 4, 9},
                  other[] = {2, 1};
    pix_text_trie trie;
    pix_error error;
    assert_ok(pix_text_trie_init(&trie, 16, &error), &error);
    assert_int_equal(pix_text_trie_add(&trie, cat, 5), 4);
    assert_int_equal(pix_text_trie_add(&trie, dog, 5), 6);
    assert_int_equal(pix_text_trie_add(&trie, longer, 6), 8);
    assert_int_equal(pix_text_trie_add(&trie, other, 2), 10);
    assert_int_equal(trie.rows, 11);
    assert_int_equal(pix_text_trie_add(&trie, cat, 5), 4); /* all there */
    assert_int_equal(pix_text_trie_add(&trie, dog, 4), 5); /* a beginning of another */
    assert_int_equal(trie.rows, 11);
    const int32_t want[] = {0, 1, 2, 3, 7, 8};
    int32_t path[16];
    pix_text_trie_path(&trie, 8, path);
    assert_memory_equal(path, want, sizeof want);
    pix_text_trie_path(&trie, 9, path);
    assert_int_equal(path[0], 9);
    pix_text_trie_free(&trie);
}

static void what_does_not_fit_changes_nothing(void **state) {
    (void)state;
    const int32_t first[] = {1, 2, 3}, second[] = {1, 2, 4, 5, 6}, third[] = {1, 2, 4};
    pix_text_trie trie;
    pix_error error;
    assert_ok(pix_text_trie_init(&trie, 4, &error), &error);
    assert_int_equal(pix_text_trie_add(&trie, first, 3), 2);
    assert_int_equal(pix_text_trie_add(&trie, second, 5), -1);
    assert_int_equal(trie.rows, 3);
    assert_int_equal(pix_text_trie_add(&trie, third, 3), 3);
    pix_text_trie_clear(&trie);
    assert_int_equal(trie.rows, 0);
    assert_int_equal(pix_text_trie_add(&trie, third, 3), 2);
    assert_int_equal(trie.token[2], 4);
    pix_text_trie_free(&trie);
}

/* Every text's path spells it again, whatever the order they came in. */
static void random_texts_are_spelt_by_their_paths(void **state) {
    (void)state;
    enum { TEXTS = 200, LONGEST = 12 };
    int32_t ids[TEXTS][LONGEST];
    int length[TEXTS], last[TEXTS];
    uint32_t seed = 1;
    pix_text_trie trie;
    pix_error error;
    assert_ok(pix_text_trie_init(&trie, TEXTS * LONGEST, &error), &error);
    for (int i = 0; i < TEXTS; i++) {
        seed = seed * 1664525 + 1013904223;
        length[i] = 1 + (int)(seed >> 16) % LONGEST;
        for (int j = 0; j < length[i]; j++) {
            seed = seed * 1664525 + 1013904223;
            ids[i][j] = (int32_t)((seed >> 16) % 3);
        }
        last[i] = pix_text_trie_add(&trie, ids[i], length[i]);
    }
    for (int i = 0; i < TEXTS; i++) {
        assert_int_equal(trie.depth[last[i]], length[i] - 1);
        int32_t path[LONGEST];
        pix_text_trie_path(&trie, last[i], path);
        for (int j = 0; j < length[i]; j++)
            assert_int_equal(trie.token[path[j]], ids[i][j]);
    }
    for (int row = 0; row < trie.rows; row++)
        assert_true(trie.parent[row] < row);
    pix_text_trie_free(&trie);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_alone_is_rows_in_order),
        cmocka_unit_test(a_common_beginning_is_there_once),
        cmocka_unit_test(what_does_not_fit_changes_nothing),
        cmocka_unit_test(random_texts_are_spelt_by_their_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
