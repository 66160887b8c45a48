#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/files.h"
#include "core/weights/pickle.h"
#include "core/weights/zip.h"
#include "tests/archives.h"

typedef struct literal {
    const char *data;
    size_t size;
} literal;
#define LITERAL(...)                                                                               \
    { __VA_ARGS__, sizeof(__VA_ARGS__) - 1 }

/* CPython 3.11's pickle.dumps(o, protocol) of
 * o = {'a': [1, -5, 300, 70000, 2**40, -2**63, 2.5, 'x\u20ac\n\\u', None, True, False, (), (1,),
 *            (1, 2), (1, 2, 3), (1, 2, 3, 4), {'k': 'v'}]}
 * in protocols 0, 1, 2 and 4; 3 and 5 differ from 2 and 4 in their second byte alone. */
static const literal written[] = {
    LITERAL(
        /* 0 */ "(dp0\nVa\np1\n(lp2\nI1\naI-5\naI300\naI70000\naL1099511627776L\naL-9223372036854"
                "775808L\naF2.5\naVx\\u20ac\\u000a\\u005cu\np3\naNaI01\naI00\na(ta(I1\ntp4\na(I1\n"
                "I2\ntp5\na(I1\nI2\nI3\ntp6\na(I1\nI2\nI3\nI4\ntp7\na(dp8\nVk\np9\nVv\np10\nsas."),
    LITERAL(/* 1 */
            "}q\000X\001\000\000\000aq\001]q\002(K\001J\373\377\377\377M,\001Jp\021\001\000L1"
            "099511627776L\nL-9223372036854775808L\nG@\004\000\000\000\000\000\000X\007\000\000"
            "\000x\342\202\254\n\\uq\003NI01\nI00\n)(K\001tq\004(K\001K\002tq\005(K\001K\002K"
            "\003tq\006(K\001K\002K\003K\004tq\007}q\010X\001\000\000\000kq\011X\001\000\000\000"
            "vq\nses."),
    LITERAL(/* 2 */
            "\200\002}q\000X\001\000\000\000aq\001]q\002(K\001J\373\377\377\377M,\001Jp\021\001"
            "\000\212\006\000\000\000\000\000\001\212\010\000\000\000\000\000\000\000\200G@\004"
            "\000\000\000\000\000\000X\007\000\000\000x\342\202\254\n\\uq\003N\210\211)K\001\205"
            "q\004K\001K\002\206q\005K\001K\002K\003\207q\006(K\001K\002K\003K\004tq\007}q\010"
            "X\001\000\000\000kq\011X\001\000\000\000vq\nses."),
    LITERAL(/* 4 */
            "\200\004\225l\000\000\000\000\000\000\000}\224\214\001a\224]\224(K\001J\373\377\377"
            "\377M,\001Jp\021\001\000\212\006\000\000\000\000\000\001\212\010\000\000\000\000"
            "\000\000\000\200G@\004\000\000\000\000\000\000\214\007x\342\202\254\n\\u\224N\210"
            "\211)K\001\205\224K\001K\002\206\224K\001K\002K\003\207\224(K\001K\002K\003K\004"
            "t\224}\224\214\001k\224\214\001v\224ses."),
};

/* Loads a copy in a block of its own, so that a sanitizer sees every byte read beyond it. */
static pix_status load(const void *data, size_t size, pix_pickle **out, pix_error *error) {
    static uint8_t *copy;
    free(copy);
    copy = malloc(size + !size);
    memcpy(copy, data, size);
    return pix_pickle_load(copy, size, out, error);
}

#define assert_refused(expected, text, ...)                                                        \
    do {                                                                                           \
        const literal pickle_ = LITERAL(__VA_ARGS__);                                              \
        check_refused(pickle_.data, pickle_.size, expected, text);                                 \
    } while (0)

static void check_refused(const void *data, size_t size, pix_status status, const char *text) {
    pix_pickle *pickle;
    pix_error error;
    assert_int_equal(load(data, size, &pickle, &error), status);
    assert_null(pickle);
    if (!strstr(error.text, text))
        fail_msg("\"%s\" does not say \"%s\"", error.text, text);
}

static pix_pickle *loaded(const void *data, size_t size) {
    pix_pickle *pickle;
    pix_error error;
    assert_ok(load(data, size, &pickle, &error), &error);
    return pickle;
}

