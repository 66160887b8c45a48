/* pixgrep-decode - turns photos into crops for the process that started it (protocol.h). */
#include <stdio.h>

#include "core/image/preprocess.h"
#include "core/image/service.h"

int main(void) {
    pix_error error;
    if (!pix_decode_serve(pix_preprocess, &error))
        return 0;
    (void)fprintf(stderr, "pixgrep-decode: %s\n", error.text);
    return 2;
}
