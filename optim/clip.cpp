#include "optim/clip.h"

#include <cmath>

#include "core/parallel.h"

namespace skiff {
namespace {

constexpr int64_t kBlock = 1 << 14;

// part[b] = sum of g^2 over block b
template <class T>
void squares(const Tensor& g, Tensor& part) {
  const T* values = g.data<T>();
  double* out = part.data<double>();
  const int64_t n = g.size();
  parallel_rows(g.device(), part.size(), kBlock, [=] SKIFF_KERNEL(Row row) {
    const int64_t begin = row.index * kBlock, left = n - begin;
    out[row.index] = row.sum(left < kBlock ? left : kBlock, [&](int64_t j) {
      return double(values[begin + j]) * double(values[begin + j]);
    });
  });
}

}  // namespace

double gradient_norm(const Parameters& parameters) {
  double sum = 0;
  for (const Parameter& p : parameters.all()) {
    if (!p.trained || !p.variable.grad()) continue;
    const Tensor& g = p.variable.grad();
    Tensor part({(g.size() + kBlock - 1) / kBlock}, DType::Float64, g.device());
    dispatch(g, [&]<class T> { squares<T>(g, part); });
    for (const double s : to_vector(part)) sum += s;
  }
  return std::sqrt(sum);
}

double clip_factor(double norm, double limit) {
  return limit > 0 && norm > limit ? limit / norm : 1;
}

}  // namespace skiff
