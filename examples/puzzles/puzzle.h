// What a puzzle is: a forward that is given and a backward to write, on plain vectors of numbers.
//
//   struct Delay {
//     static constexpr auto name = "02 delay";
//     static constexpr bool linear = true;
//     size_t n;                                             // attributes
//     size_t inputs() const { return n; }                   // numbers in x
//     Reals forward(const Reals& x) const { ... }           // y
//     Reals backward(const Reals& gy, const Reals& x) const { ... }   // gx: yours
//     static std::vector<Delay> cases() { return {{4}, {7}}; }
//   };
//   static const bool entered = enter_puzzle<Delay>();
//
// Gradients of complex numbers are as everywhere here: gz = dL/dRe z + i dL/dIm z.
#pragma once

#include <cmath>
#include <complex>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "autograd/gradcheck.h"

namespace skiff::puzzles {

using Number = std::complex<double>;
using Reals = std::vector<double>;
using Numbers = std::vector<Number>;

// X[k] = sum_j x[j] e^(-2 pi i jk/F), k = 0 .. F/2; F = x.size().
inline Numbers rfft(const Reals& x) {
  const size_t F = x.size();
  Numbers X(F / 2 + 1);
  for (size_t k = 0; k < X.size(); ++k)
    for (size_t j = 0; j < F; ++j)
      X[k] += x[j] * std::polar(1.0, -2 * M_PI * double(j * k) / double(F));
  return X;
}

// How many of the F bins belong to bin k of the half spectrum: 1 for k = 0 and 2k = F, otherwise 2.
inline double bins_of(size_t k, size_t F) { return k == 0 || 2 * k == F ? 1 : 2; }

// x[j] = 1/F sum_{k <= F/2} c[k] Re( X[k] e^(2 pi i jk/F) ), c[k] = bins_of(k, F).
inline Reals irfft(const Numbers& X, size_t F) {
  Reals x(F);
  for (size_t j = 0; j < F; ++j)
    for (size_t k = 0; k < X.size(); ++k)
      x[j] += bins_of(k, F) / double(F) *
              (X[k] * std::polar(1.0, 2 * M_PI * double(j * k) / double(F))).real();
  return x;
}

// ---- between vectors and tensors ----

template <class V>
constexpr bool is_complex_vector = std::is_same_v<V, Numbers>;

// Behind its end lie numbers that are NaN, so that reading one of them shows.
template <class V>
V from_tensor(const Tensor& t) {
  const Reals parts = to_vector(t);
  V v;
  if constexpr (is_complex_vector<V>) {
    for (size_t i = 0; i < parts.size(); i += 2) v.emplace_back(parts[i], parts[i + 1]);
  } else {
    v = parts;
  }
  const size_t n = v.size();
  v.resize(n + 8, std::numeric_limits<double>::quiet_NaN());
  v.resize(n);
  return v;
}

template <class V>
Tensor to_tensor(const V& v, DType real_type) {
  if constexpr (is_complex_vector<V>) {
    Tensor t({int64_t(v.size())}, DType::Complex128);
    std::copy(v.begin(), v.end(), static_cast<Number*>(t.raw()));
    return t.to(complex_type(real_type));
  } else {
    return tensor_of(v, {int64_t(v.size())}).to(real_type);
  }
}

template <class F>
struct ForwardTypes;
template <class P, class Out, class In>
struct ForwardTypes<Out (P::*)(const In&) const> {
  using Output = Out;
  using Input = In;
};

// The puzzle as an op, so that gradcheck can compare it with central differences.
template <class P>
struct PuzzleOp {
  using Input = typename ForwardTypes<decltype(&P::forward)>::Input;
  using Output = typename ForwardTypes<decltype(&P::forward)>::Output;
  static constexpr auto name = P::name;
  static constexpr Linearity linear = P::linear ? Linearity::Jointly : Linearity::No;
  P puzzle;
  Input x = {};  // saved

  Tensor forward(const Tensor& t) {
    x = from_tensor<Input>(t);
    return to_tensor(puzzle.forward(x), real_part_type(t.dtype()));
  }
  Grads backward(const Tensor& gy, Needs) const {
    const Input gx = puzzle.backward(from_tensor<Output>(gy), x);
    check(gx.size() == x.size(), "the gradient must have as many numbers as the input, ", x.size(),
          ", got ", gx.size());
    return {to_tensor(gx, real_part_type(gy.dtype()))};
  }
  static std::vector<Sample<PuzzleOp>> samples() {
    std::vector<Sample<PuzzleOp>> all;
    for (const P& p : P::cases()) {
      const Shape shape{int64_t(p.inputs())};
      all.push_back({"", {p}, {is_complex_vector<Input> ? randc(shape) : randn(shape)}});
    }
    return all;
  }
};

struct Diagnosis {
  std::string mistake;  // by its name
  std::string entry;    // the first one that is wrong, with numbers; "" if there is none
};

struct Entry {
  OpEntry op;
  std::string file;
  std::function<Diagnosis()> diagnose;  // of its backward
};
std::vector<Entry>& entries();

template <class P>
Diagnosis diagnose();  // diagnose.h

template <class P>
bool enter_puzzle(const char* file = __builtin_FILE()) {  // of the call
  Entry& entry = entries().emplace_back();
  entry.op.name = P::name;
  entry.op.linear = PuzzleOp<P>::linear;
  entry.op.samples = &detail::erased_samples<PuzzleOp<P>>;
  entry.file = file;
  entry.diagnose = &diagnose<P>;
  return true;
}

}  // namespace skiff::puzzles

#include "examples/puzzles/diagnose.h"
