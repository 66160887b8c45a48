#include "core/weights/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/weights/globals.h"
#include "core/weights/pickle_machine.h"
#include "core/weights/pickle_scalars.h"

/* A checkpoint's pickle has a few thousand values; this is room for millions. */
static const size_t memory_limit = (size_t)256 << 20;

struct pix_pickle {
    pix_arena arena;
    const pix_value *top;
};

static pix_status op_proto(pix_machine *m) {
    uint64_t version = 0;
    pix_status status = pix_machine_take_number(m, 1, &version);
    if (!status && version > 5)
        return pix_fail(m->error, PIX_EUNSUPPORTED, "pickle protocol %llu",
                        (unsigned long long)version);
    return status;
}

static pix_status op_frame(pix_machine *m) {
    uint64_t size;
    return pix_machine_take_number(m, 8, &size);
}

static pix_status op_stop(pix_machine *m) {
    pix_value *top;
    pix_status status = pix_machine_pop(m, &top);
    if (status)
        return status;
    if (m->depth > 0 || m->mark_count > 0)
        return pix_machine_fail(m, "leaves values on the stack");
    m->result = top;
    return PIX_OK;
}

static pix_status op_mark(pix_machine *m) {
    pix_status status = pix_arena_grow(m->arena, &m->marks, &m->mark_capacity, m->mark_count + 1,
                                       sizeof *m->marks, m->error);
    if (!status)
        m->marks[m->mark_count++] = m->depth;
    return status;
}

/* POP right after a MARK takes the mark away. */
static pix_status op_pop(pix_machine *m) {
    if (m->mark_count > 0 && m->depth == pix_machine_floor(m)) {
        m->mark_count--;
        return PIX_OK;
    }
    pix_value *value;
    return pix_machine_pop(m, &value);
}

static pix_status op_pop_mark(pix_machine *m) {
    pix_value **items;
    size_t count;
    return pix_machine_pop_mark(m, &items, &count);
}

static pix_status op_dup(pix_machine *m) {
    pix_value *value;
    pix_status status = pix_machine_peek(m, &value);
    return status ? status : pix_machine_push(m, value);
}

static pix_status op_empty_tuple(pix_machine *m) {
    return pix_machine_push_list(m, PIX_VALUE_TUPLE, NULL, 0);
}

static pix_status op_empty_list(pix_machine *m) {
    return pix_machine_push_list(m, PIX_VALUE_LIST, NULL, 0);
}

static pix_status op_empty_set(pix_machine *m) {
    return pix_machine_push_list(m, PIX_VALUE_SET, NULL, 0);
}

static pix_status op_empty_dict(pix_machine *m) {
    return pix_machine_push_list(m, PIX_VALUE_DICT, NULL, 0);
}

static pix_status push_marked(pix_machine *m, pix_value_kind kind) {
    pix_value **items;
    size_t count;
    pix_status status = pix_machine_pop_mark(m, &items, &count);
    if (!status && kind == PIX_VALUE_DICT && count % 2 != 0)
        status = pix_machine_fail(m, "has a key without a value");
    return status ? status : pix_machine_push_list(m, kind, items, count);
}

static pix_status op_tuple(pix_machine *m) {
    return push_marked(m, PIX_VALUE_TUPLE);
}

static pix_status op_list(pix_machine *m) {
    return push_marked(m, PIX_VALUE_LIST);
}

static pix_status op_dict(pix_machine *m) {
    return push_marked(m, PIX_VALUE_DICT);
}

static pix_status op_frozenset(pix_machine *m) {
    return push_marked(m, PIX_VALUE_SET);
}

static pix_status pix_machine_push_tuple(pix_machine *m, size_t count) {
    if (m->depth - pix_machine_floor(m) < count)
        return pix_machine_fail(m, "finds too little on the stack");
    m->depth -= count;
    return pix_machine_push_list(m, PIX_VALUE_TUPLE, m->stack + m->depth, count);
}

static pix_status op_tuple1(pix_machine *m) {
    return pix_machine_push_tuple(m, 1);
}

static pix_status op_tuple2(pix_machine *m) {
    return pix_machine_push_tuple(m, 2);
}

static pix_status op_tuple3(pix_machine *m) {
    return pix_machine_push_tuple(m, 3);
}

static pix_status pix_machine_extend_marked(pix_machine *m, pix_value_kind kind) {
    pix_value **items;
    size_t count;
    pix_status status = pix_machine_pop_mark(m, &items, &count);
    return status ? status : pix_machine_extend(m, kind, items, count);
}

