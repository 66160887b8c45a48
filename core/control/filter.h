/* filter.h - a filter as JSON, as calls on the control socket carry it: pixgrepd-control(7).
 *
 * Reading is strict: a member that is not known would choose other photos than were asked for. */
#ifndef PIX_CONTROL_FILTER_H
#define PIX_CONTROL_FILTER_H

#include <jansson.h>
#include <stdio.h>

#include "core/base/error.h"
#include "core/base/filter.h"

/* The object; the same filter is always the same bytes. */
void pix_filter_write(FILE *out, const pix_filter *filter);

/* *out and all it points to is freed by pix_filter_free. */
pix_status pix_filter_read(const json_t *object, pix_filter **out, pix_error *error);
void pix_filter_free(pix_filter *filter);

#endif
