#include "core/image/decoder.h"
