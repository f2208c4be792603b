// Each Toeplitz operator against its dense n x n matrix, computed from the same parameters by
// slow sums. The matrix is computed with dual numbers too, so gradients are compared exactly and
// not by differences.
#include <map>
#include <numbers>

#include "core/fft/fft.h"
#include "layers/blocks/mixer2d.h"
#include "layers/mixers.h"
#include "layers/model.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

constexpr double kPi = std::numbers::pi;
const std::vector<int64_t> kLengths = {1, 2, 3, 8, 15, 16, 17, 33, 64};

// Parameters by name, as plain numbers or as duals with a direction.
template <class T>
using Numbers = std::map<std::string, std::vector<T>>;

// ---- slow references: kernel(lag, channel), straight from the formulas ----

std::vector<Dual> simple_rms(std::vector<Dual> z) {
  Dual squares = 0;
  for (const Dual& v : z) squares += v * v;
  const Dual s = square_root(squares) / Dual(std::sqrt(double(z.size()))) + Dual(1e-8);
  for (Dual& v : z) v = v / s;
  return z;
}
std::vector<Dual> affine(const Numbers<Dual>& p, const std::string& name,
                         const std::vector<Dual>& z) {
  const std::vector<Dual>&W = p.at(name + ".weight"), &b = p.at(name + ".bias");
  std::vector<Dual> y = b;
  for (size_t o = 0; o < b.size(); ++o)
    for (size_t i = 0; i < z.size(); ++i) y[o] += W[o * z.size() + i] * z[i];
  return y;
}
std::vector<Dual> relu_of(std::vector<Dual> z) {
  for (Dual& v : z) v = positive_part(v);
  return z;
}
std::vector<Dual> rpe_a(const Numbers<Dual>& p, double s, int layers) {
  std::vector<Dual> z = affine(p, "rpe.pos_proj", {Dual(s)});
  for (int l = 0; l < layers; ++l)
    z = affine(p, "rpe.layers." + std::to_string(l) + ".2", relu_of(simple_rms(z)));
  return affine(p, "rpe.out.2", relu_of(simple_rms(z)));
}
std::vector<Dual> rpe_b(const Numbers<Dual>& p, double s) {
  std::vector<Dual> z = affine(p, "dpb.pos_proj", {Dual(s)});
  z = affine(p, "dpb.pos1.1", relu_of(z));
  z = affine(p, "dpb.pos2.1", relu_of(z));
  Dual mean = 0, variance = 0;
  const Dual count = double(z.size());
  for (const Dual& v : z) mean += v / count;
  for (const Dual& v : z) variance += (v - mean) * (v - mean) / count;
  for (size_t i = 0; i < z.size(); ++i)
    z[i] = (z[i] - mean) / square_root(variance + Dual(1e-5)) * p.at("dpb.pos3.0.weight")[i] +
           p.at("dpb.pos3.0.bias")[i];
  return affine(p, "dpb.pos3.2", relu_of(z));
}

// A dense matrix per channel: M[c][i * n + j].
using Dense = std::vector<std::vector<Dual>>;

template <class Kernel>  // kernel(lag) -> one value per channel
Dense toeplitz_matrix(int64_t n, int64_t channels, bool causal, const Kernel& kernel) {
  Dense M(size_t(channels), std::vector<Dual>(size_t(n * n)));
  for (int64_t lag = causal ? 0 : -(n - 1); lag < n; ++lag) {
    const std::vector<Dual> values = kernel(lag);
    for (int64_t i = std::max<int64_t>(lag, 0); i < n && i - lag < n; ++i)
      for (int64_t c = 0; c < channels; ++c)
        M[size_t(c)][size_t(i * n + i - lag)] = values[size_t(c)];
  }
  return M;
}

// The table over the warped lag axis, read at a lag.
Dual warped(const Numbers<Dual>& p, double lag, double base, int64_t c, int64_t r, bool causal) {
  const auto node = [&](int64_t j) {  // V[j]
    if (causal) return j == 0 ? Dual(0) : p.at("alphas")[size_t(c * r + j - 1)];
    if (j < r) return p.at("betas")[size_t(c * r + j)];
    return j == r ? Dual(0) : p.at("alphas")[size_t(c * r + j - r - 1)];
  };
  const double w = std::pow(base, std::abs(lag));
  const double u = causal ? double(r) * w : double(r) * (1 + (lag < 0 ? -w : w));
  const int64_t j = std::min<int64_t>(int64_t(std::floor(u)), (causal ? r : 2 * r) - 1);
  const double f = u - double(j);
  return Dual(1 - f) * node(j) + Dual(f) * node(j + 1);
}

