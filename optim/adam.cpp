#include "optim/adam.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

#include "core/memory.h"
#include "core/parallel.h"

namespace skiff {
namespace {

struct AdamFactors {
  double beta1, beta2, step_size, root_correction, eps, l2, shrink, gradient_scale;
};

// p -= lr/(1-b1^t) m / (sqrt(v) / sqrt(1-b2^t) + eps)
template <class T>
struct AdamUpdate {
  T beta1, beta2, rest1, rest2, step_size, root_correction, eps, l2, shrink, gradient_scale;
  explicit AdamUpdate(const AdamFactors& f)
      : beta1(T(f.beta1)),
        beta2(T(f.beta2)),
        rest1(T(1 - f.beta1)),
        rest2(T(1 - f.beta2)),
        step_size(T(f.step_size)),
        root_correction(T(f.root_correction)),
        eps(T(f.eps)),
        l2(T(f.l2)),
        shrink(T(f.shrink)),
        gradient_scale(T(f.gradient_scale)) {}
  SKIFF_HOST_DEVICE void operator()(T& value, const T& grad, T& first, T& second) const {
    const T x = shrink * value;
    const T g = gradient_scale * grad + l2 * x;
    first = beta1 * first + rest1 * g;
    second = beta2 * second + rest2 * g * g;
    value = x - step_size * first / (std::sqrt(second) * root_correction + eps);
  }
};

struct AdamTensors {
  Tensor value, grad, first, second;
};

template <class T>
void update_one(AdamTensors& t, const AdamUpdate<T>& update) {
  T *value = t.value.data<T>(), *first = t.first.data<T>(), *second = t.second.data<T>();
  const T* grad = std::as_const(t.grad).data<T>();
  parallel_for(Device::CPU, t.value.size(),
               [=] SKIFF_KERNEL(int64_t i) { update(value[i], grad[i], first[i], second[i]); });
}

#ifdef SKIFF_CUDA_SOURCE
// All parameters in one launch: a block takes a piece of one, each thread 16 bytes at a time.
template <class T>
struct Piece {
  T *value, *first, *second;
  const T* grad;
  int64_t n;
};
constexpr int64_t kPiece = 4096;

template <class T>
__global__ void __launch_bounds__(cuda::kThreads)
    adam_kernel(const Piece<T>* pieces, AdamUpdate<T> update) {
  constexpr int kWidth = cuda::Pack<T>::kSize;
  const Piece<T> p = pieces[blockIdx.x];
  cuda::Pack<T>*values = cuda::packs(p.value), *firsts = cuda::packs(p.first);
  cuda::Pack<T>* seconds = cuda::packs(p.second);
  const cuda::Pack<T>* grads = cuda::packs(p.grad);
  const int64_t count = p.n / kWidth;
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) {
    cuda::Pack<T> value = values[i], first = firsts[i], second = seconds[i];
    const cuda::Pack<T> grad = grads[i];
#pragma unroll
    for (int j = 0; j < kWidth; ++j) update(value.v[j], grad.v[j], first.v[j], second.v[j]);
    values[i] = value;
    firsts[i] = first;
    seconds[i] = second;
  }
  for (int64_t i = count * kWidth + threadIdx.x; i < p.n; i += blockDim.x)
    update(p.value[i], p.grad[i], p.first[i], p.second[i]);
}

template <class T>
void update_on_cuda(std::vector<AdamTensors>& all, const AdamUpdate<T>& update) {
  std::vector<Piece<T>> pieces;
  for (AdamTensors& t : all)
    for (int64_t i = 0; i < t.value.size(); i += kPiece)
      pieces.push_back({t.value.data<T>() + i, t.first.data<T>() + i, t.second.data<T>() + i,
                        t.grad.data<T>() + i, std::min(kPiece, t.value.size() - i)});
  if (pieces.empty()) return;
  const int64_t count = int64_t(pieces.size());
  Tensor table({count, int64_t(sizeof(Piece<T>) / sizeof(int32_t))}, DType::Int32);
  std::memcpy(table.raw(), pieces.data(), size_t(table.bytes()));
  const Tensor on_device = table.to(Device::CUDA);
  cuda::launch({count}, adam_kernel<T>, static_cast<const Piece<T>*>(on_device.raw()), update);
}
#endif

template <class T>
void update_all(std::vector<AdamTensors>& all, const AdamFactors& factors) {
  const AdamUpdate<T> update(factors);
#ifdef SKIFF_CUDA_SOURCE
  if (all.front().value.device() == Device::CUDA) return update_on_cuda(all, update);
#endif
  for (AdamTensors& t : all) update_one(t, update);
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

// Copies the saved tensors into those of `state`; none of them if any is missing or does not fit.
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
    if (p.trained)
      moments_.push_back({p, zeros_like(p.variable.value()), zeros_like(p.variable.value()),
                          !options.decays || options.decays(p),
                          options.rate ? options.rate(p) : 1});
}

void Adam::step(double lr, double gradient_scale) {
  ++steps_;
  const double correction1 = 1 - std::pow(options_.beta1, double(steps_));
  const double correction2 = 1 - std::pow(options_.beta2, double(steps_));
  std::map<std::pair<double, bool>, std::vector<AdamTensors>> groups;  // by rate and decay
  for (const Moments& moments : moments_) {
    const Variable& p = moments.parameter.variable;
    if (p.grad())
      groups[{moments.rate, moments.decays}].push_back({p.value(), p.grad(), moments.m, moments.v});
  }
  for (auto& [group, tensors] : groups) {
    const auto [rate, decays] = group;
    const double own_lr = rate * lr, decay = decays ? options_.weight_decay : 0;
    const AdamFactors factors{.beta1 = options_.beta1,
                              .beta2 = options_.beta2,
                              .step_size = own_lr / correction1,
                              .root_correction = 1 / std::sqrt(correction2),
                              .eps = options_.eps,
                              .l2 = options_.decoupled ? 0 : decay,
                              .shrink = options_.decoupled ? 1 - own_lr * decay : 1,
                              .gradient_scale = gradient_scale};
    std::vector<AdamTensors>& all = tensors;
    dispatch(all.front().value, [&]<class T> { update_all<T>(all, factors); });
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
  if (saved && saved->dtype() == DType::Int32 && saved->size() == 1)
    check<DataError>(item(*saved) >= 0, file.path, ": 'optimizer.steps' must not be negative, got ",
                     item(*saved));
  restore(state, file);
  steps_ = int64_t(item(steps));
}

Sgd::Sgd(Parameters& parameters, const SgdOptions& options) : options_(options) {
  for (const Parameter& p : parameters.all())
    if (p.trained)
      velocities_.push_back(
          {p, zeros_like(p.variable.value()), options.rate ? options.rate(p) : 1});
}

void Sgd::step(double lr, double gradient_scale) {
  for (const Velocity& velocity : velocities_) {
    const Variable& p = velocity.parameter.variable;
    if (!p.grad()) continue;
    dispatch(p.value(), [&]<class T> {
      sgd_kernel<T>(p.value(), p.grad(), velocity.m, velocity.rate * lr, options_, gradient_scale);
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
