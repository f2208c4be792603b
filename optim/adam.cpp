#include "optim/adam.h"

#include <cmath>

#include "core/memory.h"
#include "core/parallel.h"

namespace skiff {
namespace {

struct AdamFactors {
  double beta1, beta2, step_size, root_correction, eps, l2, shrink, gradient_scale;
};

// p -= lr/(1-b1^t) m / (sqrt(v) / sqrt(1-b2^t) + eps)
template <class T>
void adam_kernel(Tensor p, const Tensor& gradient, Tensor m, Tensor v, AdamFactors f) {
  T *value = p.data<T>(), *first = m.data<T>(), *second = v.data<T>();
  const T* grad = gradient.data<T>();
  const T beta1 = T(f.beta1), beta2 = T(f.beta2), rest1 = T(1 - f.beta1), rest2 = T(1 - f.beta2);
  const T step_size = T(f.step_size), root_correction = T(f.root_correction), eps = T(f.eps);
  const T l2 = T(f.l2), shrink = T(f.shrink), gradient_scale = T(f.gradient_scale);
  parallel_for(p.device(), p.size(), [=] SKIFF_KERNEL(int64_t i) {
    const T x = shrink * value[i];
    const T g = gradient_scale * grad[i] + l2 * x;
    first[i] = beta1 * first[i] + rest1 * g;
    second[i] = beta2 * second[i] + rest2 * g * g;
    value[i] = x - step_size * first[i] / (std::sqrt(second[i]) * root_correction + eps);
  });
}

template <class T>
void sgd_kernel(Tensor p, const Tensor& gradient, Tensor m, double lr, const SgdOptions& options,
                double gradient_scale) {
  T *value = p.data<T>(), *velocity = m.data<T>();
  const T* grad = gradient.data<T>();
  const T rate = T(lr), momentum = T(options.momentum), l2 = T(options.weight_decay);
  const T by = T(gradient_scale);
  parallel_for(p.device(), p.size(), [=] SKIFF_KERNEL(int64_t i) {
    velocity[i] = momentum * velocity[i] + by * grad[i] + l2 * value[i];
    value[i] -= rate * velocity[i];
  });
}

// Copies saved state tensors over ours: all of them, or, with every problem in one message, none.
using Saved = std::vector<std::pair<std::string, Tensor>>;
void restore(const Saved& state, const safetensors::File& file) {
  std::string problems;
  for (const auto& [name, own] : state) {
    const Tensor* saved = file.find(name);
    std::ostringstream text;
    if (!saved)
      text << "missing '" << name << "'";
    else if (saved->shape() != own.shape() || saved->dtype() != own.dtype())
      text << "'" << name << "' is " << *saved << ", expected " << own;
    if (!text.str().empty()) problems += (problems.empty() ? "" : "; ") + text.str();
  }
  check<DataError>(problems.empty(), file.path, ": not the state of this optimizer: ", problems);
  for (auto [name, own] : state) {
    const Tensor value = file.at(name).to(own.device());
    memory::copy(own.device(), own.raw(), value.device(), value.raw(), size_t(own.bytes()));
  }
}

std::string named(const char* kind, const Parameter& p) {
  return std::string("optimizer.") + kind + "." + p.name;
}

}  // namespace

Adam::Adam(Parameters& parameters, const AdamOptions& options) : options_(options) {
  for (const Parameter& p : parameters.all())
    if (p.trained) moments_.push_back({p, zeros_like(p.variable.value()), zeros_like(p.variable.value())});
}

void Adam::step(double lr, double gradient_scale) {
  ++steps_;
  const double correction1 = 1 - std::pow(options_.beta1, double(steps_));
  const double correction2 = 1 - std::pow(options_.beta2, double(steps_));
  const AdamFactors factors{.beta1 = options_.beta1,
                            .beta2 = options_.beta2,
                            .step_size = lr / correction1,
                            .root_correction = 1 / std::sqrt(correction2),
                            .eps = options_.eps,
                            .l2 = options_.decoupled ? 0 : options_.weight_decay,
                            .shrink = options_.decoupled ? 1 - lr * options_.weight_decay : 1,
                            .gradient_scale = gradient_scale};
  for (const Moments& moments : moments_) {
    const Variable& p = moments.parameter.variable;
    if (!p.grad()) continue;
    dispatch(p.value(), [&]<class T> {
      adam_kernel<T>(p.value(), p.grad(), moments.m, moments.v, factors);
    });
  }
}

std::vector<safetensors::Entry> Adam::state() const {
  std::vector<safetensors::Entry> entries;
  for (const Moments& moments : moments_) {
    entries.push_back({named("m", moments.parameter), moments.m});
    entries.push_back({named("v", moments.parameter), moments.v});
  }
  entries.push_back({"optimizer.steps", tensor_of(std::vector<int32_t>{int32_t(steps_)}, {})});
  return entries;
}

void Adam::load(const safetensors::File& file) {
  Saved state;
  for (const Moments& moments : moments_) {
    state.emplace_back(named("m", moments.parameter), moments.m);
    state.emplace_back(named("v", moments.parameter), moments.v);
  }
  const Tensor steps({}, DType::Int32);
  state.emplace_back("optimizer.steps", steps);
  const Tensor* saved = file.find("optimizer.steps");
  check<DataError>(!saved || saved->size() != 1 || item(*saved) >= 0, file.path,
                   ": 'optimizer.steps' must not be negative");
  restore(state, file);
  steps_ = int64_t(item(steps));
}

Sgd::Sgd(Parameters& parameters, const SgdOptions& options) : options_(options) {
  for (const Parameter& p : parameters.all())
    if (p.trained) velocities_.push_back({p, zeros_like(p.variable.value())});
}

void Sgd::step(double lr, double gradient_scale) {
  for (const Velocity& velocity : velocities_) {
    const Variable& p = velocity.parameter.variable;
    if (!p.grad()) continue;
    dispatch(p.value(), [&]<class T> {
      sgd_kernel<T>(p.value(), p.grad(), velocity.m, lr, options_, gradient_scale);
    });
  }
}

std::vector<safetensors::Entry> Sgd::state() const {
  std::vector<safetensors::Entry> entries;
  for (const Velocity& velocity : velocities_)
    entries.push_back({named("momentum", velocity.parameter), velocity.m});
  return entries;
}

void Sgd::load(const safetensors::File& file) {
  Saved state;
  for (const Velocity& velocity : velocities_)
    state.emplace_back(named("momentum", velocity.parameter), velocity.m);
  restore(state, file);
}

}  // namespace skiff
