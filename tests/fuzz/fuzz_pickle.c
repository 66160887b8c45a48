/* Any bytes as a pickle; what it gives is walked, to a bounded depth, so that every text and list
 * is touched. */
#include "core/weights/globals.h"
#include "core/weights/pickle.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_DEPTH = 8, MAX_VISITS = 10000 };

static unsigned read_text(const pix_value *value) {
    unsigned sum = 0;
    for (size_t i = 0; i < value->text.size; i++)
        sum += (unsigned char)value->text.data[i];
    if (value->kind == PIX_VALUE_GLOBAL)
        demand(strlen(value->text.data) == value->text.size &&
               pix_global_find(value->text.data) != PIX_GLOBAL_REFUSED);
    return sum;
}

static unsigned walk(const pix_value *value, int depth, int *visits) {
    unsigned sum = (unsigned)pix_value_kind_name(value->kind)[0];
    if (depth == MAX_DEPTH || ++*visits > MAX_VISITS)
        return sum;
    switch (value->kind) {
    case PIX_VALUE_BIG_INTEGER:
    case PIX_VALUE_TEXT:
    case PIX_VALUE_BYTES:
    case PIX_VALUE_GLOBAL:
        sum += read_text(value);
        break;
    case PIX_VALUE_TUPLE:
    case PIX_VALUE_LIST:
    case PIX_VALUE_SET:
    case PIX_VALUE_DICT:
        demand(value->kind != PIX_VALUE_DICT || value->list.count % 2 == 0);
        for (size_t i = 0; i < value->list.count; i++)
            sum += walk(value->list.items[i], depth + 1, visits);
        break;
    case PIX_VALUE_CALL:
    case PIX_VALUE_OBJECT:
        demand(value->call.callee->kind == PIX_VALUE_GLOBAL);
        sum += walk(value->call.callee, depth + 1, visits);
        sum += walk(value->call.arguments, depth + 1, visits);
        if (value->call.state)
            sum += walk(value->call.state, depth + 1, visits);
        break;
    case PIX_VALUE_PERSISTENT:
        sum += walk(value->persistent_id, depth + 1, visits);
        break;
    case PIX_VALUE_NONE:
    case PIX_VALUE_BOOL:
    case PIX_VALUE_INTEGER:
    case PIX_VALUE_REAL:
        break;
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pix_pickle *pickle;
    pix_error error = {0};
    pix_status status = pix_pickle_load(data, size, &pickle, &error);
    if (status) {
        demand(!pickle);
        demand_reason(status, &error);
        return 0;
    }
    int visits = 0;
    volatile unsigned used = walk(pix_pickle_top(pickle), 0, &visits);
    (void)used;
    pix_pickle_free(pickle);
    return 0;
}
