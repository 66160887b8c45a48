/* pickle_scalars.h - the opcodes that push one constant: numbers, texts, bytes.
 *
 * Names are those of Lib/pickletools.py, except that texts and bytes are told apart only by the
 * width of the count before them: BINSTRING, BINUNICODE and their kin are all text here. */
#ifndef PIX_WEIGHTS_PICKLE_SCALARS_H
#define PIX_WEIGHTS_PICKLE_SCALARS_H

#include "core/weights/pickle_machine.h"

pix_status pix_op_none(pix_machine *m);
pix_status pix_op_true(pix_machine *m);
pix_status pix_op_false(pix_machine *m);
pix_status pix_op_binint1(pix_machine *m);
pix_status pix_op_binint2(pix_machine *m);
pix_status pix_op_binint(pix_machine *m);
pix_status pix_op_long1(pix_machine *m);
pix_status pix_op_long4(pix_machine *m);
pix_status pix_op_int(pix_machine *m);
pix_status pix_op_long(pix_machine *m);
pix_status pix_op_float(pix_machine *m);
pix_status pix_op_binfloat(pix_machine *m);
pix_status pix_op_text1(pix_machine *m);
pix_status pix_op_text4(pix_machine *m);
pix_status pix_op_text8(pix_machine *m);
pix_status pix_op_bytes1(pix_machine *m);
pix_status pix_op_bytes4(pix_machine *m);
pix_status pix_op_bytes8(pix_machine *m);
pix_status pix_op_string(pix_machine *m);
pix_status pix_op_unicode(pix_machine *m);

#endif
