// The builtin FFT: real transforms of any length F. FFT=builtin builds everything on it, without
// FFTW; the tests compare the two.
//
// Write w_N = e^(-2 pi i / N). The complex transform of N values is
//
//   X[k] = sum_{j<N} x[j] w_N^(jk),   k < N
//
// Mixed radix. Let N = R q. Write j = R a + m (m < R) and k = q s + b (b < q). Then
//
//   w_N^(jk) = w_N^(R q a s) w_N^(R a b) w_N^(m q s) w_N^(m b) = 1 w_q^(ab) w_R^(ms) w_N^(mb)
//   X[q s + b] = sum_{m<R} w_R^(ms) ( w_N^(mb) X_m[b] ),   X_m[b] = sum_{a<q} x[R a + m] w_q^(ab)
//
// so X takes R transforms X_m of length q, of every R-th value from the m-th on, then the
// `twiddles` w_N^(mb), then for each b a transform of length R. In place of N^2 products that is
// N (R_1 + R_2 + ..) for N = R_1 R_2 ... With X_m in rows m q .. m q + q-1 of the output, the last
// step reads rows b, q + b, 2 q + b .. and writes the same rows.
//
// Radix R: 4 and 2 by sums and exchanges of parts (w_4 = -i). An odd R by pairs m, R-m, because
// v w_R^(ms) + v' w_R^(-ms) = (v + v') cos(2 pi ms/R) - i (v - v') sin(2 pi ms/R):
//
//   E = v[0] + sum_{1<=m<=R/2} (v[m] + v[R-m]) cos(2 pi ms/R)           y[s]   = E - i O
//   O =        sum_{1<=m<=R/2} (v[m] - v[R-m]) sin(2 pi ms/R)           y[R-s] = E + i O
//
// Large primes (Bluestein). jk = (j^2 + k^2 - (k-j)^2) / 2, so with the `chirp`
// b[j] = e^(pi i j^2 / N) and conj(b) written b*
//
//   X[k] = b*[k] sum_{j<N} (x[j] b*[j]) b[k - j],   b[-j] = b[j]:
//
// a convolution. It is made by transforms of a length L >= 2N - 1 that has small factors only, with
// b[0 .. N-1] in places 0 .. N-1 and, for negative indices, in places L-1, L-2 ..
//
// Inverse. With swap(x) = im x + i re x = i conj(x), sum_k X[k] w_N^(-jk) is
// swap(transform(swap(X)))[j]: both conjugate once more, and i conj(i) = 1.
//
// Real signals of even length F = 2M. The complex numbers z[j] = x[2j] + i x[2j+1], transformed
// with length M, are Z = A + i B, where A and B are the spectra of the even and of the odd samples
// and A[-k] = conj(A[k]), B[-k] = conj(B[k]). With Z' = conj(Z[M-k]) = A - i B
//
//   X[k] = A[k] + w_F^k B[k] = (Z + Z')/2 - i w_F^k (Z - Z')/2,   0 <= k <= M,  Z[M] = Z[0]
//
// and back, without the factor 1/2: A = X[k] + conj(X[M-k]), w_F^k B = X[k] - conj(X[M-k]). Bins k
// and M-k are made together. A signal of odd length is transformed as it is, with imaginary part 0.
//
// A number here is one number for each of the signals that fill a register (core/lanes.h): no
// signal meets another, so none depends on which others are transformed with it.
#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <vector>

#include "core/fft/signals.h"
#include "core/lanes.h"

namespace skiff::fft {
namespace {

using lanes::kWidth;
using lanes::Row;
using lanes::unrolled;

constexpr int kLargestRadix = 61;  // a larger prime is left to Bluestein

// w_N^k as re, im, rounded once.
template <class T>
Complex<T> root(int64_t k, int64_t N) {
  const long double angle = -2 * std::numbers::pi_v<long double> * (k % N) / N;
  return {T(std::cos(angle)), T(std::sin(angle))};
}

template <class T>
Row<T> times(const Row<T>& a, Complex<T> w) {
  return {a.re * w.re - a.im * w.im, a.re * w.im + a.im * w.re};
}
template <class T>
Row<T> half(const Row<T>& a) {
  return {T(0.5) * a.re, T(0.5) * a.im};
}
template <class T>
Row<T> swapped(const Row<T>& a) {
  return {a.im, a.re};
}
template <class T>
Row<T> minus_i(const Row<T>& a) {
  return {a.im, -a.re};
}

// ---- transforms of length R, v to v ----
template <class T>
struct Radix2 {
  static constexpr int kRadix = 2;
  void operator()(Row<T>* v) const {
    const Row<T> a = v[0], b = v[1];
    v[0] = a + b;
    v[1] = a - b;
  }
};
template <class T>
struct Radix4 {
  static constexpr int kRadix = 4;
  void operator()(Row<T>* v) const {
    const Row<T> a = v[0] + v[2], b = v[0] - v[2], c = v[1] + v[3], d = minus_i(v[1] - v[3]);
    v[0] = a + c;
    v[1] = b + d;
    v[2] = a - c;
    v[3] = b - d;
  }
};
template <class T, int radix>
struct OddRadix {
  static constexpr int kRadix = radix;  // 0: R is known when it runs
  const Complex<T>* roots;              // w_R^0 .. w_R^(R-1)
  int R = radix;

