/* classify.h - pixgrep --classify: which of some labels fits each picture, and how probably.
 *
 * Probabilities are CLIP's own: the softmax over all labels of the model's logit scale times the
 * cosines.  They compare the labels given and add up to 1, whether or not any of them fits. */
#ifndef PIX_QUERY_CLASSIFY_H
#define PIX_QUERY_CLASSIFY_H

#include <stdio.h>

#include "core/base/error.h"
#include "query/options.h"

/* Writes the options->k most probable labels of each picture, in the order of the pictures; of
 * equally probable ones the first in the list comes first.  JSON: one object a picture,
 * {"path":..., "labels":[{"label":...,"probability":...,"score":...},...]} or
 * {"path":...,"error":"..."} (path_base64 when the path is not UTF-8).  Lines: path, tab,
 * probability, tab, label, the path and two tabs after a failure.  Table: the path, then its
 * labels.  The picture "-" stands for paths read from `in`.  Plain failures, notes and, on a
 * terminal, how far the labels are go to `notes`. With filters the
 * pictures are the photos of the index that pass them, by path, and their stored vectors are used:
 * no picture is read.  *done counts pictures, *failed those of them that failed; what is wrong with
 * a label or a template ends it all. */
pix_status pix_classify(const pix_query_options *options, pix_query_format format, FILE *in,
                        FILE *out, FILE *notes, size_t *done, size_t *failed, pix_error *error);

#endif
