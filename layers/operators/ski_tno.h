// SkiTno: the Toeplitz operator of SKI-TNN (arXiv 2305.09028; ski-tnn skitno_inv_time.py), a short
// filter plus a product that is interpolated between r inducing points, O(n):
//   T = S + W A W^T,  A[p, q] = k((p - q) (n-1)/(r-1)),  k a table over a warped lag axis
// Causal: masking W A W^T would cost the gain, so as in the released code the kernel
// is read at r lags, resized to all lags, the filter is added, and a causal Toeplitz product
// follows.
//
// What differs from the released code, each an option:
//   form = Exact     W interpolates. The released W takes the wrong cell, exchanges the weights and
//                    scales rows by gamma^(n t), so that for gamma < 1 it is practically zero.
//   warp = Auto      The base of the warp is r^(-1/(n_train-1)): the farthest lag falls on the
//                    first entry of the table that is not zero. The released code takes the decay
//                    gamma.
//   scaled = true    As released, filter and table start from N(0, 1), so the sum over all lags is
//                    O(n): an update of 0.001 to a table moves an output by n/1000. Scaled: the
//                    filter from N(0, 1/m), k = r/max(n_train, r) times a table from N(0, 1/r).
//                    W A W^T then averages over the n/r positions of an inducing point, and both
//                    sums are O(1), at the start and in training.
#pragma once

#include "layers/operators/host_values.h"
#include "layers/operators/mixer.h"
#include "layers/operators/rpe.h"

namespace skiff {

enum class Warp { Auto, Gamma };

enum class SkiForm { Exact, Published };  // see above

inline std::span<const Word<Warp>> words_of(Warp) {
  static constexpr Word<Warp> kWords[] = {{Warp::Auto, "auto"}, {Warp::Gamma, "gamma"}};
  return kWords;
}
inline std::span<const Word<SkiForm>> words_of(SkiForm) {
  static constexpr Word<SkiForm> kWords[] = {{SkiForm::Exact, "exact"},
                                             {SkiForm::Published, "published"}};
  return kWords;
}

struct SkiOptions {
  int64_t inducing_points = 64;  // r
  int64_t filter = 32;           // length, made odd (m); causal models keep (m+1)/2
  SkiForm form = SkiForm::Exact;
  Warp warp = Warp::Auto;
  bool scaled = false;  // see above

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "inducing-points",
           .help = "ski: inducing points of the interpolation",
           .low = 2,
           .high = 65536,
           .old_name = "rank"},
          o.inducing_points);
    field({.name = "filter",
           .help = "ski, conv: length of the short filter, made odd",
           .low = 1,
           .high = 65536,
           .old_name = "taps"},
          o.filter);
    field({.name = "ski", .help = "ski: exact interpolation, or as the released code computes it"},
          o.form);
    field({.name = "warp",
           .help = "ski: base of the lag warp, from the length of training or "
                   "--gamma"},
          o.warp);
    field({.name = "scaled",
           .help = "ski, conv: kernels in units in which their sums are O(1), at any length"},
          o.scaled);
  }
};

// A causal kernel of SKI as what it is: a filter, and straight lines between inducing points. With
// j = floor(l / distance)
//   t[l] = filter[l] + points[j] + (points[j+1] - points[j]) (l / distance - j),  l < lags
struct LinearPieces {
  Tensor points;  // (r, channels) float64, at lags 0, distance, 2 distance ..
  Tensor filter;  // (m, channels) float64, m <= lags
  double distance = 1;
  int64_t lags = 1;  // at most (r-1) distance + 1
};

struct SkiTno : Mixer {
  int64_t channels, train_length;
  KernelOptions kernel_options;
  SkiOptions options;
  Variable conv_kernel;  // the filter, as in ShortConv (controls.h): (channels, m or (m+1)/2)
  Variable alphas;       // (1, channels, 1, r): kernel over lags >= 0, the last entry is lag 0
  Variable betas;        // (1, channels, 1, r): over lags < 0; bidirectional only
  Tensor gamma;          // (): base of the warp, fixed once made
  double table_scale;    // of alphas and betas

  SkiTno(const Scope& s, const MixerShape& shape, const KernelOptions& kernel,
         const SkiOptions& o = {});
  double warp_base() const { return gamma_values_.of(gamma)[0]; }
  // The kernel between inducing points, k at lags (p - q) H, laid out as toeplitz() wants it:
  // (2r, channels), causal (r, channels).
  Variable inducing_kernel(int64_t n) const;
  Variable operator()(const Variable& x, int64_t axis = -2) const override;
  LinearPieces causal_pieces(int64_t lags, Beyond beyond = Beyond::Extend) const;
  Tensor causal_taps(int64_t lags, Beyond beyond = Beyond::Extend) const override;

 private:
  Variable published_product(const Variable& x, int64_t axis) const;
  Variable causal_product(const Variable& x, int64_t axis) const;

  mutable HostValues gamma_values_;
};

}  // namespace skiff