  void operator()(Row<T>* v) const {
    constexpr int kMost = (radix ? radix : kLargestRadix) / 2 + 1;
    const int size = radix ? radix : R, half = size / 2;
    const Row<T> first = v[0];
    Row<T> sum[kMost], difference[kMost];
    for (int m = 1; m <= half; ++m) {
      sum[m] = v[m] + v[size - m];
      difference[m] = v[m] - v[size - m];
      v[0] = v[0] + sum[m];
    }
    for (int s = 1; s <= half; ++s) {
      Row<T> E = first, O{};
      for (int m = 1; m <= half; ++m) {
        const Complex<T> w = roots[m * s % size];  // cos - i sin
        E = {E.re + w.re * sum[m].re, E.im + w.re * sum[m].im};
        O = {O.re - w.im * difference[m].re, O.im - w.im * difference[m].im};
      }
      v[s] = E + minus_i(O);
      v[size - s] = E - minus_i(O);
    }
  }
};

// One level of the recursion: N = R q.
template <class T>
struct Pass {
  int R;
  int64_t q;
  std::vector<Complex<T>> twiddles;  // w_N^(mb): for each b, for m = 1 .. R-1
  std::vector<Complex<T>> roots;     // w_R^s

  Pass(int R, int64_t q) : R(R), q(q) {
    for (int64_t b = 0; b < q; ++b)
      for (int m = 1; m < R; ++m) twiddles.push_back(root<T>(m * b, R * q));
    for (int s = 0; s < R; ++s) roots.push_back(root<T>(s, R));
  }

  // The transforms of length R, from rows `stride` apart to rows q apart.
  void combine(const Row<T>* x, int64_t stride, Row<T>* y) const {
    switch (R) {
      case 2:
        return combine(x, stride, y, Radix2<T>{});
      case 3:
        return combine(x, stride, y, OddRadix<T, 3>{roots.data()});
      case 4:
        return combine(x, stride, y, Radix4<T>{});
      case 5:
        return combine(x, stride, y, OddRadix<T, 5>{roots.data()});
      default:
        return combine(x, stride, y, OddRadix<T, 0>{roots.data(), R});
    }
  }
  template <class Radix>
  void combine(const Row<T>* x, int64_t stride, Row<T>* y, const Radix& transform) const {
    const int size = Radix::kRadix ? Radix::kRadix : R;
    Row<T> v[Radix::kRadix ? Radix::kRadix : kLargestRadix];
    const Complex<T>* w = twiddles.data();
    for (int64_t b = 0; b < q; ++b, w += size - 1) {
      v[0] = x[b];
      for (int m = 1; m < size; ++m)
        v[m] = b == 0 ? x[m * stride] : times(x[b + m * stride], w[m - 1]);
      transform(v);
      for (int s = 0; s < size; ++s) y[b + s * q] = v[s];
    }
  }
};

// ---- the complex transform of any length ----
template <class T>
struct Bluestein;

template <class T>
class Dft {
 public:
  explicit Dft(int64_t N);
  int64_t length() const { return N_; }
  int64_t work_rows() const { return bluestein_ ? 2 * bluestein_->dft.length() : 0; }
  // y = transform of x; work: work_rows() rows
  void operator()(const Row<T>* x, Row<T>* y, Row<T>* work) const { step(0, x, 1, y, work); }

 private:
  // y = transform of x[0], x[stride], x[2 stride] .. by the passes from `depth` on.
  void step(size_t depth, const Row<T>* x, int64_t stride, Row<T>* y, Row<T>* work) const {
    if (depth == passes_.size()) {
      if (bluestein_)
        (*bluestein_)(x, stride, y, work);
      else
        *y = *x;
      return;
    }
    const Pass<T>& p = passes_[depth];
    if (p.q == 1) return p.combine(x, stride, y);
    for (int m = 0; m < p.R; ++m) step(depth + 1, x + m * stride, stride * p.R, y + m * p.q, work);
    p.combine(y, p.q, y);
  }