double weight_W(int64_t i, int64_t j, int64_t n,
                int64_t r) {  // a hat function around inducing point j
  if (n == 1) return j == 0 ? 1 : 0;
  return std::max(0.0, 1 - std::abs(double(i) * double(r - 1) / double(n - 1) - double(j)));
}

Dense ski_matrix(const Numbers<Dual>& p, int64_t e, bool causal, int64_t r, double base,
                 int64_t n) {
  const double H = double(n - 1) / double(r - 1);
  const int64_t kept = int64_t(p.at("conv_kernel").size()) / e;
  if (causal)
    return toeplitz_matrix(n, e, true, [&](int64_t lag) {
      std::vector<Dual> values;
      for (int64_t ch = 0; ch < e; ++ch) {
        Dual v = 0;
        for (int64_t k = 0; k < r; ++k)
          v += Dual(weight_W(lag, k, n, r)) * warped(p, double(k) * H, base, ch, r, true);
        if (lag < kept) v += p.at("conv_kernel")[size_t(ch * kept + lag)];
        values.push_back(v);
      }
      return values;
    });
  Dense M =
      toeplitz_matrix(n, e, false, [&](int64_t lag) {  // the filter: element q at lag half - q
        std::vector<Dual> values;
        for (int64_t ch = 0; ch < e; ++ch) {
          const int64_t q = (kept - 1) / 2 - lag;
          values.push_back(q >= 0 && q < kept ? p.at("conv_kernel")[size_t(ch * kept + q)]
                                              : Dual(0));
        }
        return values;
      });
  for (int64_t ch = 0; ch < e; ++ch)
    for (int64_t a = 0; a < r; ++a)
      for (int64_t b = 0; b < r; ++b) {
        // H = 0 (n = 1): only inducing point 0 is touched, and its lag is +0
        const Dual k = warped(p, double(a - b) * H, base, ch, r, false);
        for (int64_t i = 0; i < n; ++i)
          for (int64_t j = 0; j < n; ++j)
            M[size_t(ch)][size_t(i * n + j)] +=
                Dual(weight_W(i, a, n, r) * weight_W(j, b, n, r)) * k;
      }
  return M;
}

// Kernel of a frequency response by the sums of the definition.
Dense fd_matrix(const Numbers<Dual>& p, int64_t e, bool causal, int64_t heads, int layers,
                int64_t n) {
  int64_t F = 1;
  while (F < 2 * n) F *= 2;
  const int64_t bins = F / 2 + 1, d = e / heads;
  std::vector<std::vector<Dual>> out;
  for (int64_t k = 0; k < bins; ++k)
    out.push_back(rpe_a(p, kPi * double(k) / double(F / 2), layers));
  const auto sample = [&](int64_t t, int64_t ch) {  // irfft at time t
    Dual sum = 0;
    for (int64_t k = 0; k < bins; ++k) {
      const double weight = k == 0 || 2 * k == F ? 1 : 2,
                   angle = 2 * kPi * double(k * t % F) / double(F);
      const int64_t head = ch / d, inside = ch % d;
      const Dual re = out[size_t(k)][size_t(causal ? ch : head * 2 * d + inside)];
      sum += Dual(weight / double(F) * std::cos(angle)) * re;
      if (!causal && weight == 2)
        sum += Dual(-weight / double(F) * std::sin(angle)) *
               out[size_t(k)][size_t(head * 2 * d + d + inside)];
    }
    return sum;
  };
  return toeplitz_matrix(n, e, causal, [&](int64_t lag) {
    std::vector<Dual> values;
    for (int64_t ch = 0; ch < e; ++ch) {
      const Dual v = sample((lag + F) % F, ch);
      values.push_back(causal && lag > 0 ? Dual(2) * v : v);
    }
    return values;
  });
}

Dense tno_matrix(const Numbers<Dual>& p, int64_t channels, const KernelOptions& k,
                 const TnoOptions& c, int64_t n) {
  return toeplitz_matrix(n, channels, k.causal, [&](int64_t lag) {
    double s = double(lag);
    if (c.positions != Positions::Lag && n > 1) s /= double(n - 1);
    if (c.positions == Positions::Exponential) s = std::exp(s);
    std::vector<Dual> values =
        c.network == TnoNetwork::Lra ? rpe_b(p, s) : rpe_a(p, s, int(k.rpe.layers));
    for (int64_t ch = 0; ch < channels; ++ch) {
      Dual g = c.decay == Decay::None ? Dual(1) : Dual(k.gamma);
      if (c.decay == Decay::Learned)
        g = Dual(k.gamma) + Dual(1 - k.gamma) * logistic(p.at("gamma")[size_t(ch)]);
      values[size_t(ch)] = values[size_t(ch)] * power(g, double(std::abs(lag)));
      if (c.max_lag > 0 && std::abs(lag) > c.max_lag) values[size_t(ch)] = 0;
    }
    return values;
  });
}

