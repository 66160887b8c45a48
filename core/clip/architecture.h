/* architecture.h - which of the published architectures a model's sizes are those of. */
#ifndef PIX_CLIP_ARCHITECTURE_H
#define PIX_CLIP_ARCHITECTURE_H

#include "core/clip/config.h"

/* "ViT-B/32": the name of that one of OpenAI's nine models whose every size it has; NULL when it is
 * none of these.  Weights and activation may be others. */
const char *pix_clip_architecture(const pix_clip_config *config);

#endif
