#include "core/weights/pickle_machine.h"

#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"

pix_status pix_machine_fail(pix_machine *m, const char *cause) {
    return pix_fail(m->error, PIX_EFORMAT, "pickle opcode %s at byte %zu %s", m->opcode,
                    m->opcode_at, cause);
}

pix_status pix_machine_take(pix_machine *m, size_t size, const uint8_t **out) {
    *out = NULL;
    if (size > m->size - m->at)
        return pix_fail(
            m->error, PIX_EFORMAT,
            "truncated pickle: opcode %s at byte %zu needs %zu more bytes, %zu are left", m->opcode,
            m->opcode_at, size, m->size - m->at);
    *out = m->data + m->at;
    m->at += size;
    return PIX_OK;
}

pix_status pix_machine_take_number(pix_machine *m, size_t width, uint64_t *out) {
    const uint8_t *bytes = NULL;
    pix_status status = pix_machine_take(m, width, &bytes);
    *out = 0;
    for (size_t i = width; !status && i > 0; i--)
        *out = *out << 8 | bytes[i - 1];
    return status;
}

pix_status pix_machine_take_counted(pix_machine *m, size_t width, const char **data, size_t *size) {
    uint64_t count = 0;
    const uint8_t *bytes = NULL;
    pix_status status = pix_machine_take_number(m, width, &count);
    if (!status)
        status = pix_machine_take(m, count, &bytes);
    *data = (const char *)bytes;
    *size = count;
    return status;
}

pix_status pix_machine_take_line(pix_machine *m, const char **data, size_t *size) {
    *data = NULL;
    *size = 0;
    const uint8_t *start = m->data + m->at;
    const uint8_t *end = m->at < m->size ? memchr(start, '\n', m->size - m->at) : NULL;
    if (!end)
        return pix_fail(m->error, PIX_EFORMAT, "truncated pickle: opcode %s at byte %zu has no end",
                        m->opcode, m->opcode_at);
    *data = (const char *)start;
    *size = (size_t)(end - start);
    m->at += *size + 1;
    return PIX_OK;
}

pix_status pix_machine_take_numeral(pix_machine *m, char text[PIX_MACHINE_NUMERAL]) {
    const char *data;
    size_t size;
    pix_status status = pix_machine_take_line(m, &data, &size);
    if (status)
        return status;
    if (size >= PIX_MACHINE_NUMERAL || memchr(data, '\0', size))
        return pix_machine_fail(m, "has a bad number");
    memcpy(text, data, size);
    text[size] = '\0';
    return PIX_OK;
}

size_t pix_machine_floor(const pix_machine *m) {
    return m->mark_count > 0 ? m->marks[m->mark_count - 1] : 0;
}

pix_status pix_machine_push(pix_machine *m, pix_value *value) {
    pix_status status = pix_arena_grow(m->arena, &m->stack, &m->stack_capacity, m->depth + 1,
                                       sizeof(pix_value *), m->error);
    if (!status)
        m->stack[m->depth++] = value;
    return status;
}

pix_status pix_machine_push_new(pix_machine *m, pix_value_kind kind, pix_value **out) {
    *out = NULL;
    pix_value *value = NULL;
    pix_status status = pix_arena_take(m->arena, sizeof *value, &value, m->error);
    if (status)
        return status;
    value->kind = kind;
    *out = value;
    return pix_machine_push(m, value);
}

pix_status pix_machine_push_text(pix_machine *m, pix_value_kind kind, const char *data,
                                 size_t size) {
    pix_value *value;
    pix_status status = pix_machine_push_new(m, kind, &value);
    if (!status) {
        value->text.data = data;
        value->text.size = size;
    }
    return status;
}

pix_status pix_machine_pop(pix_machine *m, pix_value **out) {
    *out = NULL;
    if (m->depth <= pix_machine_floor(m))
        return pix_machine_fail(m, "finds too little on the stack");
    *out = m->stack[--m->depth];
    return PIX_OK;
}

pix_status pix_machine_peek(pix_machine *m, pix_value **out) {
    *out = NULL;
    if (m->depth <= pix_machine_floor(m))
        return pix_machine_fail(m, "finds too little on the stack");
    *out = m->stack[m->depth - 1];
    return PIX_OK;
}

pix_status pix_machine_pop_mark(pix_machine *m, pix_value ***items, size_t *count) {
    *items = NULL;
    *count = 0;
    if (m->mark_count == 0)
        return pix_machine_fail(m, "finds no mark");
    size_t start = m->marks[--m->mark_count];
    *count = m->depth - start;
    if (*count > 0)
        *items = m->stack + start;
    m->depth = start;
    return PIX_OK;
}

pix_status pix_machine_list_add(pix_machine *m, pix_value *list, pix_value *const *items,
                                size_t count) {
    size_t need;
    if (!pix_size_add(list->list.count, count, &need))
        return pix_fail_memory(m->error);
    if (need > list->list.capacity) {
        size_t capacity = list->list.count > 0 ? 2 * need : need;
        const pix_value **copy = NULL;
        pix_status status =
            pix_arena_take(m->arena, capacity * sizeof(pix_value *), &copy, m->error);
        if (status)
            return status;
        if (list->list.count > 0)
            memcpy(copy, list->list.items, list->list.count * sizeof(pix_value *));
        list->list.items = copy;
        list->list.capacity = capacity;
    }
    for (size_t i = 0; i < count; i++)
        list->list.items[list->list.count++] = items[i];
    return PIX_OK;
}

pix_status pix_machine_push_list(pix_machine *m, pix_value_kind kind, pix_value *const *items,
                                 size_t count) {
    pix_value *list = NULL;
    pix_status status = pix_arena_take(m->arena, sizeof *list, &list, m->error);
    if (status)
        return status;
    list->kind = kind;
    if (count > 0)
        status = pix_machine_list_add(m, list, items, count);
    return status ? status : pix_machine_push(m, list);
}

pix_status pix_machine_extend(pix_machine *m, pix_value_kind kind, pix_value *const *items,
                              size_t count) {
    pix_value *list;
    pix_status status = pix_machine_peek(m, &list);
    if (status)
        return status;
    if (list->kind != kind) {
        char cause[96];
        (void)snprintf(cause, sizeof cause, "wants %s and finds %s", pix_value_kind_name(kind),
                       pix_value_kind_name(list->kind));
        return pix_machine_fail(m, cause);
    }
    if (kind == PIX_VALUE_DICT && count % 2 != 0)
        return pix_machine_fail(m, "has a key without a value");
    return pix_machine_list_add(m, list, items, count);
}

/* Picklers number from 0 without gaps, and each PUT takes two bytes or more: an index beyond the
 * pickle's size is a bomb. */
pix_status pix_machine_put(pix_machine *m, uint64_t index) {
    pix_value *value;
    pix_status status = pix_machine_peek(m, &value);
    if (status)
        return status;
    if (index >= m->size)
        return pix_machine_fail(m, "has a memo index larger than the pickle");
    status =
        pix_arena_grow(m->arena, &m->memo, &m->memo_size, index + 1, sizeof(pix_value *), m->error);
    if (status)
        return status;
    m->memo_next += m->memo[index] ? 0 : 1;
    m->memo[index] = value;
    return PIX_OK;
}

pix_status pix_machine_get(pix_machine *m, uint64_t index) {
    if (index >= m->memo_size || !m->memo[index])
        return pix_machine_fail(m, "asks for a value that was never memoized");
    return pix_machine_push(m, m->memo[index]);
}
