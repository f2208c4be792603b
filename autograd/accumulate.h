// Adds a gradient to a slot: the first one is kept as it is, the second makes a buffer of our own,
// later ones are added into that, unless somebody else holds it by now. (An op may return the same
// tensor twice, so a buffer that we did not make is never written.)
#pragma once

#include "autograd/tape.h"

namespace skiff {
void accumulate(GradSlot& slot, const Tensor& g);
}
