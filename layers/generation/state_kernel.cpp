// Few states for many lags: balanced truncation of the Hankel matrix of a kernel (Kung 1978; error
// bounds: Enns, Glover 1984). Per channel, with the first m lags taken out as they are:
//
//   h[k] = t[m + k], k < K        H[p][q] = h[p + q], 0 beyond: symmetric (K, K)
//   H = Q diag(lambda) Q^T, of which the s eigenvalues of largest size are kept
//
// A kernel that s states make has a Hankel matrix of rank s: h[p + q] = c A^p A^q b, so H is the
// product of the matrix with rows c A^p and that with columns A^q b. From the eigenvectors, with
// sigma = sign(lambda), the halves
//
//   c A^p = (Q sigma |lambda|^(1/2))[p]      A^q b = (|lambda|^(1/2) Q^T)[q]
//
// give b and c at p = q = 0, where [p] is a row and [q] a column. Since A takes column q to column
// q+1 (0 after the last), A |lambda|^(1/2) Q^T is that matrix shifted by one column. Multiply by
// Q |lambda|^(-1/2) from the right; Q^T Q = I, and with the rows Q[p] of Q
//
//   A = |lambda|^(1/2) (sum_{p < K-1} Q[p+1]^T Q[p]) |lambda|^(-1/2)
//
// The eigenvectors come from subspace iteration from random columns (Halko et al. 2011): H v is a
// correlation, one FFT of length 2K for all columns and a group of channels at once. A few rounds
// suffice, because the spectrum of a smooth kernel falls fast; what they miss is in the error,
// which is measured on the result. The matrix is cut to kMostLags lags for the same reason.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <vector>

#include "core/blas.h"
#include "core/conv/spectral_conv.h"
#include "core/fft/fft.h"
#include "core/random.h"
#include "layers/generation/causal_sum.h"

namespace skiff {
namespace {

constexpr int64_t kSpareColumns = 8;  // beside the wanted ones: they converge faster
constexpr int64_t kMostRounds = 6;
constexpr double kConverged = 1e-9;  // change of an eigenvalue, of the largest
constexpr int64_t kMostLags = 1024;  // of the Hankel matrix
constexpr double kLeftOut = 1e-7;    // of the sum of |t|: lags that the Hankel matrix may lack
constexpr double kRankless = 1e-13;  // eigenvalues below this, of the largest, are rounding

using Columns = std::vector<std::vector<double>>;  // of one channel, each of K numbers

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Gram-Schmidt, twice, because once loses digits where columns are nearly parallel. A column
// without a direction of its own becomes 0.
void orthonormalise(Columns& columns) {
  for (size_t a = 0; a < columns.size(); ++a) {
    const double before = std::sqrt(dot(columns[a], columns[a]));
    for (int twice = 0; twice < 2; ++twice) {
      for (size_t b = 0; b < a; ++b) {
        const double along = dot(columns[a], columns[b]);
        for (size_t i = 0; i < columns[a].size(); ++i) columns[a][i] -= along * columns[b][i];
      }
    }
    const double norm = std::sqrt(dot(columns[a], columns[a]));
    const double scale = norm > 1e-14 * before && norm > 0 ? 1 / norm : 0;
    for (double& v : columns[a]) v *= scale;
  }
}

// Columns of a group of channels as one tensor (columns, n, channels), and back.
struct Group {
  int64_t K, F, columns, channels;
  Tensor spectrum;  // of h reversed, (F/2 + 1, channels)

  // H v for all columns: with h'[k] = h[K-1-k], sum_q h[p+q] v[q] is the sample K-1-p of the
  // product of h' with v.
  void multiply(std::vector<Columns>& v) const {
    Tensor x = zeros({columns, F, channels}, DType::Float64);
    double* data = x.data<double>();
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t a = 0; a < columns; ++a)
        for (int64_t q = 0; q < K; ++q)
          data[(a * F + q) * channels + c] = v[size_t(c)][size_t(a)][size_t(q)];
    const Tensor y = spectral_conv_forward(x, spectrum, F, 1);
    const double* product = y.data<double>();
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t a = 0; a < columns; ++a)
        for (int64_t p = 0; p < K; ++p)
          v[size_t(c)][size_t(a)][size_t(p)] = product[(a * F + K - 1 - p) * channels + c];
  }
};

