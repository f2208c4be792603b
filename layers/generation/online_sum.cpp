// online_sum: the causal sum with inputs that arrive one at a time, in O(log^2 M) per input instead
// of M, and exact (relaxed multiplication, van der Hoeven 2002; for convolution models "Flash
// Inference", arXiv 2410.12982).
//
// Idea. y[i] needs x[i] at once, but the contributions of old inputs to many future outputs can be
// added together, by one FFT. Pending sums Q hold what later rows have got so far.
//
//   step i:  X[i] = x;  y = Q[i]
//            y += t[i-j] X[j]  for j = B floor(i/B) .. i       the base block of B inputs
//            m = i + 1, and if B divides m: tile(m, U)
//   U = the largest power of two that divides m, at most that from N on
//   tile(m, U): Q[m+r] += sum t[U+r-p] X[m-U+p] over p < U with U+r-p < N,  r < U
//               inputs m-U .. m-1, outputs m .. m+U-1
//   N = min(M, near) lags; the base block, too, stops at lag N-1
//
// Every pair j <= i < j + M is used exactly once: README.md of this folder has a picture and the
// proof. Row i of Q is cleared when step i has read it, before the tile after that step may write
// row i + size into its place.
//
// Tiles by FFT, F = 2U: the wanted samples U .. 2U-1 of the cyclic product with t[0 .. 2U-1] hold
// lags 1 .. 2U-1 only, and what wraps around falls on samples 0 .. U-2. FixedSpectrum gives the
// first samples, so the kernel is turned by U: g[q] = t[(q + U) mod 2U].
//
// Lags from N on, where M is larger. A tile of U inputs is due at once and takes U log U
// operations, which would be seconds for large U. Far lags leave time: level V = N/2, N, 2N, ..
// serves the lags 2V .. 4V-1, and takes V inputs at a time. When inputs m-V .. m-1 are complete,
// their effect
//
//   Q[m+V+p] += sum_{a<V} t[2V+p-a] X[m-V+a],  p < 3V-1,  0 <= p-a < 2V
//
// begins with output m+V. So its groups of channels are computed one after the other during the V
// steps until then, by FFTs of F = 4V > 3V-1. A pair j <= i has one level, that of its lag, and one
// block of inputs. Rows m+V .. m+4V-2 are pending rows of the ring, and X[m-V ..] is in its ring
// until then, since 4V <= size.
//
// Cost per input and channel: a tile of U costs 2.5 * 2U log2(2U) * 2 + 6 U flop. One of U < N runs
// for every 2U-th input: 5 log2(2U) + 3. The largest, N, runs for every N-th once the text is
// longer: 10 log2(2N) + 6. Together 2.5 log2(N)^2 + 15.5 log2(N) + 16. A far level has two
// transforms of 4V for every V-th input, 20 log2(4V).
#include <bit>
#include <cstring>
#include <vector>

#include "core/conv/spectral_conv.h"
#include "core/fft/fft.h"
#include "core/scratch.h"
#include "layers/generation/causal_sum.h"
#include "layers/generation/rows.h"

namespace skiff {
namespace {

using lanes::kWidth;

int64_t power_of_two_in(int64_t m) { return m & -m; }
int64_t power_of_two_from(int64_t n) { return int64_t(std::bit_ceil(uint64_t(n))); }
int64_t quotient_up(int64_t a, int64_t b) { return (a + b - 1) / b; }  // a >= 0

// What copies share.
template <class T>
struct OnlineKernel {
  struct Far {
    int64_t V;
    FixedSpectrum<T> spectrum;
  };
  Tensor taps;  // (M, channels)
  int64_t lags, channels, block, direct, size;
  int64_t near_lags, largest_tile, scratch = 0;
  std::vector<FixedSpectrum<T>> spectra;  // of tiles, by log2 U, from 2 * direct on
  std::vector<Far> far;

  OnlineKernel(const Tensor& kernel, const OnlineOptions& o)
      : taps(kernel),
        lags(kernel.size(0)),
        channels(kernel.size(1)),
        block(o.block),
        direct(std::max(o.direct, int64_t(8))),  // FixedSpectrum begins at F = 32
        size(std::max(power_of_two_from(lags), block)),
        near_lags(std::min(lags, std::max({o.near, block, int64_t(16)}))),
        largest_tile(std::max(power_of_two_from(near_lags), block)) {
    spectra.resize(size_t(std::countr_zero(uint64_t(largest_tile)) + 1));
    for (int64_t U = 2 * direct; U <= largest_tile; U *= 2) {
      spectra[level(U)] = spectrum(0, near_lags, U, 2 * U);
      scratch = spectra[level(U)].scratch_bytes(U);
    }
    for (int64_t V = near_lags / 2; near_lags < lags && 2 * V < lags; V *= 2) {
      far.push_back({V, spectrum(2 * V, std::min(4 * V, lags), 0, 4 * V)});
      scratch = std::max(scratch, far.back().spectrum.scratch_bytes(3 * V));
    }
  }

  static size_t level(int64_t U) { return size_t(std::countr_zero(uint64_t(U))); }