// ---- the comparison: value, gradient of x, gradient of all parameters along a direction ----

template <class Layer, class Matrix>
void check_against_dense(const Layer& layer, const Parameters& store, int64_t n, int64_t channels,
                         const Matrix& matrix) {
  const int64_t B = 2;
  const Variable x = Variable::leaf(random64({B, n, channels}, 1));
  const Tensor g = random64({B, n, channels}, 2);
  Tensor y;
  {
    Tape tape;
    const Variable out = layer(x);
    y = out.value();
    tape.backward(out, g);
  }
  Numbers<Dual> p;
  double slope = 0, slope_size = 0;  // <gradient, direction>, and the size of its terms
  for (const Parameter& parameter : store.all()) {
    const std::vector<double> value = to_vector(parameter.variable.value());
    const std::vector<double> direction =
        to_vector(random64(parameter.variable.shape(), hash_name(parameter.name)));
    const std::vector<double> gradient =
        parameter.trained ? to_vector(parameter.variable.grad()) : std::vector<double>();
    for (size_t i = 0; i < value.size(); ++i) {
      p[parameter.name].emplace_back(value[i], parameter.trained ? direction[i] : 0);
      if (parameter.trained) {
        slope += gradient[i] * direction[i];
        slope_size += std::abs(gradient[i] * direction[i]);
      }
    }
  }
  const Dense M = matrix(p);
  std::vector<double> want_y(size_t(B * n * channels)), want_gx(want_y.size());
  double want_slope = 0;
  const double *xs = x.value().data<double>(), *gs = g.data<double>();
  for (int64_t b = 0; b < B; ++b)
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        for (int64_t c = 0; c < channels; ++c) {
          const Dual m = M[size_t(c)][size_t(i * n + j)];
          const int64_t out = (b * n + i) * channels + c, in = (b * n + j) * channels + c;
          want_y[size_t(out)] += m.v * xs[in];
          want_gx[size_t(in)] += m.v * gs[out];
          want_slope += m.d * gs[out] * xs[in];
        }
  CHECK(distance(y, want_y) < 1e-12);
  CHECK(distance(x.grad(), want_gx) < 1e-12);
  CHECK(std::abs(slope - want_slope) <= 1e-12 * std::max(slope_size, 1e-2));
}

// y up to position i does not change when x beyond i does.
template <class Layer>
void check_causal(const Layer& layer, int64_t n, int64_t channels) {
  const Tensor x = random64({1, n, channels}, 1);
  const Tensor y = layer(Variable(x)).value();
  for (const int64_t i : {int64_t(0), n / 2, n - 1}) {
    Tensor changed = x.clone();
    for (int64_t at = (i + 1) * channels; at < n * channels; ++at) changed.data<double>()[at] += 10;
    const Tensor z = layer(Variable(changed)).value();
    for (int64_t at = 0; at < (i + 1) * channels; ++at)
      CHECK(std::abs(z.data<double>()[at] - y.data<double>()[at]) < 1e-11);
  }
}

}  // namespace

TEST_CASE("tno: equals its dense matrix in value and gradient, and a causal one sees no future") {
  struct Case {
    KernelOptions kernel;
    TnoOptions tno;
  };
  std::vector<Case> cases;
  for (const bool causal : {false, true}) {
    const KernelOptions kernel{.causal = causal, .gamma = 0.9, .rpe = {.width = 4, .layers = 2}};
    const TnoNetwork tnn = TnoNetwork::Tnn;
    for (const Decay decay : {Decay::Fixed, Decay::None, Decay::Learned})
      cases.push_back({kernel, {.network = tnn, .decay = decay}});
    cases.push_back({kernel, {.network = TnoNetwork::Lra, .max_lag = 7}});
    cases.push_back({kernel, {.network = tnn, .positions = Positions::Scaled}});
    if (causal) cases.push_back({kernel, {.network = tnn, .positions = Positions::Exponential}});
  }
  for (size_t k = 0; k < cases.size(); ++k)
    for (const int64_t n : kLengths) {
      CAPTURE(k);
      CAPTURE(n);
      const Case& c = cases[k];
      Parameters store(3 + k, DType::Float64);
      const Tno tno(store.root(), {.channels = 3}, c.kernel, c.tno);
      check_against_dense(tno, store, n, 3, [&](const Numbers<Dual>& p) {
        return tno_matrix(p, 3, c.kernel, c.tno, n);
      });
      if (c.kernel.causal) check_causal(tno, n, 3);
    }
}