  int64_t N_;
  std::vector<Pass<T>> passes_;
  std::unique_ptr<Bluestein<T>> bluestein_;  // of the length that the passes leave
};

// The radices of n: 4 and primes up to `largest`; `rest` is the factor that has none of them.
struct Radices {
  std::vector<int> list;
  int64_t rest;
  Radices(int64_t n, int largest) : rest(n) {
    take(4);
    for (int R = 2; R <= largest; ++R) take(R);  // of which no product is left to divide the rest
  }

 private:
  void take(int R) {
    for (; rest % R == 0; rest /= R) list.push_back(R);
  }
};

template <class T>
Dft<T>::Dft(int64_t N) : N_(N) {
  const Radices radices(N, kLargestRadix);
  int64_t q = N;
  for (auto R = radices.list.rbegin(); R != radices.list.rend(); ++R)
    passes_.emplace_back(*R, q /= *R);
  if (q > 1) bluestein_ = std::make_unique<Bluestein<T>>(q);
}

template <class T>
struct Bluestein {
  int64_t N;
  Dft<T> dft;                        // of length L
  std::vector<Complex<T>> chirp;     // conj(b)
  std::vector<Complex<T>> spectrum;  // of b, divided by L

  explicit Bluestein(int64_t N) : N(N), dft(length(N)) {
    const int64_t L = dft.length();
    for (int64_t j = 0, square = 0; j < N; square = (square + 2 * j + 1) % (2 * N), ++j)
      chirp.push_back(root<T>(square, 2 * N));  // square = j^2 mod 2N
    std::vector<Row<T>> b(size_t(L), Row<T>{}), B(b);
    for (int64_t j = 0; j < N; ++j) {
      const Complex<T> value = conj(chirp[size_t(j)]);
      b[size_t(j)].re[0] = b[size_t((L - j) % L)].re[0] = value.re;
      b[size_t(j)].im[0] = b[size_t((L - j) % L)].im[0] = value.im;
    }
    dft(b.data(), B.data(), nullptr);
    for (const Row<T>& row : B) spectrum.push_back({row.re[0] / T(L), row.im[0] / T(L)});
  }
  static int64_t length(int64_t N) {
    int64_t L = 2 * N - 1;
    while (Radices(L, 5).rest > 1) ++L;
    return L;
  }

  void operator()(const Row<T>* x, int64_t stride, Row<T>* y, Row<T>* work) const {
    const int64_t L = dft.length();
    Row<T>*a = work, *A = work + L;
    for (int64_t j = 0; j < N; ++j) a[j] = times(x[j * stride], chirp[size_t(j)]);
    std::fill(a + N, a + L, Row<T>{});
    dft(a, A, nullptr);
    for (int64_t k = 0; k < L; ++k) A[k] = swapped(times(A[k], spectrum[size_t(k)]));
    dft(A, a, nullptr);
    for (int64_t k = 0; k < N; ++k) y[k] = times(swapped(a[k]), chirp[size_t(k)]);
  }
};

// ---- real signals, one per lane of a register ----
// Row j, lane i = from(i, j), a complex number; lanes from `count` on are 0.
template <class T, class From>
void to_rows(Row<T>* rows, int64_t n, int64_t count, const From& from) {
  for (int64_t j = 0; j < n; ++j) {
    T re[kWidth<T>] = {}, im[kWidth<T>] = {};
    for (int64_t i = 0; i < count; ++i) {
      const Complex<T> z = from(i, j);
      re[i] = z.re;
      im[i] = z.im;
    }
    rows[j] = {lanes::vector_at(re), lanes::vector_at(im)};
  }
}
// to(i, j, row j, lane i)
template <class T, class To>
void from_rows(const Row<T>* rows, int64_t n, int64_t count, const To& to) {
  for (int64_t j = 0; j < n; ++j) {
    T re[kWidth<T>], im[kWidth<T>];
    lanes::store<T>(re, rows[j].re);
    lanes::store<T>(im, rows[j].im);
    for (int64_t i = 0; i < count; ++i) to(i, j, Complex<T>{re[i], im[i]});
  }
}

template <class T>
class Builtin : public Transform<T> {
 public:
  explicit Builtin(int64_t F) : Builtin(F, Dft<T>(F % 2 == 0 ? F / 2 : F)) {
    for (int64_t k = 0; 4 * k <= F; ++k) turns_.push_back(root<T>(k, F));
  }