  // Of F samples with the taps of lags first .. last-1, the first of them at sample `at`.
  FixedSpectrum<T> spectrum(int64_t first, int64_t last, int64_t at, int64_t F) const {
    Tensor samples = zeros({F, channels}, taps.dtype());
    const size_t row = size_t(channels) * sizeof(T);
    for (int64_t l = first; l < std::min(first + F, last); ++l)
      std::memcpy(samples.data<T>() + (l - first + at) % F * channels,
                  taps.data<T>() + l * channels, row);
    return {fft::r2c(samples, F, 0), F};
  }
};

template <class T>
class OnlineSum : public CausalSum<T> {
 public:
  explicit OnlineSum(std::shared_ptr<const OnlineKernel<T>> kernel)
      : kernel_(std::move(kernel)),
        inputs_(zeros({kernel_->size, kernel_->channels}, DTypeOf<T>::value)),
        pending_(zeros({kernel_->size, kernel_->channels}, DTypeOf<T>::value)) {}

  void step(const T* x, T* y) override {
    const OnlineKernel<T>& k = *kernel_;
    const size_t row = size_t(k.channels) * sizeof(T);
    T* pending = at(pending_, i_);
    std::memcpy(at(inputs_, i_), x, row);
    const int64_t first = std::max(i_ / k.block * k.block, i_ - k.near_lags + 1);
    for (int64_t c = 0; c < k.channels; c += rows::Sums<T>::kChannels) {
      rows::Sums<T> sums(pending + c, std::min(rows::Sums<T>::kChannels, k.channels - c));
      for (int64_t j = first; j <= i_; ++j)
        sums.add(k.taps.template data<T>() + (i_ - j) * k.channels + c, at(inputs_, j) + c);
      sums.store(y + c);
    }
    std::memset(pending, 0, row);
    ++i_;
  }

  // The contributions of all inputs so far to the rows that follow become the pending sums, and
  // the schedule starts anew.
  void take(const T* x, int64_t n) override {
    if (n == 0) return;
    if (i_ > 0) return take_by_steps(x, n);
    const OnlineKernel<T>& k = *kernel_;
    shift_pending(n);
    const int64_t rows_after = k.lags - 1, used = std::min(n, rows_after);
    if (rows_after == 0) return;
    // Row n + r gets sum_j t[n + r - j] x[j]. Of the cyclic product of the last inputs with the
    // kernel, F >= used + rows_after, the samples from `used` on are not wrapped into.
    const int64_t F = fft::fast_length(used + rows_after);
    Tensor last({used, k.channels}, DTypeOf<T>::value);
    std::memcpy(last.raw(), x + (n - used) * k.channels, size_t(last.bytes()));
    const Tensor all = spectral_conv_forward(padded(last, F), fft::r2c(k.taps, F, 0), F, 0);
    const T* from = all.data<T>() + used * k.channels;
    T* pending = pending_.data<T>();
    for (int64_t a = 0; a < rows_after * k.channels; ++a) pending[a] += from[a];
  }

  // A part is some channels, so no two of them add to the same pending sum.
  int64_t parts() const override {
    bool due = tile() > 0;
    for (size_t l = 0; l < kernel_->far.size(); ++l) due = due || first_job(l) < last_job(l);
    return due ? quotient_up(kernel_->channels, rows::Sums<T>::kChannels) : 0;
  }
  int64_t work() const override {
    const OnlineKernel<T>& k = *kernel_;
    const int64_t U = tile();
    int64_t work = U <= k.direct ? U * U * k.channels
                                 : 5 * U * int64_t(OnlineKernel<T>::level(2 * U)) * k.channels;
    for (size_t l = 0; l < k.far.size(); ++l) {
      const int64_t F = 4 * k.far[l].V;
      work += (last_job(l) - first_job(l)) * k.far[l].spectrum.width() * 5 * F / 2 *
              int64_t(OnlineKernel<T>::level(F));
    }
    return work;
  }
  int64_t scratch_bytes() const override { return kernel_->scratch; }
  void between_steps(int64_t part, void* scratch) override {
    const OnlineKernel<T>& k = *kernel_;
    const int64_t per_part = rows::Sums<T>::kVectors, first = part * per_part;  // of groups
    const int64_t last = std::min(first + per_part, quotient_up(k.channels, kWidth<T>));
    const int64_t U = tile();
    if (U > 0 && U <= k.direct) sum_tile(U, part);
    for (int64_t group = first; U > k.direct && group < last; ++group)
      k.spectra[k.level(U)].add(group, at(inputs_, i_ - U), at(pending_, i_), U, scratch);
    for (size_t l = 0; l < k.far.size(); ++l)
      for (int64_t group = std::max(first, first_job(l)); group < std::min(last, last_job(l));
           ++group)
        add_far(l, group, scratch);
  }