static pix_status op_append(pix_machine *m) {
    pix_value *item;
    pix_status status = pix_machine_pop(m, &item);
    return status ? status : pix_machine_extend(m, PIX_VALUE_LIST, &item, 1);
}

static pix_status op_appends(pix_machine *m) {
    return pix_machine_extend_marked(m, PIX_VALUE_LIST);
}

static pix_status op_additems(pix_machine *m) {
    return pix_machine_extend_marked(m, PIX_VALUE_SET);
}

static pix_status op_setitem(pix_machine *m) {
    pix_value *pair[2];
    pix_status status = pix_machine_pop(m, &pair[1]);
    if (!status)
        status = pix_machine_pop(m, &pair[0]);
    return status ? status : pix_machine_extend(m, PIX_VALUE_DICT, pair, 2);
}

static pix_status op_setitems(pix_machine *m) {
    return pix_machine_extend_marked(m, PIX_VALUE_DICT);
}

static pix_status op_binput(pix_machine *m) {
    uint64_t index;
    pix_status status = pix_machine_take_number(m, 1, &index);
    return status ? status : pix_machine_put(m, index);
}

static pix_status op_long_binput(pix_machine *m) {
    uint64_t index;
    pix_status status = pix_machine_take_number(m, 4, &index);
    return status ? status : pix_machine_put(m, index);
}

static pix_status op_binget(pix_machine *m) {
    uint64_t index;
    pix_status status = pix_machine_take_number(m, 1, &index);
    return status ? status : pix_machine_get(m, index);
}

static pix_status op_long_binget(pix_machine *m) {
    uint64_t index;
    pix_status status = pix_machine_take_number(m, 4, &index);
    return status ? status : pix_machine_get(m, index);
}

static pix_status take_index_line(pix_machine *m, uint64_t *index) {
    char text[PIX_MACHINE_NUMERAL];
    int64_t number = 0;
    pix_status status = pix_machine_take_numeral(m, text);
    if (!status && pix_parse_integer(text, 0, UINT32_MAX, &number))
        status = pix_machine_fail(m, "has a bad number");
    *index = (uint64_t)number;
    return status;
}

static pix_status op_put(pix_machine *m) {
    uint64_t index;
    pix_status status = take_index_line(m, &index);
    return status ? status : pix_machine_put(m, index);
}

static pix_status op_get(pix_machine *m) {
    uint64_t index;
    pix_status status = take_index_line(m, &index);
    return status ? status : pix_machine_get(m, index);
}

static pix_status op_memoize(pix_machine *m) {
    return pix_machine_put(m, m->memo_next);
}

static pix_status refuse_global(pix_machine *m, const char *name) {
    return pix_fail(m->error, PIX_EUNSUPPORTED,
                    "pickle asks for the global %.200s at byte %zu, which is not allowed: weights "
                    "do not need it",
                    name, m->opcode_at);
}

static pix_status push_global(pix_machine *m, const char *module, size_t module_size,
                              const char *name, size_t name_size) {
    char *full = NULL;
    pix_status status = pix_arena_take(m->arena, module_size + name_size + 2, &full, m->error);
    if (status)
        return status;
    memcpy(full, module, module_size);
    full[module_size] = ' ';
    memcpy(full + module_size + 1, name, name_size);
    size_t size = module_size + 1 + name_size;
    if (strlen(full) != size || pix_global_find(full) == PIX_GLOBAL_REFUSED)
        return refuse_global(m, full);
    return pix_machine_push_text(m, PIX_VALUE_GLOBAL, full, size);
}

static pix_status take_global(pix_machine *m) {
    const char *module, *name = NULL;
    size_t module_size, name_size = 0;
    pix_status status = pix_machine_take_line(m, &module, &module_size);
    if (!status)
        status = pix_machine_take_line(m, &name, &name_size);
    return status ? status : push_global(m, module, module_size, name, name_size);
}

static pix_status op_stack_global(pix_machine *m) {
    pix_value *module = NULL, *name = NULL;
    pix_status status = pix_machine_pop(m, &name);
    if (!status)
        status = pix_machine_pop(m, &module);
    if (status)
        return status;
    if (module->kind != PIX_VALUE_TEXT || name->kind != PIX_VALUE_TEXT)
        return pix_machine_fail(m, "finds no names on the stack");
    return push_global(m, module->text.data, module->text.size, name->text.data, name->text.size);
}

