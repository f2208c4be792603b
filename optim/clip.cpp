#include "optim/clip.h"

#include <cmath>

#include "core/parallel.h"

namespace skiff {
namespace {

constexpr int64_t kBlock = 1 << 14;

int64_t blocks_of(const Tensor& g) { return (g.size() + kBlock - 1) / kBlock; }

// part[first + b] = sum of g^2 over block b
template <class T>
void squares(const Tensor& g, Tensor& part, int64_t first) {
  const T* values = g.data<T>();
  double* out = part.data<double>() + first;
  const int64_t n = g.size();
  parallel_rows(g.device(), blocks_of(g), kBlock, [=] SKIFF_KERNEL(Row row) {
    const int64_t begin = row.index * kBlock, left = n - begin;
    out[row.index] = row.sum(left < kBlock ? left : kBlock, [&](int64_t j) {
      return double(values[begin + j]) * double(values[begin + j]);
    });
  });
}

}  // namespace

double gradient_norm(const Parameters& parameters) {
  std::vector<Tensor> gradients;
  int64_t blocks = 0;
  for (const Parameter& p : parameters.all()) {
    if (!p.trained || !p.variable.grad()) continue;
    gradients.push_back(p.variable.grad());
    blocks += blocks_of(gradients.back());
  }
  Tensor part({blocks}, DType::Float64, parameters.device());  // one transfer from the device
  int64_t first = 0;
  for (const Tensor& g : gradients) {
    dispatch(g, [&]<class T> { squares<T>(g, part, first); });
    first += blocks_of(g);
  }
  double sum = 0;
  for (const double s : to_vector(part)) sum += s;
  return std::sqrt(sum);
}

double clip_factor(double norm, double limit) {
  return limit > 0 && norm > limit ? limit / norm : 1;
}

}  // namespace skiff