  CausalSumPtr<T> copy() const override {
    auto other = std::make_unique<OnlineSum>(*this);
    other->inputs_ = inputs_.clone();
    other->pending_ = pending_.clone();
    return other;
  }
  void reset() override {
    i_ = 0;
    std::memset(pending_.raw(), 0, size_t(pending_.bytes()));
  }
  int64_t bytes() const override { return inputs_.bytes() + pending_.bytes(); }

 private:
  // U of the tile that is due after i_ inputs; 0: none.
  int64_t tile() const {
    if (i_ == 0 || i_ % kernel_->block != 0) return 0;
    return std::min(power_of_two_in(i_), kernel_->largest_tile);
  }
  void sum_tile(int64_t U, int64_t part) {
    const OnlineKernel<T>& k = *kernel_;
    const T* x = at(inputs_, i_ - U);
    T* q = at(pending_, i_);
    const int64_t c = part * rows::Sums<T>::kChannels;
    const int64_t width = std::min(rows::Sums<T>::kChannels, k.channels - c);
    for (int64_t r = 0; r < U; ++r) {
      rows::Sums<T> sums(q + r * k.channels + c, width);
      for (int64_t p = std::max(int64_t(0), U + r - k.near_lags + 1); p < U; ++p)
        sums.add(k.taps.template data<T>() + (U + r - p) * k.channels + c, x + p * k.channels + c);
      sums.store(q + r * k.channels + c);
    }
  }

  // Job b of level l is its group b of channels. Of G groups it runs floor((2b + 1) V / (2G)) steps
  // after m: an odd multiple of V / (2G), which is none for another level. So levels do not meet
  // while V >= 2G.
  int64_t first_job(size_t l) const {  // the first that is not done before this step
    const int64_t V = kernel_->far[l].V;
    return i_ < V ? 0 : jobs_before(l, i_ % V);
  }
  int64_t last_job(size_t l) const {  // the first that stays for a later step
    const int64_t V = kernel_->far[l].V;
    return i_ < V ? 0 : jobs_before(l, i_ % V + 1);
  }
  int64_t jobs_before(size_t l, int64_t steps) const {
    const int64_t V = kernel_->far[l].V, G = kernel_->far[l].spectrum.blocks();
    const int64_t due = 2 * G * steps;
    return due <= V ? 0 : std::min(G, quotient_up(due - V, 2 * V));
  }
  void add_far(size_t l, int64_t group, void* scratch) {
    const auto& [V, spectrum] = kernel_->far[l];
    const int64_t m = i_ / V * V;
    const T* product = spectrum.product(group, at(inputs_, m - V), V, 3 * V - 1, scratch);
    for (int64_t p = 0; p < 3 * V - 1; ++p)
      spectrum.add_row(group, product + p * spectrum.width(), at(pending_, m + V + p));
  }
  T* at(Tensor& ring, int64_t row) const {
    return ring.data<T>() + (row & (kernel_->size - 1)) * kernel_->channels;
  }
  void take_by_steps(const T* x, int64_t n) {
    const Scratch<T> y(kernel_->channels);
    const Scratch<int32_t> scratch((scratch_bytes() + 3) / 4);
    for (int64_t k = 0; k < n; ++k) {
      step(x + k * kernel_->channels, y + 0);
      for (int64_t part = 0; part < parts(); ++part) between_steps(part, scratch + 0);
    }
  }
  // Before the first step row r of the ring is the r-th row to come; of those, n have passed.
  void shift_pending(int64_t n) {
    const OnlineKernel<T>& k = *kernel_;
    const int64_t kept = std::max(int64_t(0), k.size - n) * k.channels;
    T* pending = pending_.data<T>();
    std::memmove(pending, pending + (k.size * k.channels - kept), size_t(kept) * sizeof(T));
    std::memset(pending + kept, 0, size_t(k.size * k.channels - kept) * sizeof(T));
  }
  static Tensor padded(const Tensor& x, int64_t F) {
    Tensor all = zeros({F, x.size(1)}, x.dtype());
    std::memcpy(all.raw(), x.raw(), size_t(x.bytes()));
    return all;
  }

  std::shared_ptr<const OnlineKernel<T>> kernel_;
  Tensor inputs_, pending_;  // (size, channels): X and Q
  int64_t i_ = 0;            // inputs since the schedule began
};

}  // namespace

template <class T>
CausalSumPtr<T> online_sum(const Tensor& kernel, const OnlineOptions& o) {
  rows::check_kernel<T>(kernel);
  check<UsageError>(o.block >= 1 && std::has_single_bit(uint64_t(o.block)) && o.direct >= 1 &&
                        std::has_single_bit(uint64_t(o.direct)) && o.near >= 1 &&
                        std::has_single_bit(uint64_t(o.near)),
                    "online sum: the base block, the largest direct tile and the near lags must be "
                    "powers of two, got ",
                    o.block, ", ", o.direct, " and ", o.near);
  return std::make_unique<OnlineSum<T>>(std::make_shared<const OnlineKernel<T>>(kernel, o));
}

template CausalSumPtr<float> online_sum(const Tensor&, const OnlineOptions&);
template CausalSumPtr<double> online_sum(const Tensor&, const OnlineOptions&);

}  // namespace skiff
