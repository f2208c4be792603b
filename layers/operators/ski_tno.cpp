#include "layers/operators/ski_tno.h"

#include <cmath>

namespace skiff {
namespace {

double base_of(const SkiTnoConfig& c) {
  if (c.warp == Warp::Gamma) return c.gamma;
  check<UsageError>(c.train_length >= 1, "ski: warp 'auto' needs the training length");
  if (c.train_length == 1) return 1;
  return std::pow(double(c.rank), -1.0 / double(c.train_length - 1));
}

// (1, channels, 1, r) -> (r, channels)
Variable as_rows(const Variable& v) { return transpose(reshape(v, {v.size(1), v.size(3)}), 0, 1); }

}  // namespace

SkiTno::SkiTno(Scope s, const SkiTnoConfig& c) : config(c) {
  check<UsageError>(c.rank >= 2, "ski: rank must be at least 2, got ", c.rank);
  check<UsageError>(c.taps >= 1, "ski: at least 1 tap is needed, got ", c.taps);
  const double base = base_of(c);
  check<UsageError>(base > 0 && base <= 1, "ski: the warp base must lie in (0, 1], got ", base);
  const int64_t m = c.taps | 1, kept = c.causal ? (m + 1) / 2 : m;
  const Initializer taps = normal(c.scaled ? 1 / std::sqrt(double(m)) : 1);
  const Initializer table = normal(c.scaled ? 1 / std::sqrt(double(c.rank)) : 1);
  table_scale = c.scaled ? double(c.rank) / double(std::max(c.train_length, c.rank)) : 1;
  conv_kernel = s.parameter("conv_kernel", {c.channels, kept}, taps);
  alphas = s.parameter("alphas", {1, c.channels, 1, c.rank}, table);
  if (!c.causal) betas = s.parameter("betas", {1, c.channels, 1, c.rank}, table);
  gamma = s.buffer("gamma", {}, constant(base));
}

Variable SkiTno::knot_values(int64_t n) const {
  const int64_t r = config.rank;
  const double H = double(n - 1) / double(r - 1);  // between knots; 0 when n = 1
  std::vector<double> lags;
  for (int64_t s = 0; s < r; ++s) lags.push_back(double(s) * H);
  const Variable middle = zeros({1, config.channels}, alphas.dtype(), alphas.device());
  const Variable right = table_scale * as_rows(alphas);
  if (config.causal)
    return warped_kernel(concat({middle, right}, 0), lags, warp_base(), Direction::Causal);
  lags.push_back(0);  // the row that is no lag
  for (int64_t s = r - 1; s >= 1; --s) lags.push_back(-double(s) * H);
  const Variable table = concat({table_scale * as_rows(betas), middle, right}, 0);
  return warped_kernel(table, lags, warp_base(), Direction::Bidirectional);
}

Variable SkiTno::published_product(const Variable& x, int64_t axis) const {
  const int64_t n = x.size(axis);
  const InterpolationMatrix W{.n = n, .r = config.rank, .published = true, .gamma = config.gamma};
  const Variable z = interpolate_adjoint(x, W, axis);  // (.., r, ..)
  const Variable s = toeplitz(knot_values(n), z, Direction::Bidirectional, axis);
  const Variable c = transpose(conv_kernel, 0, 1);
  return conv1d(x, c, Direction::Bidirectional, axis) + interpolate(s, W, axis);
}

Variable SkiTno::causal_product(const Variable& x, int64_t axis) const {
  const int64_t n = x.size(axis), taps = std::min(conv_kernel.size(1), n);
  const Variable smooth = linear_resize(knot_values(n), n, Resize::AlignedEnds, 0);  // (n, D)
  Variable near = slice(transpose(conv_kernel, 0, 1), 0, 0, taps);
  if (taps < n) near = concat({near, zeros({n - taps, config.channels}, x.dtype(), x.device())}, 0);
  return toeplitz(smooth + near, x, Direction::Causal, axis);
}

Variable SkiTno::operator()(const Variable& x, int64_t axis) const {
  check(x.size(axis) >= 1, "ski: a sequence needs at least 1 position, got ", x.value());
  if (config.causal) return causal_product(x, axis);
  if (config.published) return published_product(x, axis);
  return ski(x, transpose(conv_kernel, 0, 1), knot_values(x.size(axis)), axis);
}

}  // namespace skiff