TEST_CASE("tno, fd: a sequence without positions and a kernel without lags are refused") {
  const Variable x = zeros({2, 0, 4}, DType::Float64);
  const KernelOptions kernel{.causal = true, .gamma = 0.9, .rpe = {.width = 4, .layers = 1}};
  const MixerShape shape{.channels = 4};
  Parameters tno_store(5, DType::Float64), fd_store(5, DType::Float64),
      free_store(5, DType::Float64);
  const Tno tno(tno_store.root(), shape, kernel, {.decay = Decay::Fixed});
  const FdTno fd(fd_store.root(), shape, kernel, {});
  const FdTnoFree free(free_store.root(), shape, kernel, {.points = 3});
  for (const Mixer* mixer : std::initializer_list<const Mixer*>{&tno, &fd, &free})
    CHECK_THROWS_WITH_AS((*mixer)(x, -2), doctest::Contains("at least 1 position"), Error);
  CHECK_THROWS_WITH_AS(tno.causal_taps(0, Beyond::Extend), doctest::Contains("at least 1 lag"),
                       UsageError);
}

TEST_CASE("fd: equals its dense matrix in value and gradient, and a causal one sees no future") {
  for (const bool causal : {false, true})
    for (const int64_t heads : {1, 2})
      for (const int64_t n : kLengths) {
        CAPTURE(causal);
        CAPTURE(heads);
        CAPTURE(n);
        const KernelOptions kernel{.causal = causal, .rpe = {.width = 4, .layers = 1}};
        Parameters store(5, DType::Float64);
        const FdTno fd(store.root(), {.channels = 4}, kernel, {.heads = heads});
        check_against_dense(fd, store, n, 4, [&](const Numbers<Dual>& p) {
          return fd_matrix(p, 4, causal, heads, 1, n);
        });
        if (causal) check_causal(fd, n, 4);
      }
}

TEST_CASE("ski: equals its dense matrix in value and gradient, and a causal one sees no future") {
  for (const bool causal : {false, true})
    for (const Warp warp : {Warp::Auto, Warp::Gamma})
      for (const int64_t n : kLengths) {
        CAPTURE(causal);
        CAPTURE(n);
        const SkiOptions options{.inducing_points = 6, .filter = 4, .warp = warp};
        Parameters store(7, DType::Float64);
        const SkiTno ski(store.root(), {.channels = 3, .train_length = 64},
                         {.causal = causal, .gamma = 0.9}, options);
        check_against_dense(ski, store, n, 3, [&](const Numbers<Dual>& p) {
          return ski_matrix(p, 3, causal, 6, ski.warp_base(), n);
        });
        if (causal) check_causal(ski, n, 3);
      }
}

TEST_CASE("ski: with r = n it is the exact Toeplitz product of its kernel plus the convolution") {
  for (const int64_t n : {2, 9, 32}) {
    Parameters store(9, DType::Float64);
    const SkiTno ski(store.root(), {.channels = 2, .train_length = n}, {},
                     {.inducing_points = n, .filter = 5});
    const Variable x = random64({2, n, 2}, 1);
    const Variable exact = toeplitz(ski.inducing_kernel(n), x, Direction::Bidirectional) +
                           conv1d(x, transpose(ski.conv_kernel, 0, 1), Direction::Bidirectional);
    CHECK(distance(ski(x).value(), exact.value()) < 1e-12);
  }
}

TEST_CASE("ski: the warp 'auto' puts the farthest lag on the first entry that is not zero") {
  Parameters store(1, DType::Float64);
  const SkiTno ski(store.root(), {.channels = 1, .train_length = 2048}, {},
                   {.inducing_points = 64});
  CHECK(64 * std::pow(ski.warp_base(), 2047) == doctest::Approx(1).epsilon(1e-12));
}

