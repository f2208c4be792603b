#include "core/version.h"

#include "core/blas.h"
#include "core/fft/fft.h"

namespace skiff {

std::string build_description() {
#if defined(__clang__)
  const std::string compiler = __VERSION__;
#else
  const std::string compiler = std::string("g++ ") + __VERSION__;
#endif
#if defined(__AVX512F__)
  const char* vectors = ", AVX-512";
#elif defined(__AVX2__)
  const char* vectors = ", AVX2";
#else
  const char* vectors = "";
#endif
  return compiler + vectors + ", " + fft::description() + ", Philox4x32-10";
}

std::string bits_description() { return build_description() + ", " + blas::description(); }

}  // namespace skiff
