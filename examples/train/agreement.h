// What the processes of a training program tell each other so that they stay alike and stop at the
// same place (launched.h). Every process makes the same calls. One process alone has nothing to
// tell.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/io/safetensors.h"
#include "layers/parameters.h"

namespace skiff {

// A stage, as together(), but first on one process of every host, then on the others: what the
// first ones leave in a cache, these find there.
void together_by_host(const std::function<void()>& stage);

// False once a process has received a signal that asks it to end; stop_signal is set on all then.
bool goes_on();

// AgreedError unless all processes say the same of `what`: "data".
void check_same(const std::string& what, const std::string& mine);
// At the start: the same build and options, the same kernels of OpenBLAS, and the same bits of the
// gradients of small models. `options`: what shapes the result.
void check_same_start(const std::string& options);
// Before a row of metrics.csv and before a checkpoint: parameters and optimizer have the same bits.
void check_same_state(const std::vector<safetensors::Entry>& state, int64_t step);

// Parameters of process 0 for all. Mathematical functions may differ between machines.
void share_values(const Parameters& parameters);

}  // namespace skiff
