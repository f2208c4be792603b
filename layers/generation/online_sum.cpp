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
//   U = the largest power of two that divides m, at most `size`
//   tile(m, U): Q[m+r] += sum_{p<U} t[U+r-p] X[m-U+p],  r < U
//               inputs m-U .. m-1, outputs m .. m+U-1
//
// Every pair j <= i < j + M is used exactly once: README.md of this folder has a picture and the
// proof. Row i of Q is cleared when step i has read it, before the tile after that step may write
// row i + size into its place.
//
// Tiles by FFT, F = 2U: the wanted samples U .. 2U-1 of the cyclic product with t[0 .. 2U-1] hold
// lags 1 .. 2U-1 only, and what wraps around falls on samples 0 .. U-2. FixedSpectrum gives the
// first samples, so the kernel is turned by U: g[q] = t[(q + U) mod 2U].
//
// Cost per input and channel: a tile of U costs 2.5 * 2U log2(2U) * 2 flop and runs for every
// 2U-th input, so 5 log2(2U) + 3 per level: 2.5 log2(M)^2 + 5.5 log2(M) in all.
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

int64_t power_of_two_in(int64_t m) { return m & -m; }
int64_t power_of_two_from(int64_t n) { return int64_t(std::bit_ceil(uint64_t(n))); }

// What copies share.
template <class T>
struct OnlineKernel {
  Tensor taps;  // (M, channels)
  int64_t lags, channels, block, direct, size, scratch = 0;
  std::vector<FixedSpectrum<T>> spectra;  // by log2 U, from 2 * direct on

  OnlineKernel(const Tensor& kernel, const OnlineOptions& o)
      : taps(kernel),
        lags(kernel.size(0)),
        channels(kernel.size(1)),
        block(o.block),
        direct(std::max(o.direct, int64_t(8))),  // FixedSpectrum begins at F = 32
        size(std::max(power_of_two_from(lags), block)) {
    spectra.resize(size_t(std::countr_zero(uint64_t(size)) + 1));
    for (int64_t U = 2 * direct; U <= size; U *= 2) {
      spectra[level(U)] = spectrum(U);
      scratch = spectra[level(U)].scratch_bytes(U);
    }
  }

  static size_t level(int64_t U) { return size_t(std::countr_zero(uint64_t(U))); }

  FixedSpectrum<T> spectrum(int64_t U) const {
    Tensor turned = zeros({2 * U, channels}, taps.dtype());
    const size_t row = size_t(channels) * sizeof(T);
    for (int64_t l = 0; l < std::min(2 * U, lags); ++l)
      std::memcpy(turned.data<T>() + (l + U) % (2 * U) * channels, taps.data<T>() + l * channels,
                  row);
    return {fft::r2c(turned, 2 * U, 0), 2 * U};
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
    const int64_t first = std::max(i_ / k.block * k.block, i_ - k.lags + 1);
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

  int64_t parts() const override {
    const int64_t U = tile();
    if (U == 0) return 0;
    return U > kernel_->direct
               ? kernel_->spectra[kernel_->level(U)].blocks()
               : (kernel_->channels + rows::Sums<T>::kChannels - 1) / rows::Sums<T>::kChannels;
  }
  int64_t work() const override {
    const int64_t U = tile();
    if (U <= kernel_->direct) return U * U * kernel_->channels;
    return 5 * U * OnlineKernel<T>::level(2 * U) * kernel_->channels;
  }
  int64_t scratch_bytes() const override { return kernel_->scratch; }
  void between_steps(int64_t part, void* scratch) override {
    const OnlineKernel<T>& k = *kernel_;
    const int64_t U = tile(), m = i_;
    const T* x = at(inputs_, m - U);
    T* q = at(pending_, m);
    if (U > k.direct) return k.spectra[k.level(U)].add(part, x, q, U, scratch);
    const int64_t c = part * rows::Sums<T>::kChannels;
    const int64_t width = std::min(rows::Sums<T>::kChannels, k.channels - c);
    for (int64_t r = 0; r < U; ++r) {
      rows::Sums<T> sums(q + r * k.channels + c, width);
      for (int64_t p = std::max(int64_t(0), U + r - k.lags + 1); p < U; ++p)
        sums.add(k.taps.template data<T>() + (U + r - p) * k.channels + c, x + p * k.channels + c);
      sums.store(q + r * k.channels + c);
    }
  }

  CausalSumPtr<T> copy() const override {
    auto other = std::make_unique<OnlineSum>(*this);
    other->inputs_ = inputs_.clone();
    other->pending_ = pending_.clone();
    return other;
  }
  void reset() override {
    i_ = 0;
    std::memset(inputs_.raw(), 0, size_t(inputs_.bytes()));
    std::memset(pending_.raw(), 0, size_t(pending_.bytes()));
  }
  int64_t bytes() const override { return inputs_.bytes() + pending_.bytes(); }

 private:
  // U of the tile that is due after i_ inputs; 0: none.
  int64_t tile() const {
    if (i_ == 0 || i_ % kernel_->block != 0) return 0;
    return std::min(power_of_two_in(i_), kernel_->size);
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
                        std::has_single_bit(uint64_t(o.direct)),
                    "online sum: the base block and the largest direct tile must be powers of two, "
                    "got ",
                    o.block, " and ", o.direct);
  return std::make_unique<OnlineSum<T>>(std::make_shared<const OnlineKernel<T>>(kernel, o));
}

template CausalSumPtr<float> online_sum(const Tensor&, const OnlineOptions&);
template CausalSumPtr<double> online_sum(const Tensor&, const OnlineOptions&);

}  // namespace skiff
