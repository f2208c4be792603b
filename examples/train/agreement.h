// What the processes of a training program tell each other so that they stay alike and stop at the
// same place (launched.h). Every process makes the same calls. One process alone has nothing to
// tell.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/io/safetensors.h"
#include "layers/parameters.h"

namespace skiff {

// False once a process has received a signal that asks it to end; stop_signal is set on all then.
bool goes_on();

// AgreedError unless all processes say the same of `what`: "data".
void check_same(const std::string& what, const std::string& mine);
// At the start: the same build and options, the same kernels of OpenBLAS, and the same bits of the
// gradients of small models. `options`: what shapes the result.
void check_same_start(const std::string& options);
// At a row of metrics.csv: parameters and optimizer have the same bits.
void check_same_state(const std::vector<safetensors::Entry>& state, int64_t step);

// Parameters of process 0 for all. Mathematical functions may differ between machines.
void share_values(const Parameters& parameters);

}  // namespace skiff