static const pix_value *at(const pix_value *list, size_t index) {
    assert_true(index < list->list.count);
    return list->list.items[index];
}

static void check_written(const pix_value *top) {
    static const int64_t integers[] = {1, -5, 300, 70000, (int64_t)1 << 40, INT64_MIN};
    assert_int_equal(top->kind, PIX_VALUE_DICT);
    assert_int_equal(top->list.count, 2);
    assert_true(pix_value_is_text(at(top, 0), "a"));
    const pix_value *list = at(top, 1);
    assert_int_equal(list->kind, PIX_VALUE_LIST);
    assert_int_equal(list->list.count, 17);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(at(list, i)->kind, PIX_VALUE_INTEGER);
        assert_int_equal(at(list, i)->integer, integers[i]);
    }
    assert_int_equal(at(list, 6)->kind, PIX_VALUE_REAL);
    assert_true(at(list, 6)->real == 2.5);
    assert_true(pix_value_is_text(at(list, 7), "x\xe2\x82\xac\n\\u"));
    assert_int_equal(at(list, 8)->kind, PIX_VALUE_NONE);
    assert_int_equal(at(list, 9)->kind, PIX_VALUE_BOOL);
    assert_true(at(list, 9)->boolean);
    assert_int_equal(at(list, 10)->kind, PIX_VALUE_BOOL);
    assert_false(at(list, 10)->boolean);
    for (size_t i = 0; i < 5; i++) {
        const pix_value *tuple = at(list, 11 + i);
        assert_int_equal(tuple->kind, PIX_VALUE_TUPLE);
        assert_int_equal(tuple->list.count, i);
        for (size_t k = 0; k < i; k++)
            assert_int_equal(at(tuple, k)->integer, k + 1);
    }
    assert_int_equal(at(list, 16)->kind, PIX_VALUE_DICT);
    assert_true(pix_value_is_text(at(at(list, 16), 1), "v"));
}

static void every_protocol_of_python_gives_the_same_values(void **state) {
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        for (int later = 0; later < (i < 2 ? 1 : 2); later++) {
            char copy[256];
            memcpy(copy, written[i].data, written[i].size);
            copy[1] = (char)(copy[1] + later); /* protocol 3 from 2, 5 from 4 */
            pix_pickle *pickle = loaded(copy, written[i].size);
            check_written(pix_pickle_top(pickle));
            pix_pickle_free(pickle);
        }
    }
}

static void a_pickle_cut_anywhere_is_truncated(void **state) {
    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t size = 0; size < written[i].size; size++)
            check_refused(written[i].data, size, PIX_EFORMAT, "truncated pickle");
}

/* Loads one value and checks its kind; the caller frees *pickle. */
static const pix_value *one(const literal source, pix_value_kind kind, pix_pickle **pickle) {
    *pickle = loaded(source.data, source.size);
    assert_int_equal(pix_pickle_top(*pickle)->kind, kind);
    return pix_pickle_top(*pickle);
}

static void check_texts(const literal *sources, size_t count, const char *text) {
    for (size_t i = 0; i < count; i++) {
        pix_pickle *pickle;
        const pix_value *value = one(sources[i], PIX_VALUE_TEXT, &pickle);
        if (!pix_value_is_text(value, text))
            fail_msg("text %zu is \"%.*s\"", i, (int)value->text.size, value->text.data);
        pix_pickle_free(pickle);
    }
}

static void every_form_of_text_is_read(void **state) {
    (void)state;
    static const literal forms[] = {
        LITERAL("S'aA\\n'\n."),
        LITERAL("S\"\\x61\\101\\n\"\np0\n."),
        LITERAL("T\3\0\0\0aA\n."),
        LITERAL("U\3aA\n."),
        LITERAL("VaA\\u000a\n."),
        LITERAL("V\\U00000061A\\u000A\n."),
        LITERAL("X\3\0\0\0aA\n."),
        LITERAL("\x8c\3aA\n."),
        LITERAL("\x8d\3\0\0\0\0\0\0\0aA\n."),
    };
    check_texts(forms, sizeof forms / sizeof *forms, "aA\n");
    static const literal latin[] = {LITERAL("V\xe9\n."), LITERAL("V\\u00e9\n.")};
    check_texts(latin, 2, "\xc3\xa9");
    static const literal bytes[] = {LITERAL("B\2\0\0\0\0z."), LITERAL("C\2\0z."),
                                    LITERAL("\x8e\2\0\0\0\0\0\0\0\0z."),
                                    LITERAL("\x96\2\0\0\0\0\0\0\0\0z.")};
    for (size_t i = 0; i < 4; i++) {
        pix_pickle *pickle;
        const pix_value *value = one(bytes[i], PIX_VALUE_BYTES, &pickle);
        assert_int_equal(value->text.size, 2);
        assert_memory_equal(value->text.data, "\0z", 2);
        pix_pickle_free(pickle);
    }
}