// Eigenvectors of largest |eigenvalue| of H in the span of V, from V and H V.
struct Ritz {
  std::vector<double> values;  // by falling size
  Columns vectors;
};
Ritz ritz(const Columns& V, const Columns& HV) {
  const size_t n = V.size();
  std::vector<double> small(n * n), values(n);
  for (size_t a = 0; a < n; ++a)
    for (size_t b = 0; b < n; ++b) small[a * n + b] = (dot(V[a], HV[b]) + dot(V[b], HV[a])) / 2;
  blas::symmetric_eigenvectors(int64_t(n), small.data(), values.data());
  std::vector<size_t> order(n);
  for (size_t a = 0; a < n; ++a) order[a] = a;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return std::abs(values[a]) > std::abs(values[b]); });
  Ritz result;
  for (const size_t e : order) {
    result.values.push_back(values[e]);
    std::vector<double> vector(V[0].size());
    for (size_t a = 0; a < n; ++a)
      for (size_t i = 0; i < vector.size(); ++i) vector[i] += small[e * n + a] * V[a][i];
    result.vectors.push_back(std::move(vector));
  }
  return result;
}

// The eigenpairs of all channels of the group.
std::vector<Ritz> eigenpairs(const Group& group, int64_t wanted) {
  std::vector<Columns> v(size_t(group.channels),
                         Columns(size_t(group.columns), std::vector<double>(size_t(group.K))));
  Random random(1, hash_name("state_kernel"));
  for (int64_t a = 0; a < group.columns; ++a)
    for (int64_t q = 0; q < group.K; ++q) {
      const double start = random.normal();
      for (Columns& columns : v) columns[size_t(a)][size_t(q)] = start;
    }
  std::vector<Ritz> found(v.size());
  for (int64_t round = 0; round < kMostRounds; ++round) {
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < v.size(); ++c) orthonormalise(v[c]);
    std::vector<Columns> product = v;
    group.multiply(product);
    std::vector<Ritz> last(v.size());
    last.swap(found);
    std::exception_ptr error;  // an exception must not leave the parallel region
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < v.size(); ++c) {
      try {
        found[c] = ritz(v[c], product[c]);
      } catch (...) {
#pragma omp critical
        error = std::current_exception();
      }
    }
    if (error) std::rethrow_exception(error);
    double change = 0;
    for (size_t c = 0; c < v.size(); ++c) {
      const std::vector<double>& before = last[c].values;
      for (int64_t e = 0; e < wanted; ++e) {
        const double largest = std::max(std::abs(found[c].values[0]), 1e-300);
        const double was = before.empty() ? 0 : before[size_t(e)];
        change = std::max(change, std::abs(found[c].values[size_t(e)] - was) / largest);
      }
    }
    if (change < kConverged) break;
    v = std::move(product);
  }
  return found;
}

// The lags beyond which next to nothing is left of a kernel in float64.
int64_t horizon_of(const Tensor& t, int64_t exact) {
  const int64_t M = t.size(0), channels = t.size(1);
  const double* taps = t.data<double>();
  std::vector<double> total(size_t(channels), 0), left;
  for (int64_t l = 0; l < M; ++l)
    for (int64_t c = 0; c < channels; ++c) total[size_t(c)] += std::abs(taps[l * channels + c]);
  left.assign(size_t(channels), 0);
  int64_t horizon = M;
  for (; horizon > exact + 1; --horizon) {
    bool small = true;
    for (int64_t c = 0; c < channels; ++c) {
      left[size_t(c)] += std::abs(taps[(horizon - 1) * channels + c]);
      small = small && left[size_t(c)] <= kLeftOut * total[size_t(c)];
    }
    if (!small) break;
  }
  return horizon;
}

// Writes A, b, c of one channel.
void realise(const Ritz& pairs, int64_t states, int64_t channel, StateKernel& out) {
  const int64_t channels = out.error.size(0), K = int64_t(pairs.vectors[0].size());
  double *A = out.A.data<double>(), *b = out.b.data<double>(), *c = out.c.data<double>();
  const double largest = std::abs(pairs.values[0]);
  std::vector<double> root(size_t(states), 0);
  for (int64_t a = 0; a < std::min(states, int64_t(pairs.values.size())); ++a) {
    const double size = std::abs(pairs.values[size_t(a)]);
    out.hankel.data<double>()[a * channels + channel] = size;
    if (size > kRankless * largest) root[size_t(a)] = std::sqrt(size);
  }
  for (int64_t a = 0; a < states; ++a) {
    const double scale = root[size_t(a)];
    if (scale == 0) continue;  // the state stays 0
    const std::vector<double>& q = pairs.vectors[size_t(a)];
    b[a * channels + channel] = scale * q[0];
    c[a * channels + channel] = std::copysign(scale, pairs.values[size_t(a)]) * q[0];
    for (int64_t e = 0; e < states; ++e) {
      if (root[size_t(e)] == 0) continue;
      const std::vector<double>& other = pairs.vectors[size_t(e)];
      double shifted = 0;
      for (int64_t p = 0; p + 1 < K; ++p) shifted += q[size_t(p + 1)] * other[size_t(p)];
      A[(a * states + e) * channels + channel] = scale * shifted / root[size_t(e)];
    }
  }
}

