#include "core/text/clean.h"
