/* pickle_machine.h - the machine pickles are written for (Lib/pickletools.py): bytes of input, a
 * stack with marks, a memo.  What pickle.c and pickle_scalars.c give their opcodes to work on.
 *
 * Functions that fail leave a message naming the current opcode and its byte. */
#ifndef PIX_WEIGHTS_PICKLE_MACHINE_H
#define PIX_WEIGHTS_PICKLE_MACHINE_H

#include "core/weights/arena.h"
#include "core/weights/pickle.h"

typedef struct pix_machine {
    const uint8_t *data;
    size_t size;
    size_t at;          /* the next byte */
    size_t opcode_at;   /* where the current opcode stands */
    const char *opcode; /* and its name */
    pix_arena *arena;   /* values live here; stack, marks and memo are charged to it */
    pix_value **stack;
    size_t depth, stack_capacity;
    size_t *marks; /* depth of the stack at each MARK */
    size_t mark_count, mark_capacity;
    pix_value **memo;
    size_t memo_size;
    size_t memo_next;        /* what MEMOIZE numbers */
    const pix_value *result; /* once STOP was met */
    pix_error *error;
} pix_machine;

/* "pickle opcode NAME at byte N CAUSE", PIX_EFORMAT. */
pix_status pix_machine_fail(pix_machine *m, const char *cause);

/* Input: `size` bytes; a little-endian number of `width` bytes; bytes with their count, such a
 * number, before them; bytes up to a newline, which is consumed and not counted; a short such line
 * as a C string. */
enum { PIX_MACHINE_NUMERAL = 64 };
pix_status pix_machine_take(pix_machine *m, size_t size, const uint8_t **out);
pix_status pix_machine_take_number(pix_machine *m, size_t width, uint64_t *out);
pix_status pix_machine_take_counted(pix_machine *m, size_t width, const char **data, size_t *size);
pix_status pix_machine_take_line(pix_machine *m, const char **data, size_t *size);
pix_status pix_machine_take_numeral(pix_machine *m, char text[PIX_MACHINE_NUMERAL]);

/* Values.  Nothing below the last MARK can be popped. */
size_t pix_machine_floor(const pix_machine *m);
pix_status pix_machine_push(pix_machine *m, pix_value *value);
pix_status pix_machine_push_new(pix_machine *m, pix_value_kind kind, pix_value **out);
pix_status pix_machine_push_text(pix_machine *m, pix_value_kind kind, const char *data,
                                 size_t size);
pix_status pix_machine_pop(pix_machine *m, pix_value **out);
pix_status pix_machine_peek(pix_machine *m, pix_value **out);

/* Takes the last MARK away; what was above it is `count` items at *items, valid until the next
 * push.
 */
pix_status pix_machine_pop_mark(pix_machine *m, pix_value ***items, size_t *count);

/* A new container of `count` values; they may be what was popped last. */
pix_status pix_machine_push_list(pix_machine *m, pix_value_kind kind, pix_value *const *items,
                                 size_t count);
pix_status pix_machine_list_add(pix_machine *m, pix_value *list, pix_value *const *items,
                                size_t count);
/* Adds to the container on top, which must be of this kind. */
pix_status pix_machine_extend(pix_machine *m, pix_value_kind kind, pix_value *const *items,
                              size_t count);

/* The memo: remembers the value on top, pushes a remembered one. */
pix_status pix_machine_put(pix_machine *m, uint64_t index);
pix_status pix_machine_get(pix_machine *m, uint64_t index);

#endif
