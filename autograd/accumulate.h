// Adds a gradient to a slot. The first one is kept as it is. A later one is added into the memory
// of the sum, or the sum into that of the new one: whichever no other Tensor holds. An op may
// return the same tensor twice, or one that it has saved, and who asked for a gradient may have
// kept it; where both are held elsewhere, the sum gets memory of its own. Returns whether it did.
#pragma once

#include "autograd/tape.h"

namespace skiff {
bool accumulate(GradSlot& slot, Tensor g);
}
