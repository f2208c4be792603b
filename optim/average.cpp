#include "optim/average.h"

#include <algorithm>

#include "autograd/ops/arithmetic.h"
#include "core/memory.h"

namespace skiff {

namespace {

void copy(Tensor to, const Tensor& from) {
  memory::copy(to.device(), to.raw(), from.device(), from.raw(), size_t(to.bytes()));
}

}  // namespace

Average::Average(Parameters& parameters, double decay) : decay_(decay) {
  check<UsageError>(decay >= 0 && decay < 1, "average: the decay must lie in [0, 1), got ", decay);
  for (const Parameter& p : parameters.all()) pairs_.push_back({p, p.variable.value().clone()});
}

void Average::restart() {
  steps_ = 0;
  for (const Pair& pair : pairs_) copy(pair.average, pair.parameter.variable.value());
}

void Average::update() {
  const Tape::Pause pause;
  const Profile::Pause whole;  // whoever measures an update measures it as one
  const double t = double(steps_++), d = std::min(decay_, (1 + t) / (10 + t));
  for (const Pair& pair : pairs_) {
    const Variable average(pair.average), value(pair.parameter.variable.value());
    copy(pair.average, (average + (1 - d) * (value - average)).value());
  }
}

void Average::swap() {
  for (const Pair& pair : pairs_) {
    const Tensor value = pair.parameter.variable.value(), kept = value.clone();
    copy(value, pair.average);
    copy(pair.average, kept);
  }
}

std::vector<safetensors::Entry> Average::state() const {
  std::vector<safetensors::Entry> entries;
  for (const Pair& pair : pairs_)
    entries.push_back({"optimizer.average." + pair.parameter.name, pair.average});
  entries.push_back(
      {"optimizer.average_steps", tensor_of(std::vector<int32_t>{int32_t(steps_)}, {})});
  return entries;
}

void Average::load(const safetensors::File& file) {
  for (const Pair& pair : pairs_) {
    const std::string name = "optimizer.average." + pair.parameter.name;
    const Tensor* saved = file.find(name);
    check<DataError>(saved, file.path, ": '", name, "' is missing");
    check<DataError>(
        saved->shape() == pair.average.shape() && saved->dtype() == pair.average.dtype(), file.path,
        ": '", name, "' must be like ", pair.average, ", got ", *saved);
  }
  const Tensor* steps = file.find("optimizer.average_steps");
  check<DataError>(steps, file.path, ": 'optimizer.average_steps' is missing");
  check<DataError>(steps->dtype() == DType::Int32 && steps->size() == 1, file.path,
                   ": 'optimizer.average_steps' must be one int32, got ", *steps);
  check<DataError>(item(*steps) >= 0, file.path,
                   ": 'optimizer.average_steps' must not be negative, got ", item(*steps));
  for (const Pair& pair : pairs_)
    copy(pair.average, file.at("optimizer.average." + pair.parameter.name));
  steps_ = int64_t(item(*steps));
}

}  // namespace skiff
