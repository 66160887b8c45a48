#include "core/clip/config.h"
