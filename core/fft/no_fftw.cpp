// What fftw.cpp defines, in a build with FFT=builtin.
#include "core/fft/fft.h"
#include "core/fft/signals.h"

namespace skiff::fft {

template <class T>
const Transform<T>& transform(int64_t F) {
  return builtin_transform<T>(F);
}
template const Transform<float>& transform(int64_t);
template const Transform<double>& transform(int64_t);

std::string description() { return "builtin"; }

}  // namespace skiff::fft
