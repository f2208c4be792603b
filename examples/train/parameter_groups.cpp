#include "examples/train/parameter_groups.h"

#include "layers/mixers.h"

namespace skiff {

std::function<bool(const Parameter&)> decaying_of(Decaying decaying, const std::string& embedding) {
  if (decaying == Decaying::All) return {};
  return [=](const Parameter& p) {
    if (is_of_kernel(p)) return false;
    const bool matrix = p.variable.rank() == 2 && p.name.ends_with("weight") && p.name != embedding;
    return matrix || decaying == Decaying::Trunk;
  };
}

std::function<double(const Parameter&)> rates_of(double kernel_lr) {
  if (kernel_lr == 1) return {};
  return [=](const Parameter& p) { return is_of_kernel(p) ? kernel_lr : 1; };
}

}  // namespace skiff
