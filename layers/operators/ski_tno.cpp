#include "layers/operators/ski_tno.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "layers/mixers.h"

namespace skiff {
namespace {

double base_of(const MixerShape& shape, const KernelOptions& kernel, const SkiOptions& o) {
  if (o.warp == Warp::Gamma) return kernel.gamma;
  check<UsageError>(shape.train_length >= 1, "ski: warp 'auto' needs the training length");
  if (shape.train_length == 1) return 1;
  return std::pow(double(o.inducing_points), -1.0 / double(shape.train_length - 1));
}

// (1, channels, 1, r) -> (r, channels)
Variable as_rows(const Variable& v) { return transpose(reshape(v, {v.size(1), v.size(3)}), 0, 1); }

}  // namespace

SkiTno::SkiTno(const Scope& s, const MixerShape& shape, const KernelOptions& kernel,
               const SkiOptions& o)
    : channels(shape.channels),
      train_length(shape.train_length),
      kernel_options(kernel),
      options(o) {
  const int64_t r = o.inducing_points;
  check<UsageError>(r >= 2, "ski: at least 2 inducing points are needed, got ", r);
  check<UsageError>(o.filter >= 1, "ski: the filter must have at least length 1, got ", o.filter);
  const double base = base_of(shape, kernel, o);
  check<UsageError>(base > 0 && base <= 1, "ski: the warp base must lie in (0, 1], got ", base);
  const int64_t m = o.filter | 1, kept = kernel.causal ? (m + 1) / 2 : m;
  const Initializer filter = normal(o.scaled ? 1 / std::sqrt(double(m)) : 1);
  const Initializer table = normal(o.scaled ? 1 / std::sqrt(double(r)) : 1);
  table_scale = o.scaled ? double(r) / double(std::max(shape.train_length, r)) : 1;
  conv_kernel = s.parameter("conv_kernel", {channels, kept}, filter);
  alphas = s.parameter("alphas", {1, channels, 1, r}, table);
  if (!kernel.causal) betas = s.parameter("betas", {1, channels, 1, r}, table);
  gamma = s.buffer("gamma", {}, constant(base));
}

Variable SkiTno::inducing_kernel(int64_t n) const {
  const int64_t r = options.inducing_points;
  const double H = double(n - 1) / double(r - 1);  // between inducing points; 0 when n = 1
  std::vector<double> lags;
  for (int64_t s = 0; s < r; ++s) lags.push_back(double(s) * H);
  const Variable middle = zeros({1, channels}, alphas.dtype(), alphas.device());
  const Variable right = table_scale * as_rows(alphas);
  const Direction direction = kernel_options.direction();
  if (direction == Direction::Causal)
    return warped_kernel(concat({middle, right}, 0), lags, warp_base(), direction);
  lags.push_back(0);  // the row that is no lag
  for (int64_t s = r - 1; s >= 1; --s) lags.push_back(-double(s) * H);
  const Variable table = concat({table_scale * as_rows(betas), middle, right}, 0);
  return warped_kernel(table, lags, warp_base(), direction);
}

Variable SkiTno::published_product(const Variable& x, int64_t axis) const {
  const int64_t n = x.size(axis);
  const InterpolationMatrix W{
      .n = n, .r = options.inducing_points, .published = true, .gamma = kernel_options.gamma};
  const Variable z = interpolate_adjoint(x, W, axis);  // (.., r, ..)
  const Variable s = toeplitz(inducing_kernel(n), z, Direction::Bidirectional, axis);
  const Variable c = transpose(conv_kernel, 0, 1);
  return conv1d(x, c, Direction::Bidirectional, axis) + interpolate(s, W, axis);
}

Variable SkiTno::causal_product(const Variable& x, int64_t axis) const {
  const int64_t n = x.size(axis), kept = std::min(conv_kernel.size(1), n);
  const Variable smooth = linear_resize(inducing_kernel(n), n, Resize::AlignedEnds, 0);  // (n, D)
  Variable near = slice(transpose(conv_kernel, 0, 1), 0, 0, kept);
  if (kept < n) near = concat({near, zeros({n - kept, channels}, x.dtype(), x.device())}, 0);
  return toeplitz(smooth + near, x, Direction::Causal, axis);
}

LinearPieces SkiTno::causal_pieces(int64_t lags, Beyond beyond) const {
  check<UsageError>(kernel_options.causal, "ski: only a causal operator has a causal kernel");
  check<UsageError>(lags >= 1, "ski: a kernel needs at least 1 lag, got ", lags);
  const Tape::Pause pause;
  const int64_t r = options.inducing_points;
  const int64_t n = beyond == Beyond::Rescale ? lags : std::max(train_length, int64_t(1));
  const double H = n > 1 ? double(n - 1) / double(r - 1) : 1;
  // Enough points for the last lag; a quotient that is whole up to rounding needs no more.
  const int64_t last = std::max(int64_t(std::ceil(double(lags - 1) / H - 1e-9)), int64_t(1));
  std::vector<double> points;
  for (int64_t j = 0; j <= last; ++j) points.push_back(double(j) * H);
  const Variable middle = zeros({1, channels}, alphas.dtype(), alphas.device());
  const Variable table = concat({middle, table_scale * as_rows(alphas)}, 0);
  const Variable values = warped_kernel(table, points, warp_base(), Direction::Causal);
  const int64_t kept = std::min(conv_kernel.size(1), lags);
  const Variable filter = slice(transpose(conv_kernel, 0, 1), 0, 0, kept);
  return {.points = values.value().to(Device::CPU).to(DType::Float64),
          .filter = filter.value().to(Device::CPU).to(DType::Float64),
          .distance = H,
          .lags = lags};
}

Tensor SkiTno::causal_taps(int64_t lags, Beyond beyond) const {
  const LinearPieces k = causal_pieces(lags, beyond);
  const double* points = k.points.data<double>();
  Tensor taps({lags, channels}, DType::Float64);
  for (int64_t l = 0; l < lags; ++l) {
    const int64_t j = std::min(int64_t(double(l) / k.distance), k.points.size(0) - 2);
    const double w = double(l) / k.distance - double(j);
    for (int64_t c = 0; c < channels; ++c) {
      const double near = l < k.filter.size(0) ? k.filter.data<double>()[l * channels + c] : 0;
      taps.data<double>()[l * channels + c] =
          (1 - w) * points[j * channels + c] + w * points[(j + 1) * channels + c] + near;
    }
  }
  return taps.to(alphas.dtype()).to(alphas.device());
}

Variable SkiTno::operator()(const Variable& x, int64_t axis) const {
  check(x.size(axis) >= 1, "ski: a sequence needs at least 1 position, got ", x.value());
  if (kernel_options.causal) return causal_product(x, axis);
  if (options.form == SkiForm::Published) return published_product(x, axis);
  return ski(x, transpose(conv_kernel, 0, 1), inducing_kernel(x.size(axis)), axis);
}

MixerEntry ski_mixer() {
  return {.name = "ski",
          .hint = "Toeplitz operator as a short filter plus interpolation between inducing points",
          .make = [](const Scope& s, const MixerShape& shape,
                     const ModelOptions& o) -> std::unique_ptr<Mixer> {
            return std::make_unique<SkiTno>(s, shape, o.kernel, o.ski);
          },
          .options =
              [](const ModelOptions& o) {
                std::vector<std::string> names = field_names(o.ski);
                const bool published = !o.kernel.causal && o.ski.form == SkiForm::Published;
                if (o.ski.warp == Warp::Gamma || published) names.push_back("gamma");
                if (o.kernel.causal) std::erase(names, "ski");  // there is one causal form
                return names;
              }};
}

}  // namespace skiff