TEST_CASE("tno and ski: a decay or warp that is written after use counts from then on") {
  Parameters store(1, DType::Float64);
  const Tno tno(store.root() / "tno", {.channels = 2, .train_length = 8}, {.gamma = 0.5}, {});
  const Tensor before = tno.kernel(4).value();
  Tensor gamma = tno.gamma.value();
  gamma.data<double>()[0] = 0.25;
  gamma.data<double>()[1] = 0.25;
  const std::vector<double> b = to_vector(before), a = to_vector(tno.kernel(4).value());
  for (int64_t row = 0; row < before.size(0); ++row) {
    const int64_t lag = std::min(row, before.size(0) - row);  // rows: 0 .. 3, then -3 .. -1
    for (int64_t c = 0; c < 2; ++c) {
      const size_t i = size_t(row * 2 + c);
      CHECK(a[i] == doctest::Approx(b[i] * std::pow(0.5, double(lag))));
    }
  }
  const SkiTno ski(store.root() / "ski", {.channels = 1, .train_length = 8}, {},
                   {.inducing_points = 4});
  CHECK(ski.warp_base() != 0.75);
  Tensor base = ski.gamma;
  base.data<double>()[0] = 0.75;
  CHECK(ski.warp_base() == 0.75);
}

namespace {
// Section 5.7: the causally masked product with W A W^T by prefix sums, and its backward.
struct PrefixSums {
  std::vector<double> y, gx, gA;  // gA (r, r)
};
PrefixSums prefix_sums(const std::vector<double>& A, const std::vector<double>& x,
                       const std::vector<double>& g, int64_t n, int64_t r) {
  PrefixSums out{std::vector<double>(size_t(n)), std::vector<double>(size_t(n)),
                 std::vector<double>(size_t(r * r))};
  const auto w = [&](int64_t i, int64_t j) { return weight_W(i, j, n, r); };
  std::vector<double> s(size_t(r), 0), later(size_t(r), 0);
  for (int64_t i = 0; i < n; ++i) {  // s_i = s_{i-1} + w_i x_i,  y_i = w_i^T A s_i
    for (int64_t j = 0; j < r; ++j) s[size_t(j)] += w(i, j) * x[size_t(i)];
    for (int64_t a = 0; a < r; ++a)
      for (int64_t b = 0; b < r; ++b) {
        out.y[size_t(i)] += w(i, a) * A[size_t(a * r + b)] * s[size_t(b)];
        out.gA[size_t(a * r + b)] += g[size_t(i)] * w(i, a) * s[size_t(b)];
      }
  }
  for (int64_t j = n - 1; j >= 0; --j) {  // gx_j = w_j^T A^T sum_{i >= j} w_i g_i
    for (int64_t a = 0; a < r; ++a) later[size_t(a)] += w(j, a) * g[size_t(j)];
    for (int64_t a = 0; a < r; ++a)
      for (int64_t b = 0; b < r; ++b)
        out.gx[size_t(j)] += w(j, b) * A[size_t(a * r + b)] * later[size_t(a)];
  }
  return out;
}
}  // namespace

TEST_CASE("ski: the formulas of prefix sums are those of the masked dense product") {
  const int64_t n = 8, r = 3;
  const std::vector<double> kernel = {-0.314573, -0.21962, 2, -0.06076, 0.314573};
  std::vector<double> A;
  for (int64_t p = 0; p < r; ++p)
    for (int64_t q = 0; q < r; ++q) A.push_back(kernel[size_t(p - q + r - 1)]);
  const std::vector<double> x = {1, -1, 2, 0, 0.5, 3, -2, 1}, g = to_vector(random64({n}, 4));
  const PrefixSums fast = prefix_sums(A, x, g, n, r);
  const std::vector<double> given = {2,        0.284758, 1.838827, 1.709506,
                                     2.191722, 4.457795, 1.42175,  2.069094};
  for (size_t i = 0; i < 8; ++i) CHECK(std::abs(fast.y[i] - given[i]) < 2e-6);  // A has six digits
  PrefixSums dense{std::vector<double>(size_t(n)), std::vector<double>(size_t(n)),
                   std::vector<double>(size_t(r * r))};
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j <= i; ++j)
      for (int64_t a = 0; a < r; ++a)
        for (int64_t b = 0; b < r; ++b) {
          const double ww = weight_W(i, a, n, r) * weight_W(j, b, n, r);
          dense.y[size_t(i)] += ww * A[size_t(a * r + b)] * x[size_t(j)];
          dense.gx[size_t(j)] += ww * A[size_t(a * r + b)] * g[size_t(i)];
          dense.gA[size_t(a * r + b)] += ww * g[size_t(i)] * x[size_t(j)];
        }
  CHECK(distance(fast.y, dense.y) < 1e-14);
  CHECK(distance(fast.gx, dense.gx) < 1e-14);
  CHECK(distance(fast.gA, dense.gA) < 1e-14);
}
