#include "layers/operators/tno.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "layers/mixers.h"

namespace skiff {
namespace {

std::variant<Rpe, LraRpe> make_rpe(const Scope& s, int64_t channels, const RpeOptions& rpe,
                                   TnoNetwork network) {
  if (network == TnoNetwork::Lra) return LraRpe(s / "dpb", rpe.width, channels, rpe.inputs());
  return Rpe(s / "rpe", rpe, channels);
}

// What the network is fed for each lag. Lag 0 is position 0 (or exp 0) whatever n.
std::vector<double> positions_of(const std::vector<double>& lags, Positions kind, int64_t n) {
  std::vector<double> positions = lags;
  if (kind == Positions::Lag) return positions;
  for (double& p : positions) {
    if (n > 1) p /= double(n - 1);
    if (kind == Positions::Exponential) p = std::exp(p);
  }
  return positions;
}

std::vector<double> logarithms_of(const std::vector<double>& lags) {
  std::vector<double> logarithms;
  for (const double l : lags) logarithms.push_back(std::copysign(std::log1p(std::abs(l)), l));
  return logarithms;
}

// Decay::Spectrum: values (heads, 1, channels / heads), which are (channels) in order.
Initializer spectrum() {
  return [](Shape shape, DType dtype, uint64_t, uint64_t) {
    Tensor g(shape, DType::Float64);
    const int64_t channels = g.size();
    for (int64_t c = 0; c < channels; ++c)
      g.data<double>()[c] =
          10 * c >= 9 * channels ? 1 : 1 - std::exp2(-(1 + 10 * double(c) / double(channels)));
    return g.to(dtype);
  };
}

}  // namespace

Tno::Tno(const Scope& s, const MixerShape& shape, const KernelOptions& kernel, const TnoOptions& o)
    : channels(shape.channels),
      train_length(shape.train_length),
      kernel_options(kernel),
      options(o),
      rpe(make_rpe(s, channels, kernel.rpe, o.network)) {
  check<UsageError>(o.heads >= 1 && channels % o.heads == 0, "tno: ", o.heads,
                    " heads do not divide ", channels, " channels");
  check<UsageError>(kernel.gamma >= 0 && kernel.gamma <= 1, "tno: gamma must lie in [0, 1], got ",
                    kernel.gamma);
  check<UsageError>(o.max_lag >= 0, "tno: max_lag must not be negative, got ", o.max_lag);
  check<UsageError>(kernel.causal || o.positions != Positions::Exponential,
                    "tno: exponential positions exist for causal models only");
  const Shape groups{o.heads, 1, channels / o.heads};
  if (o.decay == Decay::Learned) gamma = s.parameter("gamma", groups, normal(1));
  if (o.decay == Decay::Fixed) gamma = s.buffer("gamma", groups, constant(kernel.gamma));
  if (o.decay == Decay::Spectrum) gamma = s.buffer("gamma", groups, spectrum());
}

Variable Tno::decay(const std::vector<double>& lags) const {
  if (options.decay == Decay::Learned) {
    std::vector<double> distances = lags;
    for (double& d : distances) d = std::abs(d);
    const double least = kernel_options.gamma;
    return powers((1 - least) * sigmoid(reshape(gamma, {channels})) + least, distances);
  }
  // The buffer, not the option: a checkpoint may hold another decay.
  const std::vector<double>& g = gamma_values_.of(gamma.value());
  if (g == fixed_.gamma && lags == fixed_.lags) return fixed_.table;
  if (g != fixed_.gamma) fixed_.powers.clear();
  std::vector<double>& powers = fixed_.powers;
  const int64_t distances = int64_t(*std::max_element(lags.begin(), lags.end())) + 1;
  for (int64_t lag = int64_t(powers.size()) / channels; lag < distances; ++lag) {
    for (size_t d = 0; d < g.size(); ++d) {
      // Neighbouring channels usually share their decay.
      const bool same = d > 0 && g[d] == g[d - 1];
      powers.push_back(same ? powers.back() : std::pow(g[d], double(lag)));
    }
  }
  Tensor table({int64_t(lags.size()), channels}, DType::Float64);
  double* out = table.data<double>();
  for (const double lag : lags)
    out = std::copy_n(powers.begin() + int64_t(std::abs(lag)) * channels, channels, out);
  fixed_.gamma = g;
  fixed_.lags = lags;
  fixed_.table = table.to(gamma.dtype()).to(gamma.device());
  return fixed_.table;
}

Variable Tno::kernel(int64_t n, int64_t length) const {
  check<UsageError>(n >= 1, "tno: a kernel needs at least 1 lag, got ", n);
  const bool causal = kernel_options.causal;
  const int64_t reach = options.max_lag > 0 ? std::min(options.max_lag, n - 1) : n - 1;
  std::vector<double> lags;
  for (int64_t l = 0; l <= reach; ++l) lags.push_back(double(l));
  if (!causal)
    for (int64_t l = reach; l >= 1; --l) lags.push_back(-double(l));

  const Variable& weight =
      std::visit([](const auto& net) -> const Variable& { return net.pos_proj.weight; }, rpe);
  const std::vector<double> positions =
      positions_of(lags, options.positions, length > 0 ? length : n);
  const Variable s =
      kernel_options.rpe.input == KernelInput::Log
          ? position_columns(positions, logarithms_of(lags), weight.dtype(), weight.device())
          : position_column(positions, weight.dtype(), weight.device());
  Variable t = std::visit([&](const auto& net) { return net(s); }, rpe);  // (lags, channels)
  if (options.decay != Decay::None) t = t * decay(lags);
  t = activate(options.activation, t);

  // [lags 0 .. reach | zeros | lags -reach .. -1]; the zeros hold at least the row that is no lag.
  const int64_t zero_rows = (causal ? n : 2 * n) - int64_t(lags.size());
  if (zero_rows == 0) return t;
  const Variable gap = zeros({zero_rows, channels}, weight.dtype(), weight.device());
  if (causal || reach == 0) return concat({t, gap}, 0);
  return concat({slice(t, 0, 0, reach + 1), gap, slice(t, 0, reach + 1, t.size(0))}, 0);
}

Tensor Tno::causal_taps(int64_t lags, Beyond beyond) const {
  check<UsageError>(kernel_options.causal && !options.normalize,
                    "tno: only a causal operator without normalisation has a causal kernel");
  const Tape::Pause pause;
  return kernel(lags, beyond == Beyond::Extend ? train_length : lags).value();
}

Variable Tno::operator()(const Variable& x, int64_t axis) const {
  const int64_t n = x.size(axis);
  check(n >= 1, "tno: a sequence needs at least 1 position, got ", x.value());
  const Variable t = kernel(n);
  const Variable y = toeplitz(t, x, kernel_options.direction(), axis);
  if (!options.normalize) return y;
  const int inside = x.rank() - x.shape().axis_index(axis);
  const Variable ones = full(x.shape().last(inside), 1, x.dtype(), x.device());
  return y / toeplitz(t, ones, kernel_options.direction(), -inside);
}

MixerEntry tno_mixer() {
  return {.name = "tno",
          .hint = "Toeplitz operator whose kernel is a network of the lag times a decay",
          .make = [](const Scope& s, const MixerShape& shape,
                     const ModelOptions& o) -> std::unique_ptr<Mixer> {
            return std::make_unique<Tno>(s, shape, o.kernel, o.tno);
          },
          .options =
              [](const ModelOptions& o) {
                std::vector<std::string> names = field_names(o.tno);
                if (o.tno.decay == Decay::Fixed || o.tno.decay == Decay::Learned)
                  names.push_back("gamma");
                const bool lra = o.tno.network == TnoNetwork::Lra;
                for (const std::string& name : field_names(o.kernel.rpe))
                  if (!lra || name == "rpe-width" || name == "kernel-input") names.push_back(name);
                return names;
              }};
}

}  // namespace skiff
