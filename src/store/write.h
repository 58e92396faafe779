// The store takes the Write of base/write.h, so that managers need no header of the store.
#pragma once

#include "base/write.h"
