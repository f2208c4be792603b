// Real FFTs on cuFFT, one call for all signals of a tensor. A call takes rows (signals, n) or
// columns (n, signals). For an axis in the middle, (outer, n, inner), the copy that pads or cuts
// also moves it to the front, (n, outer, inner), and back.
#include <cufft.h>

#include <compare>
#include <map>
#include <mutex>
#include <utility>

#include "core/fft.h"
#include "core/parallel.h"

namespace skiff::fft {
namespace {

// The transforms of one call: signals of length F, as rows or as columns.
struct Batch {
  int64_t F, signals;
  bool columns;
  int64_t bins() const { return F / 2 + 1; }
  auto operator<=>(const Batch&) const = default;
};

const char* meaning(cufftResult status) {  // cuFFT has no function for this
  switch (status) {
    case CUFFT_ALLOC_FAILED:
      return "CUFFT_ALLOC_FAILED, out of device memory";
    case CUFFT_INVALID_VALUE:
      return "CUFFT_INVALID_VALUE, a bad argument";
    case CUFFT_INTERNAL_ERROR:
      return "CUFFT_INTERNAL_ERROR, a failure of the driver or cuFFT";
    case CUFFT_EXEC_FAILED:
      return "CUFFT_EXEC_FAILED, the transform did not run";
    case CUFFT_SETUP_FAILED:
      return "CUFFT_SETUP_FAILED, cuFFT could not start";
    case CUFFT_INVALID_SIZE:
      return "CUFFT_INVALID_SIZE, this size is not supported";
    default:
      return "see cufftResult in cufft.h";
  }
}
void require(cufftResult status, const char* call, const Batch& b) {
  check(status == CUFFT_SUCCESS, "cuda: ", call, " failed for ", b.signals,
        " transforms of length ", b.F, ": error ", int(status), ", ", meaning(status));
}

struct Plan {
  cufftHandle handle;
  size_t work_bytes;  // scratch, given at each call: a plan keeps none
};

// Plans are made once and never destroyed: the driver may be gone before static objects are.
Plan plan(cufftType type, const Batch& b) {
  static std::mutex mutex;
  static auto* plans = new std::map<std::pair<cufftType, Batch>, Plan>;
  const std::lock_guard lock(mutex);
  const auto found = plans->find({type, b});
  if (found != plans->end()) return found->second;
  const bool forward = type == CUFFT_R2C || type == CUFFT_D2Z;
  const int64_t in = forward ? b.F : b.bins(), out = forward ? b.bins() : b.F;
  const int64_t stride = b.columns ? b.signals : 1;
  long long F = b.F;  // also given as the two embedding sizes: without them strides are ignored
  Plan made{};
  require(cufftCreate(&made.handle), "cufftCreate", b);
  require(cufftSetAutoAllocation(made.handle, 0), "cufftSetAutoAllocation", b);
  require(cufftMakePlanMany64(made.handle, 1, &F, &F, stride, b.columns ? 1 : in, &F, stride,
                              b.columns ? 1 : out, type, b.signals, &made.work_bytes),
          "cufftMakePlanMany64", b);
  return (*plans)[{type, b}] = made;
}

cufftResult execute(cufftHandle plan, float* x, Complex<float>* X) {
  return cufftExecR2C(plan, x, reinterpret_cast<cufftComplex*>(X));
}
cufftResult execute(cufftHandle plan, double* x, Complex<double>* X) {
  return cufftExecD2Z(plan, x, reinterpret_cast<cufftDoubleComplex*>(X));
}
cufftResult execute(cufftHandle plan, Complex<float>* X, float* x) {
  return cufftExecC2R(plan, reinterpret_cast<cufftComplex*>(X), x);
}
cufftResult execute(cufftHandle plan, Complex<double>* X, double* x) {
  return cufftExecZ2D(plan, reinterpret_cast<cufftDoubleComplex*>(X), x);
}

template <class From, class To>
void transform(cufftType type, const Batch& b, From* from, To* to) {
  const Plan p = plan(type, b);
  Tensor work({int64_t(p.work_bytes / 4) + 1}, DType::Int32, Device::CUDA);
  require(cufftSetWorkArea(p.handle, work.raw()), "cufftSetWorkArea", b);
  require(execute(p.handle, from, to), "cufftExec", b);
}

// to[o, j, i] = from[o, j, i] for j < n_from, else 0. An operand with `front` is stored (j, o, i).
struct Rearrangement {
  int64_t outer, inner, n_from, n_to;
  bool from_front, to_front;
};
template <class E>
void rearrange(const Tensor& from_tensor, Tensor& to_tensor, Rearrangement r) {
  const E* from = from_tensor.data<E>();
  E* to = to_tensor.data<E>();
  parallel_for(Device::CUDA, r.outer * r.n_to * r.inner, [=] SKIFF_KERNEL(int64_t at) {
    const int64_t i = at % r.inner, row = at / r.inner;
    const int64_t o = r.to_front ? row % r.outer : row / r.n_to;
    const int64_t j = r.to_front ? row / r.outer : row % r.n_to;
    const int64_t source = r.from_front ? j * r.outer + o : o * r.n_from + j;
    to[at] = j < r.n_from ? from[source * r.inner + i] : E{};
  });
}

// Zero imaginary parts at bins 0 and F/2, which have none: cuFFT would use what stands there.
template <class T>
void make_end_bins_real(Tensor& spectra, const Batch& b) {
  Complex<T>* Z = spectra.data<Complex<T>>();
  const int64_t signal = b.columns ? 1 : b.bins(), bin = b.columns ? b.signals : 1;
  const int64_t last = b.F % 2 == 0 ? b.F / 2 : 0;
  parallel_for(Device::CUDA, b.signals, [=] SKIFF_KERNEL(int64_t s) {
    Z[s * signal].im = Z[s * signal + last * bin].im = T(0);
  });
}

// A transform of length 1 is a copy.
template <class T>
void copy_to_complex(const Tensor& from, Tensor& to) {
  const T* x = from.data<T>();
  Complex<T>* X = to.data<Complex<T>>();
  parallel_for(Device::CUDA, to.size(), [=] SKIFF_KERNEL(int64_t i) { X[i] = {x[i], T(0)}; });
}
template <class T>
void copy_to_real(const Tensor& from, Tensor& to) {
  const Complex<T>* X = from.data<Complex<T>>();
  T* x = to.data<T>();
  parallel_for(Device::CUDA, to.size(), [=] SKIFF_KERNEL(int64_t i) { x[i] = X[i].re; });
}

constexpr cufftType forward_type(float) { return CUFFT_R2C; }
constexpr cufftType forward_type(double) { return CUFFT_D2Z; }
constexpr cufftType inverse_type(float) { return CUFFT_C2R; }
constexpr cufftType inverse_type(double) { return CUFFT_Z2D; }

template <class T>
void forward(const Tensor& x, Tensor& X, AxisView v, int64_t F) {
  const Batch b{F, v.outer * v.inner, v.inner > 1};
  const bool front = v.outer > 1 && v.inner > 1;
  Tensor signals = x, spectra = front ? empty_like(X) : X;  // without `front` X itself
  if (front || v.n != F) {
    signals = Tensor({F * b.signals}, x.dtype(), Device::CUDA);
    rearrange<T>(x, signals, {v.outer, v.inner, v.n, F, false, front});
  }
  if (F == 1)
    copy_to_complex<T>(signals, spectra);
  else
    transform(forward_type(T()), b, signals.data<T>(), spectra.data<Complex<T>>());
  if (front) rearrange<Complex<T>>(spectra, X, {v.outer, v.inner, b.bins(), b.bins(), true, false});
}

template <class T>
void inverse(const Tensor& X, Tensor& x, AxisView v, int64_t F, int64_t n) {
  const Batch b{F, v.outer * v.inner, v.inner > 1};
  const bool front = v.outer > 1 && v.inner > 1, direct = !front && n == F;
  Tensor spectra = empty_like(X);  // cuFFT overwrites its input
  rearrange<Complex<T>>(X, spectra, {v.outer, v.inner, v.n, v.n, false, front});
  make_end_bins_real<T>(spectra, b);
  Tensor signals = direct ? x : Tensor({F * b.signals}, x.dtype(), Device::CUDA);
  if (F == 1)
    copy_to_real<T>(spectra, signals);
  else
    transform(inverse_type(T()), b, spectra.data<Complex<T>>(), signals.data<T>());
  if (!direct) rearrange<T>(signals, x, {v.outer, v.inner, F, n, front, false});
}

}  // namespace

Tensor cuda_r2c(const Tensor& x, int64_t F, int64_t axis) {
  Tensor X(x.shape().with(axis, F / 2 + 1), complex_type(x.dtype()), Device::CUDA);
  if (X.size() == 0) return X;
  dispatch(x, [&]<class T> { forward<T>(x, X, axis_view(x, axis), F); });
  return X;
}

Tensor cuda_c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n) {
  Tensor x(X.shape().with(axis, n), real_part_type(X.dtype()), Device::CUDA);
  if (x.size() == 0) return x;
  dispatch(X, [&]<class T> { inverse<T>(X, x, axis_view(X, axis), F, n); });
  return x;
}

}  // namespace skiff::fft