static bool is_list(const pix_value *value) {
    return value->kind == PIX_VALUE_LIST || value->kind == PIX_VALUE_TUPLE;
}

/* OrderedDict(), OrderedDict([(k, v), ...]), Counter({k: v}), defaultdict(factory). */
static pix_status call_dict(pix_machine *m, const pix_value *arguments) {
    pix_status status = pix_machine_push_list(m, PIX_VALUE_DICT, NULL, 0);
    if (status || arguments->list.count == 0)
        return status;
    pix_value *dict = m->stack[m->depth - 1];
    const pix_value *given = arguments->list.items[0];
    if (given->kind == PIX_VALUE_DICT)
        return pix_machine_list_add(m, dict, (pix_value *const *)given->list.items,
                                    given->list.count);
    if (given->kind == PIX_VALUE_GLOBAL || given->kind == PIX_VALUE_NONE)
        return PIX_OK;
    if (!is_list(given))
        return pix_machine_fail(m, "makes a dict of something else");
    for (size_t i = 0; i < given->list.count && !status; i++) {
        const pix_value *pair = given->list.items[i];
        if (!is_list(pair) || pair->list.count != 2)
            return pix_machine_fail(m, "makes a dict of something else");
        status = pix_machine_list_add(m, dict, (pix_value *const *)pair->list.items, 2);
    }
    return status;
}

/* Pushes what stands for callee(*arguments). */
static pix_status call(pix_machine *m, pix_value *callee, pix_value *arguments) {
    if (callee->kind != PIX_VALUE_GLOBAL)
        return pix_machine_fail(m, "calls something that is not a global");
    pix_global_use use = pix_global_find(callee->text.data);
    /* Only TorchScript writes anything but a tuple: the value of an enumeration. */
    if (arguments->kind != PIX_VALUE_TUPLE && use != PIX_GLOBAL_OBJECT)
        return pix_machine_fail(m, "calls a global without a tuple of arguments");
    if (use == PIX_GLOBAL_DATA)
        return refuse_global(m, callee->text.data);
    if (use == PIX_GLOBAL_DICT)
        return call_dict(m, arguments);
    if (use == PIX_GLOBAL_FIRST) {
        if (arguments->list.count == 0)
            return pix_machine_fail(m, "calls a global without arguments");
        return pix_machine_push(m, (pix_value *)arguments->list.items[0]);
    }
    pix_value *result;
    pix_status status = pix_machine_push_new(
        m, use == PIX_GLOBAL_OBJECT ? PIX_VALUE_OBJECT : PIX_VALUE_CALL, &result);
    if (!status) {
        result->call.callee = callee;
        result->call.arguments = arguments;
    }
    return status;
}

/* REDUCE and NEWOBJ: callee, arguments. */
static pix_status op_call(pix_machine *m) {
    pix_value *callee = NULL, *arguments = NULL;
    pix_status status = pix_machine_pop(m, &arguments);
    if (!status)
        status = pix_machine_pop(m, &callee);
    return status ? status : call(m, callee, arguments);
}

/* class, arguments, keyword arguments */
static pix_status op_newobj_ex(pix_machine *m) {
    pix_value *keywords;
    pix_status status = pix_machine_pop(m, &keywords);
    if (status)
        return status;
    if (keywords->kind != PIX_VALUE_DICT || keywords->list.count > 0)
        return pix_machine_fail(m, "has keyword arguments");
    return op_call(m);
}

/* MARK, arguments; the class follows the opcode. */
static pix_status op_inst(pix_machine *m) {
    pix_status status = push_marked(m, PIX_VALUE_TUPLE);
    if (!status)
        status = take_global(m);
    if (status)
        return status;
    pix_value *callee = m->stack[--m->depth];
    pix_value *arguments = m->stack[--m->depth];
    return call(m, callee, arguments);
}

/* MARK, class, arguments */
static pix_status op_obj(pix_machine *m) {
    pix_value **items;
    size_t count;
    pix_status status = pix_machine_pop_mark(m, &items, &count);
    if (status)
        return status;
    if (count == 0)
        return pix_machine_fail(m, "finds too little on the stack");
    pix_value *callee = items[0];
    status = pix_machine_push_list(m, PIX_VALUE_TUPLE, items + 1, count - 1);
    return status ? status : call(m, callee, m->stack[--m->depth]);
}

