// hilbert: the causal spectrum A whose real part is the given real response R.
// Its imaginary part is minus the discrete Hilbert transform of R, the one that
// makes sin of cos: R[k] = cos(2 pi k/F) has A[k] = e^(-2 pi i k/F), which is
// the spectrum of a single 1 at t = 1 (F > 2). This is how FD-TNN makes a causal
// kernel from a real-valued network (arXiv 2305.09028).
//
//   forward   e = irfft(R)                    real and even: e[t] = e[F - t]
//             h = w e,   w[0] = 1,  w[t] = 2 for 0 < t < F/2
//                        w[F/2] = 1 (F even),  0 beyond
//             A = rfft(h)
//
// Why. Any real h is the sum of an even part (h[t] + h[F-t])/2, whose spectrum
// is Re A, and an odd part, whose spectrum is i Im A. Folding the second half
// of e onto the first leaves the even part as it was, so Re A = R, and nothing
// is left at negative times F/2 < t < F.
//
// The map is linear, A = rfft w irfft, and each factor's adjoint is known
// (rfft.cpp, irfft.cpp):
//
//   adjoint   gh = rfft^T gA = c2r(g'),   g'[k] = gA[k] at k = 0 and 2k = F,
//                                         gA[k]/2 otherwise
//             ge = w gh
//             gR[k] = c[k]/F Re rfft(ge)[k],   c = 1 at k = 0 and 2k = F,
//                                              2 otherwise
//
// Where fft::use_lanes says so, the three factors run in one walk over memory,
// a block of channels at a time (fft::lanes_weighted). Elsewhere they run one
// after the other.
//
// CausalWindow::Published: the released causal_spectrum doubles e[F/2] as
// well, so Re A = R + (-1)^k e[F/2]. With n <= F/2 that sample never meets an
// output, and y and its gradients are the same.

#include "autograd/op.h"
#include "autograd/ops/detail/half_spectrum.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/spectral.h"
#include "core/fft/fft.h"
#include "core/parallel.h"

namespace skiff {
namespace {

// out[i] = in[i] + 0 i
template <class T>
void to_complex_kernel(const Tensor& in, Tensor& out) {
  const T* x = in.data<T>();
  Complex<T>* z = out.data<Complex<T>>();
  parallel_for(in.device(), in.size(), [=] SKIFF_KERNEL(int64_t i) { z[i] = {x[i], T(0)}; });
}

// out[k] = c[k]/F Re in[k]
template <class T>
void real_part_kernel(const Tensor& in, Tensor& out, AxisView v, int64_t F) {
  const Complex<T>* z = in.data<Complex<T>>();
  T* x = out.data<T>();
  const T one = T(1) / T(F), two = T(2) / T(F);
  parallel_for(in.device(), in.size(), [=] SKIFF_KERNEL(int64_t i) {
    const int64_t k = i / v.inner % v.n;
    x[i] = (k == 0 || 2 * k == F ? one : two) * z[i].re;
  });
}

// Multiplies the signal, in place, by s w[t].
template <class T>
void window_kernel(Tensor& signal, AxisView v, int64_t F, T s, bool published) {
  T* h = signal.data<T>();
  parallel_for(signal.device(), signal.size(), [=] SKIFF_KERNEL(int64_t i) {
    const int64_t t = i / v.inner % v.n;
    const bool once = t == 0 || (2 * t == F && !published);
    h[i] *= once ? s : 2 * t <= F ? 2 * s : T(0);
  });
}

struct Hilbert {
  static constexpr auto name = "hilbert";
  static constexpr Linearity linear = Linearity::Jointly;
  int64_t F, axis = -2;  // attributes
  CausalWindow kind = CausalWindow::Exact;

