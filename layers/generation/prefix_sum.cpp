// prefix_sum: causal SKI exactly, in O(r + m) per input, at any length.
//
// Between two inducing points, jH and (j+1)H, the smooth part of the kernel is a straight line,
// t[l] = alpha_j + beta_j l, and the sum over its lags a_j .. a_{j+1} - 1 is, with a_j = ceil(jH),
// but M for the end of the last segment, whose line gives lag M-1, too,
//
//   sum_l (alpha_j + beta_j l) x[i-l] = (alpha_j + beta_j i) sum_p x[p] - beta_j sum_p p x[p]
//
// over the positions p = i-l. Both sums are differences of prefix sums S[i] = sum_{p <= i} x[p] and
// P[i] = sum_{p <= i} p x[p], of which two rings keep the last ones (0 before the first input):
//
//   y[i] = sum_{l < m} filter[l] x[i-l]
//        + sum_j (alpha_j + beta_j i) (S[i-a_j] - S[i-a_{j+1}]) - beta_j (P[i-a_j] - P[i-a_{j+1}])
//
// Neighbouring segments share a row, so an input reads r rows instead of M. The rings are float64,
// and every so many inputs, in a new epoch, both sums and the positions begin again from 0, so that
// terms stay small however long the text is. A row k of the epoch before, whose sums ended with
// S_e and P_e after E inputs, is a row before the beginning of this one:
//
//   S[k] - S_e   and   P[k] - P_e - E (S[k] - S_e)
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "layers/generation/causal_sum.h"
#include "layers/generation/rows.h"
#include "layers/operators/ski_tno.h"

namespace skiff {
namespace {

constexpr int64_t kEpoch = 4096;  // inputs of an epoch, but at least the rows of the ring

// What copies share.
struct Segments {
  int64_t lags, channels, size;
  std::vector<int64_t> first;  // a_0 .. a_last, and the end of the kernel
  Tensor alpha, beta;          // (segments, channels)

  explicit Segments(const LinearPieces& k)
      : lags(k.lags),
        channels(k.points.size(1)),
        size(int64_t(std::bit_ceil(uint64_t(k.lags + 1)))) {
    const int64_t r = k.points.size(0), D = channels;
    const double H = k.distance;
    std::vector<double> alphas, betas;
    const double* points = k.points.data<double>();
    for (int64_t j = 0; j + 1 < r; ++j) {
      const int64_t a = int64_t(std::ceil(double(j) * H - 1e-9));
      if (a >= lags) break;
      first.push_back(a);
      for (int64_t d = 0; d < D; ++d) {
        const double slope = (points[(j + 1) * D + d] - points[j * D + d]) / H;
        betas.push_back(slope);
        alphas.push_back(points[j * D + d] - slope * double(j) * H);
      }
    }
    const int64_t segments = int64_t(first.size());
    alpha = tensor_of(alphas, {segments, D});
    beta = tensor_of(betas, {segments, D});
    first.push_back(lags);
  }
};

template <class T>
class PrefixSum : public CausalSum<T> {
 public:
  PrefixSum(const LinearPieces& kernel, CausalSumPtr<T> filter)
      : segments_(std::make_shared<const Segments>(kernel)),
        filter_(std::move(filter)),
        sums_(zeros({segments_->size, 2, segments_->channels}, DType::Float64)),
        end_(zeros({2, segments_->channels}, DType::Float64)),
        work_(zeros({4, segments_->channels}, DType::Float64)),
        total_(zeros({segments_->channels}, DType::Float64)) {}
  PrefixSum(const PrefixSum& other)
      : segments_(other.segments_),
        filter_(other.filter_->copy()),
        sums_(other.sums_.clone()),
        end_(other.end_.clone()),
        work_(other.work_.clone()),
        total_(other.total_.clone()),
        epoch_(other.epoch_),
        before_(other.before_),
        i_(other.i_) {}