static void integers_of_any_width_are_read(void **state) {
    (void)state;
    static const struct {
        literal source;
        int64_t value;
    } cases[] = {
        {LITERAL("\x8a\0."), 0},
        {LITERAL("\x8a\1\xff."), -1},
        {LITERAL("\x8a\2\xff\0."), 255},
        {LITERAL("\x8b\2\0\0\0\0\x80."), -32768},
        {LITERAL("L12L\n."), 12},
        {LITERAL("L-12\n."), -12},
        {LITERAL("I-7\n."), -7},
        {LITERAL("J\xfe\xff\xff\xff."), -2},
        {LITERAL("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."), INT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_pickle *pickle;
        assert_int_equal(one(cases[i].source, PIX_VALUE_INTEGER, &pickle)->integer, cases[i].value);
        pix_pickle_free(pickle);
    }
    /* The magic number of PyTorch's old format, and a number of thirty digits. */
    static const literal large[] = {LITERAL("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."),
                                    LITERAL("L123456789012345678901234567890L\n.")};
    for (size_t i = 0; i < 2; i++) {
        pix_pickle *pickle;
        assert_int_equal(one(large[i], PIX_VALUE_BIG_INTEGER, &pickle)->text.size,
                         i == 0 ? 10 : 30);
        pix_pickle_free(pickle);
    }
    assert_refused(PIX_EFORMAT, "opcode INT at byte 0 has a bad number", "I1x\n.");
    assert_refused(PIX_EFORMAT, "opcode INT at byte 0 has a bad number", "I\n.");
    assert_refused(PIX_EFORMAT, "opcode LONG at byte 0 has a bad number", "LL\n.");
    assert_refused(PIX_EFORMAT, "opcode LONG at byte 0 has a bad number", "L1-2L\n.");
    assert_refused(PIX_EFORMAT, "opcode FLOAT at byte 0 has a bad number", "F1.5z\n.");
}

static void a_global_outside_the_closed_world_is_named_with_its_byte(void **state) {
    (void)state;
    assert_refused(PIX_EUNSUPPORTED, "global os system at byte 2", "\x80\2cos\nsystem\n)R.");
    assert_refused(PIX_EUNSUPPORTED, "global os system at byte 14",
                   "\x80\4\x8c\2os\x8c\6system\x93.");
    assert_refused(PIX_EUNSUPPORTED, "global posix system at byte 0", "cposix\nsystem\n.");
    assert_refused(PIX_EUNSUPPORTED, "global builtins eval at byte 1", "(cbuiltins\neval\n.");
    assert_refused(PIX_EUNSUPPORTED, "global os system at byte 7", "(S'ls'\nios\nsystem\n.");
    assert_refused(PIX_EUNSUPPORTED, "torch.storage _load_from_bytes",
                   "ctorch.storage\n_load_from_bytes\n.");
    assert_refused(PIX_EUNSUPPORTED, "__torch__evil x", "c__torch__evil\nx\n.");
    assert_refused(PIX_EUNSUPPORTED,
                   "a\x1b"
                   "b c\a",
                   "ca\x1b"
                   "b\nc\a\n.");
    assert_refused(PIX_EUNSUPPORTED, "collections OrderedDict", "ccollections OrderedDict\n\n.");
    assert_refused(PIX_EUNSUPPORTED, "collections",
                   "X\13\0\0\0collectionsX\15\0\0\0OrderedDict\0x\x93.");
    /* Names that are data are not called. */
    assert_refused(PIX_EUNSUPPORTED, "torch HalfStorage at byte 20", "ctorch\nHalfStorage\n)R.");
}

static void opcodes_outside_the_closed_world_are_named_with_their_byte(void **state) {
    (void)state;
    assert_refused(PIX_EUNSUPPORTED, "opcode EXT1 at byte 2", "\x80\2\x82\1.");
    assert_refused(PIX_EUNSUPPORTED, "opcode EXT2 at byte 2", "\x80\2\x83\1\0.");
    assert_refused(PIX_EUNSUPPORTED, "opcode EXT4 at byte 2", "\x80\2\x84\1\0\0\0.");
    assert_refused(PIX_EUNSUPPORTED, "opcode NEXT_BUFFER at byte 2", "\x80\5\x97.");
    assert_refused(PIX_EUNSUPPORTED, "opcode READONLY_BUFFER at byte 3", "\x80\5N\x98.");
    assert_refused(PIX_EFORMAT, "unknown pickle opcode 0xff at byte 3", "\x80\2N\xff.");
    assert_refused(PIX_EUNSUPPORTED, "pickle protocol 6", "\x80\6N.");
}

static void no_opcode_alone_makes_a_pickle(void **state) {
    (void)state;
    for (int opcode = 0; opcode < 256; opcode++)
        for (size_t size = 1; size < 12; size++) {
            char bytes[12] = {(char)opcode};
            pix_pickle *pickle;
            pix_error error;
            assert_true(load(bytes, size, &pickle, &error) != PIX_OK);
            assert_null(pickle);
        }
}

static void calls_are_kept_as_records(void **state) {
    (void)state;
    pix_pickle *pickle;
    static const literal device = LITERAL("ctorch\ndevice\nX\3\0\0\0cpu\x85R.");
    const pix_value *value = one(device, PIX_VALUE_CALL, &pickle);
    assert_true(pix_value_is_global(value->call.callee, "torch device"));
    assert_true(pix_value_is_text(at(value->call.arguments, 0), "cpu"));
    pix_pickle_free(pickle);

    static const literal object =
        LITERAL("c__torch__.a.___torch_mangle_9\nC\n)\x81}(X\1\0\0\0kK\7ub.");
    value = one(object, PIX_VALUE_OBJECT, &pickle);
    assert_true(pix_value_is_global(value->call.callee, "__torch__.a.___torch_mangle_9 C"));
    assert_int_equal(at(value->call.state, 1)->integer, 7);
    pix_pickle_free(pickle);

    /* An enumeration of TorchScript is called with a bare value. */
    static const literal enumeration = LITERAL("c__torch__\nE\nK\1R.");
    value = one(enumeration, PIX_VALUE_OBJECT, &pickle);
    assert_int_equal(value->call.arguments->integer, 1);
    pix_pickle_free(pickle);

    static const literal tagged =
        LITERAL("ctorch.jit._pickle\nrestore_type_tag\n(](K\1K\2eX\11\0\0\0List[int]tR.");
    value = one(tagged, PIX_VALUE_LIST, &pickle);
    assert_int_equal(value->list.count, 2);
    pix_pickle_free(pickle);

    static const literal persistent = LITERAL("(X\7\0\0\0storageK\1tQ.");
    value = one(persistent, PIX_VALUE_PERSISTENT, &pickle);
    assert_int_equal(value->persistent_id->list.count, 2);
    pix_pickle_free(pickle);
}

static void dicts_are_made_the_ways_python_makes_them(void **state) {
    (void)state;
    static const literal dicts[] = {
        LITERAL("}X\1\0\0\0aK\1s."),
        LITERAL("(X\1\0\0\0aK\1d."),
        LITERAL("ccollections\nOrderedDict\n)R(X\1\0\0\0aK\1u."),
        LITERAL("ccollections\nOrderedDict\n(]]X\1\0\0\0aaK\1aatR."),
        LITERAL("ccollections\nCounter\n}X\1\0\0\0aK\1s\x85R."),
        LITERAL("ccollections\ndefaultdict\ncbuiltins\nint\n\x85R(X\1\0\0\0aK\1u."),
        LITERAL("ccollections\nOrderedDict\n)R(X\1\0\0\0aK\1u}X\11\0\0\0_metadata}sb."),
        LITERAL("(ccollections\nOrderedDict\noX\1\0\0\0aK\1s."),
        LITERAL("(icollections\nOrderedDict\nX\1\0\0\0aK\1s."),
        LITERAL("ccollections\nOrderedDict\n)}\x92X\1\0\0\0aK\1s."),
    };
    for (size_t i = 0; i < sizeof dicts / sizeof *dicts; i++) {
        pix_pickle *pickle;
        const pix_value *dict = one(dicts[i], PIX_VALUE_DICT, &pickle);
        assert_int_equal(dict->list.count, 2);
        assert_true(pix_value_is_text(at(dict, 0), "a"));
        assert_int_equal(at(dict, 1)->integer, 1);
        pix_pickle_free(pickle);
    }
}

static void a_mark_with_nothing_above_it_makes_an_empty_container(void **state) {
    (void)state;
    static const literal sources[] = {LITERAL("(t."), LITERAL("(l."), LITERAL("(d."),
                                      LITERAL("](e."), LITERAL("(\x91.")};
    static const pix_value_kind kinds[] = {PIX_VALUE_TUPLE, PIX_VALUE_LIST, PIX_VALUE_DICT,
                                           PIX_VALUE_LIST, PIX_VALUE_SET};
    for (size_t i = 0; i < 5; i++) {
        pix_pickle *pickle;
        assert_int_equal(one(sources[i], kinds[i], &pickle)->list.count, 0);
        pix_pickle_free(pickle);
    }
}

static void what_is_not_on_the_stack_is_refused(void **state) {
    (void)state;
    static const struct {
        literal source;
        const char *text;
    } cases[] = {
        {LITERAL("."), "opcode STOP at byte 0 finds too little on the stack"},
        {LITERAL("0."), "opcode POP at byte 0 finds too little"},
        {LITERAL("2."), "opcode DUP at byte 0 finds too little"},
        {LITERAL("N\x86."), "opcode TUPLE2 at byte 1 finds too little"},
        {LITERAL("Na."), "opcode APPEND at byte 1 finds too little"},
        {LITERAL("]N(a."), "opcode APPEND at byte 3 finds too little"},
        {LITERAL("NN(Ns."), "opcode SETITEM at byte 4 finds too little"},
        {LITERAL("t."), "opcode TUPLE at byte 0 finds no mark"},
        {LITERAL("N1."), "opcode POP_MARK at byte 1 finds no mark"},
        {LITERAL("NN."), "opcode STOP at byte 2 leaves values on the stack"},
        {LITERAL("(N."), "opcode STOP at byte 2 leaves values on the stack"},
        {LITERAL("NNa."), "opcode APPEND at byte 2 wants a list and finds None"},
        {LITERAL("](NNu."), "opcode SETITEMS at byte 4 wants a dict and finds a list"},
        {LITERAL("}(Nu."), "opcode SETITEMS at byte 3 has a key without a value"},
        {LITERAL("(Nd."), "opcode DICT at byte 2 has a key without a value"},
        {LITERAL("N)R."), "opcode REDUCE at byte 2 calls something that is not a global"},
        {LITERAL("ctorch\nSize\nNR."), "opcode REDUCE at byte 13 calls a global without a tuple"},
        {LITERAL("ctorch\nSize\n)R."), "opcode REDUCE at byte 13 calls a global without arguments"},
        {LITERAL("N}b."), "opcode BUILD at byte 2 gives a state to something that has none"},
        {LITERAL("c__torch__\nC\n)}NNs\x92."), "opcode NEWOBJ_EX at byte 18 has keyword arguments"},
        {LITERAL("NN\x93."), "opcode STACK_GLOBAL at byte 2 finds no names"},
        {LITERAL("h\5."), "opcode BINGET at byte 0 asks for a value that was never memoized"},
        {LITERAL("Nq\1h\0."), "opcode BINGET at byte 3 asks for a value that was never"},
        {LITERAL("g-1\n."), "opcode GET at byte 0 has a bad number"},
        {LITERAL("Sx\n."), "opcode STRING at byte 0 has no quotes"},
        {LITERAL("S'\\q'\n."), "opcode STRING at byte 0 has a bad escape"},
        {LITERAL("V\\u00g0\n."), "opcode UNICODE at byte 0 has a bad escape"},
        {LITERAL("V\\u00\n."), "opcode UNICODE at byte 0 has a bad escape"},
        {LITERAL("V\\U00110000\n."), "opcode UNICODE at byte 0 has a bad escape"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].source.data, cases[i].source.size, PIX_EFORMAT, cases[i].text);
}

static void a_count_larger_than_the_pickle_is_refused(void **state) {
    (void)state;
    assert_refused(PIX_EFORMAT, "BINUNICODE at byte 0 needs 4294967295", "X\xff\xff\xff\xff.");
    assert_refused(PIX_EFORMAT, "BINSTRING at byte 0 needs 4294967295", "T\xff\xff\xff\xff.");
    assert_refused(PIX_EFORMAT, "BINBYTES at byte 0 needs 4294967295", "B\xff\xff\xff\xff.");
    assert_refused(PIX_EFORMAT, "LONG4 at byte 0 needs 4294967295", "\x8b\xff\xff\xff\xff.");
    assert_refused(PIX_EFORMAT, "BINUNICODE8 at byte 0 needs 18446744073709551615",
                   "\x8d\xff\xff\xff\xff\xff\xff\xff\xff.");
    assert_refused(PIX_EFORMAT, "BYTEARRAY8 at byte 0 needs",
                   "\x96\xff\xff\xff\xff\xff\xff\xff\x7f.");
    assert_refused(PIX_EFORMAT, "LONG_BINPUT at byte 1 has a memo index larger than the pickle",
                   "Nr\xff\xff\xff\xff.");
    assert_refused(PIX_EFORMAT, "PUT at byte 1 has a memo index larger", "Np4000000000\n.");
}

/* `prefix`, then `body` so many times, then `suffix`. */
static pix_bytes repeated(const literal prefix, const literal body, size_t times,
                          const literal suffix) {
    pix_bytes out = {0};
    put_bytes(&out, prefix.data, prefix.size);
    for (size_t i = 0; i < times; i++)
        put_bytes(&out, body.data, body.size);
    put_bytes(&out, suffix.data, suffix.size);
    return out;
}

static void nesting_and_sharing_cost_no_recursion_and_no_copies(void **state) {
    (void)state;
    enum { DEEP = 300000 };
    static const literal nothing = LITERAL(""), none = LITERAL("N"), stop = LITERAL("."),
                         open_list = LITERAL("]"), append = LITERAL("a"), mark = LITERAL("("),
                         pair_of_itself = LITERAL("2\x86");
    pix_bytes lists = repeated(nothing, open_list, DEEP + 1, nothing);
    for (size_t i = 0; i < DEEP; i++)
        put_bytes(&lists, append.data, append.size);
    put_opcodes(&lists, ".");
    pix_pickle *pickle = loaded(lists.data, lists.size);
    const pix_value *value = pix_pickle_top(pickle);
    size_t depth = 0;
    for (; value->list.count > 0; value = at(value, 0))
        depth++;
    assert_int_equal(depth, DEEP);
    pix_pickle_free(pickle);
    pix_bytes_free(&lists);

    pix_bytes laughs = repeated(none, pair_of_itself, 10000, stop); /* 2^10000 None */
    pickle = loaded(laughs.data, laughs.size);
    assert_ptr_equal(at(pix_pickle_top(pickle), 0), at(pix_pickle_top(pickle), 1));
    pix_pickle_free(pickle);
    pix_bytes_free(&laughs);

    pix_bytes marks = repeated(nothing, mark, DEEP, stop);
    check_refused(marks.data, marks.size, PIX_EFORMAT, "STOP at byte 300000 finds too little");
    pix_bytes_free(&marks);

    /* A hundred thousand marks, and a tuple made of what is above each. */
    static const literal tuple = LITERAL("t");
    pix_bytes tuples = repeated(nothing, mark, 100000, none);
    for (size_t i = 0; i < 100000; i++)
        put_bytes(&tuples, tuple.data, tuple.size);
    put_opcodes(&tuples, ".");
    pickle = loaded(tuples.data, tuples.size);
    value = pix_pickle_top(pickle);
    for (depth = 0; value->kind == PIX_VALUE_TUPLE; value = at(value, 0))
        depth++;
    assert_int_equal(depth, 100000);
    pix_pickle_free(pickle);
    pix_bytes_free(&tuples);

    /* Each list, and each dict, holds the one before it twice. */
    static const literal empty = LITERAL("]q\0"), list = LITERAL("0](h\0h\0eq\0"),
                         dict = LITERAL("0}(K\1h\0K\2h\0uq\0");
    laughs = repeated(empty, list, 10000, stop);
    pix_pickle_free(loaded(laughs.data, laughs.size));
    pix_bytes_free(&laughs);
    laughs = repeated(empty, dict, 10000, stop);
    pix_pickle_free(loaded(laughs.data, laughs.size));
    pix_bytes_free(&laughs);

    static const literal itself = LITERAL("]q\0h\0a.");
    value = one(itself, PIX_VALUE_LIST, &pickle);
    assert_ptr_equal(at(value, 0), value);
    pix_pickle_free(pickle);
}

static void containers_may_hold_themselves(void **state) {
    (void)state;
    pix_pickle *pickle;
    static const literal dict = LITERAL("}q\0X\1\0\0\0ah\0s.");
    const pix_value *value = one(dict, PIX_VALUE_DICT, &pickle);
    assert_ptr_equal(at(value, 1), value);
    pix_pickle_free(pickle);

    static const literal tuple = LITERAL("]q\0h\0\x85q\1ah\1.");
    /* What is left of a list that holds a tuple that holds it is refused; the tuple alone is not.
     */
    check_refused(tuple.data, tuple.size, PIX_EFORMAT, "leaves values on the stack");
    static const literal only_tuple = LITERAL("]q\0h\0\x85q\1a0h\1.");
    value = one(only_tuple, PIX_VALUE_TUPLE, &pickle);
    assert_ptr_equal(at(at(value, 0), 0), value);
    pix_pickle_free(pickle);

    static const literal object = LITERAL("c__torch__\nC\n)\x81q\0}X\1\0\0\0ah\0sb.");
    value = one(object, PIX_VALUE_OBJECT, &pickle);
    assert_ptr_equal(at(value->call.state, 1), value);
    pix_pickle_free(pickle);

    static const literal arguments = LITERAL("]q\0ctorch\ndevice\nh\0\x85Ra.");
    value = one(arguments, PIX_VALUE_LIST, &pickle);
    assert_ptr_equal(at(at(value, 0)->call.arguments, 0), value);
    pix_pickle_free(pickle);
}

/* Python would run it; here it is one more value. */
static void a_state_runs_nothing(void **state) {
    (void)state;
    pix_pickle *pickle;
    static const literal setter =
        LITERAL("c__torch__\nC\n)\x81}X\14\0\0\0__setstate__ctorch\nSize\nsbNb.");
    const pix_value *value = one(setter, PIX_VALUE_OBJECT, &pickle);
    assert_int_equal(value->call.state->kind, PIX_VALUE_NONE);
    pix_pickle_free(pickle);
    static const literal reducer = LITERAL("ctorch\ndevice\n)R}X\12\0\0\0__reduce__Nsb.");
    value = one(reducer, PIX_VALUE_CALL, &pickle);
    assert_true(pix_value_is_text(at(value->call.state, 0), "__reduce__"));
    pix_pickle_free(pickle);
    assert_refused(PIX_EFORMAT, "opcode BUILD at byte 15 gives a state to something that has none",
                   "ctorch\nSize\n}0}b.");
    assert_refused(PIX_EFORMAT, "opcode BUILD at byte 2 gives a state to something", "]}b.");
}

static void old_ways_of_calling_reach_no_further(void **state) {
    (void)state;
    assert_refused(PIX_EFORMAT, "opcode OBJ at byte 2 calls something that is not a global",
                   "(No.");
    assert_refused(PIX_EFORMAT, "opcode OBJ at byte 1 finds too little", "(o.");
    assert_refused(PIX_EFORMAT, "opcode OBJ at byte 0 finds no mark", "o.");
    assert_refused(PIX_EUNSUPPORTED, "global os system at byte 1", "(cos\nsystem\nS'ls'\no.");
    assert_refused(PIX_EUNSUPPORTED, "global __builtin__ eval at byte 1", "(i__builtin__\neval\n.");
    assert_refused(PIX_EUNSUPPORTED, "torch FloatStorage at byte 1", "(itorch\nFloatStorage\n.");
    assert_refused(PIX_EFORMAT, "opcode INST at byte 0 finds no mark", "ios\nsystem\n.");
    assert_refused(PIX_EUNSUPPORTED, "global os system", "\x8c\2os\x8c\6system\x93)\x81.");
    assert_refused(PIX_EUNSUPPORTED, "global builtins getattr", "cbuiltins\ngetattr\n(NNtR.");
    assert_refused(PIX_EUNSUPPORTED, "global torch.jit load", "ctorch.jit\nload\n.");
    assert_refused(PIX_EFORMAT, "truncated pickle: opcode GLOBAL", "cos");
    assert_refused(PIX_EFORMAT, "truncated pickle: opcode PERSID", "Pid");
    pix_pickle *pickle;
    static const literal text_id = LITERAL("Pstorage 0\n.");
    const pix_value *value = one(text_id, PIX_VALUE_PERSISTENT, &pickle);
    assert_true(pix_value_is_text(value->persistent_id, "storage 0"));
    pix_pickle_free(pickle);
}

/* Whatever bit of a pickle is wrong, it is refused in words or gives values of known kinds. */
static void a_wrong_byte_never_leads_outside(void **state) {
    (void)state;
    size_t read = 0, refused = 0;
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        for (size_t bit = 0; bit < 8 * written[i].size; bit++) {
            char copy[256];
            memcpy(copy, written[i].data, written[i].size);
            copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
            pix_pickle *pickle;
            pix_error error = {0};
            pix_status status = load(copy, written[i].size, &pickle, &error);
            assert_true(status ? !pickle && error.text[0] : pickle != NULL);
            if (pickle)
                assert_in_range(pix_pickle_top(pickle)->kind, 0, PIX_VALUE_PERSISTENT);
            read += pickle != NULL;
            refused += pickle == NULL;
            pix_pickle_free(pickle);
        }
    assert_true(read > 500 && refused > 500);
}

static void a_small_pickle_cannot_ask_for_much_memory(void **state) {
    (void)state;
    /* A dict of 65,536 entries, then copies of it until the limit. */
    static const literal open_dict = LITERAL("ccollections\nCounter\nq\0}("), entry = LITERAL("NN"),
                         close_dict = LITERAL("uq\1");
    pix_bytes bomb = repeated(open_dict, entry, 65536, close_dict);
    for (int i = 0; i < 2000; i++)
        put_bytes(&bomb, "h\0h\1\x85R", 6);
    check_refused(bomb.data, bomb.size, PIX_ELIMIT, "more than 268435456 bytes of memory");
    pix_bytes_free(&bomb);
}

static void a_pickle_of_pytorch_cut_anywhere_is_truncated(void **state) {
    (void)state;
    pix_mapping mapping;
    pix_zip *zip;
    pix_error error;
    assert_ok(pix_mapping_open(&mapping, test_golden("models/vit-p32/vit-p32.pt"), &error), &error);
    assert_ok(pix_zip_open(mapping.data, mapping.size, &zip, &error), &error);
    const pix_zip_member *member = pix_zip_find(zip, "vit-p32/data.pkl");
    assert_non_null(member);
    pix_pickle *pickle = loaded(member->data, member->size);
    assert_int_equal(pix_pickle_top(pickle)->kind, PIX_VALUE_OBJECT);
    pix_pickle_free(pickle);
    for (size_t size = 0; size < member->size; size += size < 500 ? 1 : 13)
        check_refused(member->data, size, PIX_EFORMAT, "truncated pickle");
    pix_zip_close(zip);
    pix_mapping_close(&mapping);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_protocol_of_python_gives_the_same_values),
        cmocka_unit_test(a_pickle_cut_anywhere_is_truncated),
        cmocka_unit_test(every_form_of_text_is_read),
        cmocka_unit_test(integers_of_any_width_are_read),
        cmocka_unit_test(a_global_outside_the_closed_world_is_named_with_its_byte),
        cmocka_unit_test(opcodes_outside_the_closed_world_are_named_with_their_byte),
        cmocka_unit_test(no_opcode_alone_makes_a_pickle),
        cmocka_unit_test(calls_are_kept_as_records),
        cmocka_unit_test(dicts_are_made_the_ways_python_makes_them),
        cmocka_unit_test(a_mark_with_nothing_above_it_makes_an_empty_container),
        cmocka_unit_test(what_is_not_on_the_stack_is_refused),
        cmocka_unit_test(a_count_larger_than_the_pickle_is_refused),
        cmocka_unit_test(nesting_and_sharing_cost_no_recursion_and_no_copies),
        cmocka_unit_test(containers_may_hold_themselves),
        cmocka_unit_test(a_state_runs_nothing),
        cmocka_unit_test(old_ways_of_calling_reach_no_further),
        cmocka_unit_test(a_wrong_byte_never_leads_outside),
        cmocka_unit_test(a_small_pickle_cannot_ask_for_much_memory),
        cmocka_unit_test(a_pickle_of_pytorch_cut_anywhere_is_truncated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
