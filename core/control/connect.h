/* connect.h - the way of a client to the daemon. */
#ifndef PIX_CONTROL_CONNECT_H
#define PIX_CONTROL_CONNECT_H

#include "core/control/channel.h"

/* Connects to the daemon of the person who runs this; PIX_ENOTFOUND when there is none.  The
 * channel is closed by the caller only when this succeeds. */
pix_status pix_control_connect(pix_channel *channel, pix_error *error);

#endif