  void step(const T* x, T* y) override {
    const Segments& s = *segments_;
    const int64_t D = s.channels;
    add(x);
    const double position = double(i_ - 1 - epoch_);  // of x
    filter_->step(x, y);
    double* total = total_.data<double>();
    std::fill_n(total, D, 0.0);
    const double* alpha = s.alpha.data<double>();
    const double* beta = s.beta.data<double>();
    const double* upper = row_now(i_ - 1 - s.first[0], 0);
    for (size_t j = 0; j + 1 < s.first.size(); ++j, alpha += D, beta += D) {
      const double* lower = row_now(i_ - 1 - s.first[j + 1], int64_t(j + 1) % 2);
#pragma omp simd
      for (int64_t d = 0; d < D; ++d)
        total[d] += (alpha[d] + beta[d] * position) * (upper[d] - lower[d]) -
                    beta[d] * (upper[D + d] - lower[D + d]);
      upper = lower;
    }
    for (int64_t d = 0; d < D; ++d) y[d] = T(double(y[d]) + total[d]);
  }
  void take(const T* x, int64_t n) override {
    for (int64_t k = 0; k < n; ++k) add(x + k * segments_->channels);
    filter_->take(x, n);
  }
  CausalSumPtr<T> copy() const override { return std::make_unique<PrefixSum>(*this); }
  void reset() override {
    i_ = epoch_ = before_ = 0;
    std::memset(sums_.raw(), 0, size_t(sums_.bytes()));
    std::memset(end_.raw(), 0, size_t(end_.bytes()));
    filter_->reset();
  }
  int64_t bytes() const override { return sums_.bytes() + end_.bytes() + filter_->bytes(); }

 private:
  // Rows before the first input are places that no input has reached: zeros.
  double* row(int64_t i) {
    return sums_.data<double>() + (i & (segments_->size - 1)) * 2 * segments_->channels;
  }

  // Row i as one of this epoch, perhaps in a buffer, of which there are two.
  const double* row_now(int64_t i, int64_t buffer) {
    const double* sums = row(i);
    if (i >= epoch_) return sums;
    const int64_t D = segments_->channels;
    const double *end = end_.data<double>(), E = double(before_);
    double* moved = work_.data<double>() + buffer * 2 * D;
#pragma omp simd
    for (int64_t d = 0; d < D; ++d) {
      moved[d] = sums[d] - end[d];
      moved[D + d] = sums[D + d] - end[D + d] - E * moved[d];
    }
    return moved;
  }

  // S[i] and P[i] of the next input.
  void add(const T* x) {
    const int64_t D = segments_->channels;
    const bool begins = i_ - epoch_ == std::max(kEpoch, segments_->size);
    const double* before = row(i_ - 1);
    if (begins) {
      std::memcpy(end_.raw(), before, size_t(end_.bytes()));
      before_ = i_ - epoch_;
      epoch_ = i_;
    }
    const double kept = begins ? 0 : 1, position = double(i_ - epoch_);
    double* sums = row(i_);
#pragma omp simd
    for (int64_t d = 0; d < D; ++d) {
      sums[d] = kept * before[d] + double(x[d]);
      sums[D + d] = kept * before[D + d] + position * double(x[d]);
    }
    ++i_;
  }

  std::shared_ptr<const Segments> segments_;
  CausalSumPtr<T> filter_;
  Tensor sums_;                     // (size, 2, channels): S and P of the last inputs
  Tensor end_;                      // (2, channels): S_e and P_e
  Tensor work_;                     // (2, 2, channels): two moved rows
  Tensor total_;                    // (channels), of one step
  int64_t epoch_ = 0, before_ = 0;  // the first input of this epoch, inputs of the one before
  int64_t i_ = 0;                   // inputs so far
};

}  // namespace

template <class T>
CausalSumPtr<T> prefix_sum(const LinearPieces& k) {
  check(k.points.rank() == 2 && k.filter.rank() == 2 && k.points.dtype() == DType::Float64 &&
            k.filter.dtype() == DType::Float64 && k.points.size(1) == k.filter.size(1),
        "prefix sum: points (r, channels) and filter (m, channels) must be float64, got ", k.points,
        " and ", k.filter);
  const int64_t r = k.points.size(0);
  check(r >= 2 && k.lags >= 1 && k.filter.size(0) >= 1 && k.filter.size(0) <= k.lags &&
            double(k.lags - 1) <= double(r - 1) * k.distance + 1e-9,
        "prefix sum: ", r, " points at a distance of ", k.distance, " and a filter of ",
        k.filter.size(0), " do not serve ", k.lags, " lags");
  return std::make_unique<PrefixSum<T>>(k, dense_sum<T>(k.filter.to(DTypeOf<T>::value)));
}

template CausalSumPtr<float> prefix_sum(const LinearPieces&);
template CausalSumPtr<double> prefix_sum(const LinearPieces&);

}  // namespace skiff
