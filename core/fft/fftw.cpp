// The transforms of FFTW, the only file that needs it. A build with FFT=builtin compiles
// no_fftw.cpp instead.
#include <fftw3.h>

#include "core/fft/fft.h"
#include "core/fft/signals.h"

namespace skiff::fft {
namespace {

// The functions of FFTW by one name for float and double.
template <class T>
struct Api;
template <>
struct Api<float> {
  using Plan = fftwf_plan;
  using Number = fftwf_complex;
  static constexpr auto plan_r2c = fftwf_plan_dft_r2c_1d;
  static constexpr auto plan_c2r = fftwf_plan_dft_c2r_1d;
  static constexpr auto r2c = fftwf_execute_dft_r2c;
  static constexpr auto c2r = fftwf_execute_dft_c2r;
  static constexpr auto destroy = fftwf_destroy_plan;
};
template <>
struct Api<double> {
  using Plan = fftw_plan;
  using Number = fftw_complex;
  static constexpr auto plan_r2c = fftw_plan_dft_r2c_1d;
  static constexpr auto plan_c2r = fftw_plan_dft_c2r_1d;
  static constexpr auto r2c = fftw_execute_dft_r2c;
  static constexpr auto c2r = fftw_execute_dft_c2r;
  static constexpr auto destroy = fftw_destroy_plan;
};

// Plans between the 64-byte aligned arrays of Signals, made with ESTIMATE: MEASURE would change the
// last bits from run to run.
template <class T>
class Fftw : public Transform<T> {
 public:
  explicit Fftw(int64_t F) : Transform<T>(F, 1, 0) {
    Signals<T> s(*this);
    forward_ = Api<T>::plan_r2c(int(F), s.signal(0), numbers(s, 0), FFTW_ESTIMATE);
    inverse_ =
        Api<T>::plan_c2r(int(F), numbers(s, 0), s.signal(0), FFTW_ESTIMATE | FFTW_DESTROY_INPUT);
    check(forward_ && inverse_, "fft: FFTW made no plan for length ", F);
  }
  ~Fftw() override {
    Api<T>::destroy(forward_);
    Api<T>::destroy(inverse_);
  }
  void r2c(Signals<T>& s, int64_t first, int64_t count) const override {
    for (int64_t i = first; i < first + count; ++i)
      Api<T>::r2c(forward_, s.signal(i), numbers(s, i));
  }
  void c2r(Signals<T>& s, int64_t first, int64_t count) const override {
    for (int64_t i = first; i < first + count; ++i)
      Api<T>::c2r(inverse_, numbers(s, i), s.signal(i));
  }

 private:
  static typename Api<T>::Number* numbers(Signals<T>& s, int64_t i) {
    return reinterpret_cast<typename Api<T>::Number*>(s.spectrum(i));
  }
  typename Api<T>::Plan forward_, inverse_;
};

}  // namespace

template <class T>
const Transform<T>& transform(int64_t F) {
  static TransformCache<T> cache;
  return cache.get(F, [F] { return std::make_unique<Fftw<T>>(F); });
}
template const Transform<float>& transform(int64_t);
template const Transform<double>& transform(int64_t);

std::string description() { return fftw_version; }

}  // namespace skiff::fft
