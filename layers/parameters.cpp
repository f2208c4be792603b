#include "layers/parameters.h"

#include <algorithm>
#include <map>

#include "core/memory.h"
#include "core/random.h"

namespace skiff {
namespace {
Tensor scaled(const Tensor& x, double factor, double offset) {  // float64, in place
  Tensor y = x;
  double* v = y.data<double>();
  for (int64_t i = 0; i < y.size(); ++i) v[i] = factor * v[i] + offset;
  return y;
}
}  // namespace

Initializer uniform(double bound) {
  return [=](Shape shape, DType dtype, uint64_t seed, uint64_t stream) {
    return scaled(random_uniform(shape, DType::Float64, seed, stream), 2 * bound, -bound).to(dtype);
  };
}
Initializer normal(double deviation) {
  return [=](Shape shape, DType dtype, uint64_t seed, uint64_t stream) {
    return scaled(random_normal(shape, DType::Float64, seed, stream), deviation, 0).to(dtype);
  };
}
Initializer constant(double value) {
  return [=](Shape shape, DType dtype, uint64_t, uint64_t) { return full(shape, value, dtype); };
}

safetensors::File with_prefixes(safetensors::File file,
                                const std::vector<std::pair<std::string, std::string>>& prefixes) {
  for (safetensors::Entry& e : file.tensors) {
    const auto fits = [&](const auto& pair) { return e.name.starts_with(pair.first); };
    const auto pair = std::find_if(prefixes.begin(), prefixes.end(), fits);
    if (pair != prefixes.end()) e.name = pair->second + e.name.substr(pair->first.size());
  }
  return file;
}

Scope Parameters::root() { return Scope(this, ""); }

const Parameter* Parameters::find(const std::string& name) const {
  for (const Parameter& p : entries_)
    if (p.name == name) return &p;
  return nullptr;
}

int64_t Parameters::trained_count() const {
  int64_t count = 0;
  for (const Parameter& p : entries_)
    if (p.trained) count += p.variable.size();
  return count;
}

void Parameters::zero_grad() {
  for (const Parameter& p : entries_) p.variable.zero_grad();
}

std::vector<Tensor> Parameters::take_gradients() {
  std::vector<Tensor> gradients;
  for (const Parameter& p : entries_)
    if (p.trained) gradients.push_back(p.variable.take_grad());
  return gradients;
}

void Parameters::set_gradients(std::vector<Tensor> gradients) {
  auto next = gradients.begin();
  for (const Parameter& p : entries_)
    if (p.trained) p.variable.set_grad(next == gradients.end() ? Tensor() : std::move(*next++));
}

Variable Parameters::add(const std::string& name, Shape shape, const Initializer& initial,
                         bool trained) {
  check(find(name) == nullptr, "parameters: the name '", name, "' is taken");
  const Tensor value = initial(shape, dtype_, seed_, hash_name(name)).to(device_);
  entries_.push_back({name, trained ? Variable::leaf(value) : Variable(value), trained});
  return entries_.back().variable;
}

std::vector<safetensors::Entry> Parameters::values() const {
  std::vector<safetensors::Entry> values;
  for (const Parameter& p : entries_) values.push_back({p.name, p.variable.value()});
  return values;
}

void Parameters::load(const safetensors::File& file, const std::vector<std::string>& ignored) {
  constexpr int kShown = 5;
  std::string problems;
  int count = 0;
  const auto report = [&](const auto&... parts) {
    if (++count > kShown) return;
    std::ostringstream line;
    (line << ... << parts);
    problems += (problems.empty() ? "" : "; ") + line.str();
  };
  for (const Parameter& p : entries_) {
    const Tensor* value = file.find(p.name);
    const Tensor& own = p.variable.value();
    if (!value)
      report("missing '", p.name, "' ", own.shape());
    else if (value->shape() != own.shape() || value->is_real() != own.is_real())
      report("'", p.name, "' is ", *value, ", expected ", own);
  }
  for (const safetensors::Entry& e : file.tensors) {
    const bool known =
        find(e.name) || std::any_of(ignored.begin(), ignored.end(),
                                    [&](auto& prefix) { return e.name.starts_with(prefix); });
    if (!known) report("unknown '", e.name, "'");
  }
  if (count > kShown) problems += "; and " + std::to_string(count - kShown) + " more";
  check<DataError>(problems.empty(), file.path, ": not a checkpoint of this model: ", problems);
  for (const Parameter& p : entries_) {
    Tensor own = p.variable.value();
    const Tensor value = file.at(p.name).to(own.dtype()).to(own.device());
    memory::copy(own.device(), own.raw(), value.device(), value.raw(), size_t(own.bytes()));
  }
}

}  // namespace skiff