  Tensor forward(const Tensor& R) {
    check_real(name, "R", R);
    check(F >= 1 && R.size(axis) == F / 2 + 1, "hilbert: length F = ", F, " needs ", F / 2 + 1,
          " bins along axis ", axis, ", got ", R);
    if (in_one_walk(R))
      return fft::lanes_weighted(R, {}, weights(R, 1.0 / double(F)), {}, false, F, axis);
    Tensor spectrum(R.shape(), complex_type(R.dtype()), R.device());
    dispatch(R, [&]<class T> { to_complex_kernel<T>(R, spectrum); });
    Tensor h = fft::c2r(spectrum, F, axis, F);  // F e
    window(h, 1.0 / double(F));
    return fft::r2c(h, F, axis);
  }
  Grads backward(const Tensor& gA, Needs) const {
    if (in_one_walk(gA))
      return {fft::lanes_weighted(gA, {1, 0.5}, weights(gA, 1), {1 / double(F), 2 / double(F)},
                                  true, F, axis)};
    Tensor g = fft::c2r(scale_bins(gA, F, axis, 1, 0.5), F, axis, F);  // gh
    window(g, 1);                                                      // ge
    const Tensor spectrum = fft::r2c(g, F, axis);
    Tensor gR(gA.shape(), real_part_type(gA.dtype()), gA.device());
    dispatch(gR, [&]<class T> { real_part_kernel<T>(spectrum, gR, axis_view(gR, axis), F); });
    return {gR};
  }
  bool in_one_walk(const Tensor& bins) const {
    return bins.device() == Device::CPU && fft::use_lanes(F, axis_view(bins, axis).inner);
  }
  // s w[t] for t <= F/2, in the number type of the bins
  Tensor weights(const Tensor& bins, double s) const {
    Tensor w = full({F / 2 + 1, 1}, 1, real_part_type(bins.dtype()));
    Hilbert{F, -2, kind}.window(w, s);
    return w;
  }
  void window(Tensor& h, double s) const {
    dispatch(h, [&]<class T> {
      window_kernel<T>(h, axis_view(h, axis), F, T(s), kind == CausalWindow::Published);
    });
  }
  Tensor reference(const Tensor& R) const {
    Tensor A = zeros(R.shape(), DType::Complex128);
    const auto in = reference::elements(R, axis);
    const auto out = reference::elements<reference::Bin>(A, axis);
    out.for_each([&](int64_t o, int64_t k, int64_t d) {
      for (int64_t t = 0; 2 * t <= F; ++t) {  // beyond F/2, w is 0
        double e = 0;
        for (int64_t q = 0; q < in.n; ++q)
          e += reference::bins(q, F) / double(F) * in(o, q, d) *
               std::real(reference::turn(q * t, F));
        const bool once = t == 0 || (2 * t == F && kind == CausalWindow::Exact);
        out(o, k, d) += (once ? 1.0 : 2.0) * e * std::conj(reference::turn(t * k, F));
      }
    });
    return A;
  }
  static std::vector<Sample<Hilbert>> samples() {
    return {
        {"even", {.F = 8}, {randn({5, 3})}},
        {"odd", {.F = 7}, {randn({4, 3})}},
        {"length 1", {.F = 1}, {randn({1, 2})}},
        {"length 2", {.F = 2}, {randn({2, 2})}},
        {"length 3", {.F = 3}, {randn({2, 2})}},
        {"published", {.F = 8, .kind = CausalWindow::Published}, {randn({5, 3})}},
        {"in one walk", {.F = 32}, {randn({17, 19})}},
        {"in one walk, published", {.F = 64, .kind = CausalWindow::Published}, {randn({33, 12})}},
        {"in one walk, columns", {.F = 32, .axis = -3}, {randn({17, 2, 7})}},
        {"batch", {.F = 6}, {randn({2, 4, 3})}},
        {"columns", {.F = 6, .axis = -3}, {randn({4, 2, 3})}}};
  }
};

}  // namespace

Variable hilbert(const Variable& R, int64_t F, int64_t axis, CausalWindow window) {
  return apply(Hilbert{F, axis, window}, R);
}

}  // namespace skiff