/* Gives an object its state.  An OrderedDict's, attributes such as _metadata, does not matter here.
 */
static pix_status op_build(pix_machine *m) {
    pix_value *state = NULL, *object = NULL;
    pix_status status = pix_machine_pop(m, &state);
    if (!status)
        status = pix_machine_peek(m, &object);
    if (status)
        return status;
    if (object->kind == PIX_VALUE_OBJECT || object->kind == PIX_VALUE_CALL)
        object->call.state = state;
    else if (object->kind != PIX_VALUE_DICT)
        return pix_machine_fail(m, "gives a state to something that has none");
    return PIX_OK;
}

static pix_status push_persistent(pix_machine *m, const pix_value *id) {
    pix_value *value;
    pix_status status = pix_machine_push_new(m, PIX_VALUE_PERSISTENT, &value);
    if (!status)
        value->persistent_id = id;
    return status;
}

static pix_status op_binpersid(pix_machine *m) {
    pix_value *id;
    pix_status status = pix_machine_pop(m, &id);
    return status ? status : push_persistent(m, id);
}

static pix_status op_persid(pix_machine *m) {
    const char *data;
    size_t size;
    pix_status status = pix_machine_take_line(m, &data, &size);
    if (!status)
        status = pix_machine_push_text(m, PIX_VALUE_TEXT, data, size);
    return status ? status : op_binpersid(m);
}

/* Python's Lib/pickletools.py names them so.  Those without a function are refused: extension codes
 * stand for names registered elsewhere, buffers for data outside the pickle. */
static const struct {
    const char *name;
    pix_status (*run)(pix_machine *m);
} opcodes[256] = {
    ['I'] = {"INT", pix_op_int},
    ['J'] = {"BININT", pix_op_binint},
    ['K'] = {"BININT1", pix_op_binint1},
    ['M'] = {"BININT2", pix_op_binint2},
    ['L'] = {"LONG", pix_op_long},
    [0x8A] = {"LONG1", pix_op_long1},
    [0x8B] = {"LONG4", pix_op_long4},
    ['S'] = {"STRING", pix_op_string},
    ['T'] = {"BINSTRING", pix_op_text4},
    ['U'] = {"SHORT_BINSTRING", pix_op_text1},
    ['B'] = {"BINBYTES", pix_op_bytes4},
    ['C'] = {"SHORT_BINBYTES", pix_op_bytes1},
    [0x8E] = {"BINBYTES8", pix_op_bytes8},
    [0x96] = {"BYTEARRAY8", pix_op_bytes8},
    [0x97] = {"NEXT_BUFFER", NULL},
    [0x98] = {"READONLY_BUFFER", NULL},
    ['N'] = {"NONE", pix_op_none},
    [0x88] = {"NEWTRUE", pix_op_true},
    [0x89] = {"NEWFALSE", pix_op_false},
    ['V'] = {"UNICODE", pix_op_unicode},
    [0x8C] = {"SHORT_BINUNICODE", pix_op_text1},
    ['X'] = {"BINUNICODE", pix_op_text4},
    [0x8D] = {"BINUNICODE8", pix_op_text8},
    ['F'] = {"FLOAT", pix_op_float},
    ['G'] = {"BINFLOAT", pix_op_binfloat},
    [']'] = {"EMPTY_LIST", op_empty_list},
    ['a'] = {"APPEND", op_append},
    ['e'] = {"APPENDS", op_appends},
    ['l'] = {"LIST", op_list},
    [')'] = {"EMPTY_TUPLE", op_empty_tuple},
    ['t'] = {"TUPLE", op_tuple},
    [0x85] = {"TUPLE1", op_tuple1},
    [0x86] = {"TUPLE2", op_tuple2},
    [0x87] = {"TUPLE3", op_tuple3},
    ['}'] = {"EMPTY_DICT", op_empty_dict},
    ['d'] = {"DICT", op_dict},
    ['s'] = {"SETITEM", op_setitem},
    ['u'] = {"SETITEMS", op_setitems},
    [0x8F] = {"EMPTY_SET", op_empty_set},
    [0x90] = {"ADDITEMS", op_additems},
    [0x91] = {"FROZENSET", op_frozenset},
    ['0'] = {"POP", op_pop},
    ['2'] = {"DUP", op_dup},
    ['('] = {"MARK", op_mark},
    ['1'] = {"POP_MARK", op_pop_mark},
    ['g'] = {"GET", op_get},
    ['h'] = {"BINGET", op_binget},
    ['j'] = {"LONG_BINGET", op_long_binget},
    ['p'] = {"PUT", op_put},
    ['q'] = {"BINPUT", op_binput},
    ['r'] = {"LONG_BINPUT", op_long_binput},
    [0x94] = {"MEMOIZE", op_memoize},
    [0x82] = {"EXT1", NULL},
    [0x83] = {"EXT2", NULL},
    [0x84] = {"EXT4", NULL},
    ['c'] = {"GLOBAL", take_global},
    [0x93] = {"STACK_GLOBAL", op_stack_global},
    ['R'] = {"REDUCE", op_call},
    ['b'] = {"BUILD", op_build},
    ['i'] = {"INST", op_inst},
    ['o'] = {"OBJ", op_obj},
    [0x81] = {"NEWOBJ", op_call},
    [0x92] = {"NEWOBJ_EX", op_newobj_ex},
    [0x80] = {"PROTO", op_proto},
    ['.'] = {"STOP", op_stop},
    [0x95] = {"FRAME", op_frame},
    ['P'] = {"PERSID", op_persid},
    ['Q'] = {"BINPERSID", op_binpersid},
};