// The kernel of the states, lag by lag: f(lag, values (channels)) until it says no.
template <class F>
void for_each_lag(const StateKernel& k, const F& f) {
  const int64_t m = k.exact.size(0), s = k.b.size(0), D = k.exact.size(1);
  std::vector<double> z(k.b.data<double>(), k.b.data<double>() + s * D), next(z.size());
  std::vector<double> row(static_cast<size_t>(D));
  for (int64_t l = 0;; ++l) {
    if (l < m) {
      std::copy_n(k.exact.data<double>() + l * D, D, row.begin());
    } else {
      std::fill(row.begin(), row.end(), 0.0);
      std::fill(next.begin(), next.end(), 0.0);
      for (int64_t a = 0; a < s; ++a) {
        for (int64_t d = 0; d < D; ++d)
          row[size_t(d)] += k.c.data<double>()[a * D + d] * z[size_t(a * D + d)];
        for (int64_t e = 0; e < s; ++e)
          for (int64_t d = 0; d < D; ++d)
            next[size_t(a * D + d)] +=
                k.A.data<double>()[(a * s + e) * D + d] * z[size_t(e * D + d)];
      }
      z.swap(next);
    }
    if (!f(l, row)) return;
  }
}

// Sums |t - states| over the kernel, and |states| beyond it, until a stretch as long as the kernel
// adds next to nothing.
void measure(const Tensor& t, StateKernel& out) {
  const int64_t M = t.size(0), D = t.size(1), stretch = std::max(M, int64_t(64));
  constexpr int64_t kMostStretches = 64;
  double* error = out.error.data<double>();
  std::vector<double> recent(size_t(D), 0), total(size_t(D), 0);
  for_each_lag(out, [&](int64_t l, const std::vector<double>& made) {
    for (int64_t d = 0; d < D; ++d) {
      const double wanted = l < M ? t.data<double>()[l * D + d] : 0;
      const double off = std::abs(wanted - made[size_t(d)]);
      error[d] += off;
      recent[size_t(d)] += off;
      total[size_t(d)] += std::abs(wanted);
    }
    if (l < M || (l + 1) % stretch != 0) return true;
    bool goes_on = false;
    for (int64_t d = 0; d < D; ++d)
      goes_on = goes_on || recent[size_t(d)] > 1e-12 * total[size_t(d)];
    std::fill(recent.begin(), recent.end(), 0.0);
    return goes_on && l < kMostStretches * stretch;
  });
}

}  // namespace

StateKernel state_kernel(const Tensor& kernel, int64_t exact, int64_t states) {
  check<UsageError>(exact >= 0 && states >= 0,
                    "states: the numbers of exact lags and of states must not be negative, got ",
                    exact, " and ", states);
  check<NumericalError>(all_finite(kernel), "states: a number of the kernel is not finite");
  const Tensor t = kernel.to(DType::Float64);
  const int64_t M = t.size(0), D = t.size(1), m = std::min(exact, M);
  const int64_t K = std::min(horizon_of(t, m) - m, kMostLags),
                s = std::max(int64_t(0), std::min(states, K));
  StateKernel out{.exact = Tensor({m, D}, DType::Float64),
                  .A = zeros({s, s, D}, DType::Float64),
                  .b = zeros({s, D}, DType::Float64),
                  .c = zeros({s, D}, DType::Float64),
                  .error = zeros({D}, DType::Float64),
                  .hankel = zeros({s, D}, DType::Float64)};
  std::memcpy(out.exact.raw(), t.raw(), size_t(out.exact.bytes()));
  constexpr int64_t kGroup = 64;
  for (int64_t first = 0; first < D && s > 0; first += kGroup) {
    Group group{.K = K,
                .F = fft::fast_length(2 * K),
                .columns = std::min(s + kSpareColumns, K),
                .channels = std::min(kGroup, D - first),
                .spectrum = {}};
    Tensor reversed = zeros({group.F, group.channels}, DType::Float64);
    for (int64_t k = 0; k < K; ++k)
      std::copy_n(t.data<double>() + (m + k) * D + first, group.channels,
                  reversed.data<double>() + (K - 1 - k) * group.channels);
    group.spectrum = fft::r2c(reversed, group.F, 0);
    const std::vector<Ritz> pairs = eigenpairs(group, s);
    for (int64_t c = 0; c < group.channels; ++c) realise(pairs[size_t(c)], s, first + c, out);
  }
  measure(t, out);
  return out;
}

Tensor kernel_of(const StateKernel& states, int64_t lags) {
  const int64_t D = states.exact.size(1);
  Tensor kernel({lags, D}, DType::Float64);
  if (lags == 0) return kernel;
  for_each_lag(states, [&](int64_t l, const std::vector<double>& row) {
    std::copy(row.begin(), row.end(), kernel.data<double>() + l * D);
    return l + 1 < lags;
  });
  return kernel;
}

}  // namespace skiff