  void r2c(Signals<T>& s, int64_t first, int64_t count) const override {
    const Work work(s, rows_);
    if (this->F % 2 == 0)
      even_r2c(s, first, count, work);
    else
      odd_r2c(s, first, count, work);
  }
  void c2r(Signals<T>& s, int64_t first, int64_t count) const override {
    const Work work(s, rows_);
    to_rows<T>(work.in, bins_, count,
               [&](int64_t i, int64_t k) { return s.spectrum(first + i)[k]; });
    if (this->F % 2 == 0)
      even_c2r(s, first, count, work);
    else
      odd_c2r(s, first, count, work);
  }

 private:
  struct Work {
    Row<T>*in, *out, *of_dft;
    Work(const Signals<T>& s, int64_t rows)
        : in(reinterpret_cast<Row<T>*>(s.work())), out(in + rows), of_dft(out + rows) {}
  };
  Builtin(int64_t F, Dft<T> dft)
      : Transform<T>(F, kWidth<T>, (2 * (dft.length() + 1) + dft.work_rows()) * 2 * kWidth<T>),
        dft_(std::move(dft)),
        bins_(F / 2 + 1),
        rows_(dft_.length() + 1) {}

  void store_spectra(Signals<T>& s, int64_t first, int64_t count, const Row<T>* X) const {
    from_rows<T>(X, bins_, count,
                 [&](int64_t i, int64_t k, Complex<T> z) { s.spectrum(first + i)[k] = z; });
  }
  void even_r2c(Signals<T>& s, int64_t first, int64_t count, const Work& work) const {
    const int64_t M = this->F / 2;
    to_rows<T>(work.in, M, count, [&](int64_t i, int64_t j) {
      const T* pair = s.signal(first + i) + 2 * j;
      return Complex<T>{pair[0], pair[1]};
    });
    dft_(work.in, work.out, work.of_dft);
    Row<T>* X = work.out;
    X[M] = X[0];
    for (int64_t k = 0; 2 * k <= M; ++k) {
      const Row<T> Z = half(X[k]), mirrored = half(conj(X[M - k]));
      const Row<T> A = Z + mirrored, B = times(minus_i(Z - mirrored), turns_[size_t(k)]);
      X[k] = A + B;
      X[M - k] = conj(A - B);
    }
    store_spectra(s, first, count, X);
  }
  void even_c2r(Signals<T>& s, int64_t first, int64_t count, const Work& work) const {
    const int64_t M = this->F / 2;
    Row<T>* X = work.in;
    for (int64_t k = 0; 2 * k <= M; ++k) {
      const Row<T> P = X[k], Q = conj(X[M - k]);
      const Row<T> A = P + Q, minus_iB = minus_i(times(P - Q, conj(turns_[size_t(k)])));
      X[k] = swapped(A - minus_iB);
      X[M - k] = swapped(conj(A + minus_iB));
    }
    dft_(X, work.out, work.of_dft);
    from_rows<T>(work.out, M, count, [&](int64_t i, int64_t j, Complex<T> z) {
      T* pair = s.signal(first + i) + 2 * j;
      pair[0] = z.im;
      pair[1] = z.re;
    });
  }
  void odd_r2c(Signals<T>& s, int64_t first, int64_t count, const Work& work) const {
    to_rows<T>(work.in, this->F, count, [&](int64_t i, int64_t j) {
      return Complex<T>{s.signal(first + i)[j], T(0)};
    });
    dft_(work.in, work.out, work.of_dft);
    store_spectra(s, first, count, work.out);
  }
  void odd_c2r(Signals<T>& s, int64_t first, int64_t count, const Work& work) const {
    Row<T>* X = work.in;
    for (int64_t k = 1; k < bins_; ++k) X[this->F - k] = swapped(conj(X[k]));
    for (int64_t k = 0; k < bins_; ++k) X[k] = swapped(X[k]);
    dft_(X, work.out, work.of_dft);
    from_rows<T>(work.out, this->F, count,
                 [&](int64_t i, int64_t j, Complex<T> z) { s.signal(first + i)[j] = z.im; });
  }

  Dft<T> dft_;
  int64_t bins_, rows_;
  std::vector<Complex<T>> turns_;  // w_F^k
};

}  // namespace

template <class T>
const Transform<T>& builtin_transform(int64_t F) {
  static TransformCache<T> cache;
  return cache.get(F, [F] { return std::make_unique<Builtin<T>>(F); });
}
template const Transform<float>& builtin_transform(int64_t);
template const Transform<double>& builtin_transform(int64_t);

}  // namespace skiff::fft
