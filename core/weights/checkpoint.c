#include "core/weights/checkpoint.h"
