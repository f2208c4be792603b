#include "layers/operators/tno.h"

#include <algorithm>
#include <cmath>

namespace skiff {
namespace {

std::variant<Rpe, LraRpe> make_rpe(Scope s, const TnoConfig& c) {
  if (c.lra_rpe) return LraRpe(s / "dpb", c.rpe.width, c.channels);
  return Rpe(s / "rpe", c.rpe, c.channels);
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

}  // namespace

Tno::Tno(Scope s, const TnoConfig& c) : config(c), rpe(make_rpe(s, c)) {
  check<UsageError>(c.heads >= 1 && c.channels % c.heads == 0, "tno: ", c.heads,
                    " heads do not divide ", c.channels, " channels");
  check<UsageError>(c.gamma >= 0 && c.gamma <= 1, "tno: gamma must lie in [0, 1], got ", c.gamma);
  check<UsageError>(c.max_lag >= 0, "tno: max_lag must not be negative, got ", c.max_lag);
  check<UsageError>(c.causal || c.positions != Positions::Exponential,
                    "tno: position type 3 exists for causal models only");
  const Shape shape{c.heads, 1, c.channels / c.heads};
  if (c.decay == Decay::Learned) gamma = s.parameter("gamma", shape, normal(1));
  if (c.decay == Decay::Fixed) gamma = s.buffer("gamma", shape, constant(c.gamma));
}

Variable Tno::decay(const std::vector<double>& lags) const {  // (lags, channels)
  std::vector<double> distances = lags;
  for (double& d : distances) d = std::abs(d);
  if (config.decay == Decay::Learned) {
    const Variable s = sigmoid(reshape(gamma, {config.channels}));
    const Variable lambda = full({config.channels}, config.gamma, gamma.dtype(), gamma.device());
    return powers((1 - config.gamma) * s + lambda, distances);
  }
  const std::vector<double> g =
      to_vector(gamma.value());  // the buffer: a checkpoint may hold another
  Tensor table({int64_t(distances.size()), config.channels}, DType::Float64);
  double* out = table.data<double>();
  for (const double distance : distances) {
    double power = 1;
    for (size_t d = 0; d < g.size();
         ++d) {  // channels share one gamma as a rule: one power for all
      if (d == 0 || g[d] != g[d - 1]) power = std::pow(g[d], distance);
      *out++ = power;
    }
  }
  return table.to(gamma.dtype()).to(gamma.device());
}

Variable Tno::taps(int64_t n) const {
  const int64_t reach = config.max_lag > 0 ? std::min(config.max_lag, n - 1) : n - 1;
  std::vector<double> lags;
  for (int64_t l = 0; l <= reach; ++l) lags.push_back(double(l));
  if (!config.causal)
    for (int64_t l = reach; l >= 1; --l) lags.push_back(-double(l));

  const DType dtype = std::visit([](const auto& net) { return net.pos_proj.weight.dtype(); }, rpe);
  const Device device =
      std::visit([](const auto& net) { return net.pos_proj.weight.device(); }, rpe);
  const Variable s = position_column(positions_of(lags, config.positions, n), dtype, device);
  Variable t = std::visit([&](const auto& net) { return net(s); }, rpe);  // (lags, channels)
  if (config.decay != Decay::None) t = t * decay(lags);
  t = activate(config.activation, t);

  // [lags 0 .. reach | zeros | lags -reach .. -1]; the zeros hold at least the row that is no lag.
  const int64_t zero_rows = (config.causal ? n : 2 * n) - int64_t(lags.size());
  if (zero_rows == 0) return t;
  const Variable gap = zeros({zero_rows, config.channels}, dtype, device);
  if (config.causal || reach == 0) return concat({t, gap}, 0);
  return concat({slice(t, 0, 0, reach + 1), gap, slice(t, 0, reach + 1, t.size(0))}, 0);
}

Variable Tno::operator()(const Variable& x, int64_t axis) const {
  const int64_t n = x.size(axis);
  const Variable t = taps(n);
  const Direction direction = config.causal ? Direction::Causal : Direction::Bidirectional;
  const Variable y = toeplitz(t, x, direction, axis);
  if (!config.normalize) return y;
  const int inside = x.rank() - x.shape().axis_index(axis);
  const Variable ones = full(x.shape().last(inside), 1, x.dtype(), x.device());
  return y / toeplitz(t, ones, direction, -inside);
}

}  // namespace skiff