static pix_status run(pix_machine *m) {
    while (!m->result) {
        if (m->at == m->size)
            return pix_fail(m->error, PIX_EFORMAT, "truncated pickle: no STOP in its %zu bytes",
                            m->size);
        m->opcode_at = m->at++;
        uint8_t opcode = m->data[m->opcode_at];
        m->opcode = opcodes[opcode].name;
        if (!m->opcode)
            return pix_fail(m->error, PIX_EFORMAT, "unknown pickle opcode 0x%02x at byte %zu",
                            opcode, m->opcode_at);
        if (!opcodes[opcode].run)
            return pix_fail(m->error, PIX_EUNSUPPORTED,
                            "pickle opcode %s at byte %zu is not allowed: weights do not need it",
                            m->opcode, m->opcode_at);
        pix_status status = opcodes[opcode].run(m);
        if (status)
            return status;
    }
    return PIX_OK;
}

pix_status pix_pickle_load(const uint8_t *data, size_t size, pix_pickle **out, pix_error *error) {
    *out = NULL;
    pix_pickle *pickle = calloc(1, sizeof *pickle);
    if (!pickle)
        return pix_fail_memory(error);
    pickle->arena.limit = memory_limit;
    pix_machine m = {.data = data, .size = size, .arena = &pickle->arena, .error = error};
    pix_status status = run(&m);
    free((void *)m.stack);
    free(m.marks);
    free((void *)m.memo);
    if (status) {
        pix_pickle_free(pickle);
        return status;
    }
    pickle->top = m.result;
    *out = pickle;
    return PIX_OK;
}

void pix_pickle_free(pix_pickle *pickle) {
    if (!pickle)
        return;
    pix_arena_free(&pickle->arena);
    free(pickle);
}

const pix_value *pix_pickle_top(const pix_pickle *pickle) {
    return pickle->top;
}

const char *pix_value_kind_name(pix_value_kind kind) {
    static const char *const names[] = {
        [PIX_VALUE_NONE] = "None",
        [PIX_VALUE_BOOL] = "a truth value",
        [PIX_VALUE_INTEGER] = "an integer",
        [PIX_VALUE_BIG_INTEGER] = "a large integer",
        [PIX_VALUE_REAL] = "a number",
        [PIX_VALUE_TEXT] = "a text",
        [PIX_VALUE_BYTES] = "bytes",
        [PIX_VALUE_TUPLE] = "a tuple",
        [PIX_VALUE_LIST] = "a list",
        [PIX_VALUE_SET] = "a set",
        [PIX_VALUE_DICT] = "a dict",
        [PIX_VALUE_GLOBAL] = "a global",
        [PIX_VALUE_CALL] = "the result of a call",
        [PIX_VALUE_OBJECT] = "an object",
        [PIX_VALUE_PERSISTENT] = "a storage",
    };
    return names[kind];
}

bool pix_value_is_text(const pix_value *value, const char *text) {
    return value->kind == PIX_VALUE_TEXT && value->text.size == strlen(text) &&
           memcmp(value->text.data, text, value->text.size) == 0;
}

bool pix_value_is_global(const pix_value *value, const char *name) {
    return value->kind == PIX_VALUE_GLOBAL && strcmp(value->text.data, name) == 0;
}
