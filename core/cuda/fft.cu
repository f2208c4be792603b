// Real FFTs on cuFFT, one call for all signals of a tensor. A call takes rows (signals, n) or
// columns (n, signals). For an axis in the middle, (outer, n, inner), the copy that pads or cuts
// also moves it to the front, (n, outer, inner), and back. A transform of length 1 is a copy.
#include <cufft.h>

#include <compare>
#include <map>
#include <mutex>
#include <utility>

#include "core/cuda/fft.h"
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
void forward(const Tensor& x, Spectra& X, AxisView v) {
  const Batch b{X.F, v.outer * v.inner, X.columns()};
  const bool front = v.outer > 1 && v.inner > 1;
  Tensor signals = x;
  if (front || v.n != X.F) {
    signals = Tensor({X.F * b.signals}, x.dtype(), Device::CUDA);
    rearrange<T>(x, signals, {v.outer, v.inner, v.n, X.F, false, front});
  }
  if (X.F == 1)
    copy_to_complex<T>(signals, X.bins);
  else
    // cuFFT leaves its input as it is: x is read alone, which is no mark of a change.
    transform(forward_type(T()), b, const_cast<T*>(std::as_const(signals).data<T>()),
              X.bins.data<Complex<T>>());
}

template <class T>
void inverse(Spectra& X, Tensor& x, int64_t n) {
  const Batch b{X.F, X.outer * X.inner, X.columns()};
  const bool front = X.outer > 1 && X.inner > 1, direct = !front && n == X.F;
  Tensor signals = direct ? x : Tensor({X.F * b.signals}, x.dtype(), Device::CUDA);
  if (X.F == 1)
    copy_to_real<T>(X.bins, signals);
  else
    transform(inverse_type(T()), b, X.bins.data<Complex<T>>(), signals.data<T>());
  if (!direct) rearrange<T>(signals, x, {X.outer, X.inner, X.F, n, front, false});
}

// Between cuFFT's layout and (outer, bins, inner). cuFFT would use the imaginary parts of bins 0
// and F/2, which have none: on the way in they become 0.
template <class T>
void to_layout(const Spectra& X, Tensor& to_tensor) {
  const Complex<T>* from = X.bins.data<Complex<T>>();
  Complex<T>* to = to_tensor.data<Complex<T>>();
  const SpectraIndex index = X.index();
  parallel_for(Device::CUDA, to_tensor.size(), [=] SKIFF_KERNEL(int64_t at) {
    const int64_t i = at % index.inner, k = at / index.inner % index.bins;
    to[at] = from[index.at(at / index.inner / index.bins, k, i)];
  });
}
template <class T>
void from_layout(const Tensor& from_tensor, Spectra& X) {
  const Complex<T>* from = from_tensor.data<Complex<T>>();
  Complex<T>* to = X.bins.data<Complex<T>>();
  const SpectraIndex index = X.index();
  parallel_for(Device::CUDA, from_tensor.size(), [=] SKIFF_KERNEL(int64_t at) {
    const int64_t i = at % index.inner, k = at / index.inner % index.bins;
    Complex<T> z = from[at];
    if (index.is_end(k)) z.im = T(0);
    to[index.at(at / index.inner / index.bins, k, i)] = z;
  });
}

}  // namespace

Spectra::Spectra(DType dtype, AxisView v, int64_t F)
    : F(F),
      outer(v.outer),
      inner(v.inner),
      bins({v.outer * (F / 2 + 1) * v.inner}, dtype, Device::CUDA) {}

Spectra cuda_spectra(const Tensor& x, int64_t F, int64_t axis) {
  const AxisView v = axis_view(x, axis);
  Spectra X(complex_type(x.dtype()), v, F);
  if (X.bins.size() > 0) dispatch(x, [&]<class T> { forward<T>(x, X, v); });
  return X;
}

void cuda_signals(Spectra X, Tensor& x, int64_t n) {
  if (x.size() > 0) dispatch(x, [&]<class T> { inverse<T>(X, x, n); });
}

Tensor cuda_r2c(const Tensor& x, int64_t F, int64_t axis) {
  const Spectra spectra = cuda_spectra(x, F, axis);
  const Shape shape = x.shape().with(axis, F / 2 + 1);
  if (!spectra.rearranged()) return spectra.bins.reshape(shape);
  Tensor X(shape, spectra.bins.dtype(), Device::CUDA);
  dispatch(x, [&]<class T> { to_layout<T>(spectra, X); });
  return X;
}

Tensor cuda_c2r(const Tensor& X, int64_t F, int64_t axis, int64_t n) {
  Tensor x(X.shape().with(axis, n), real_part_type(X.dtype()), Device::CUDA);
  Spectra spectra(X.dtype(), axis_view(X, axis), F);  // a copy: cuFFT overwrites its input
  dispatch(X, [&]<class T> { from_layout<T>(X, spectra); });
  cuda_signals(std::move(spectra), x, n);
  return x;
}

}  // namespace skiff::fft
