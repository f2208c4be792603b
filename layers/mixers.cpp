#include "layers/options.h"

namespace skiff {

std::vector<std::string> mixer_names() { return {"ski", "tno", "fd", "attention"}; }

}  // namespace skiff
