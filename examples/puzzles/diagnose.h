// Says what is wrong with a backward: it is compared with the gradient by central differences, as
// it is, and with the sign, a conjugate, a factor or a shift corrected. The first correction that
// makes it fit in every case is named.
#pragma once

#include "core/random.h"
#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {

// One case: what backward gave, also for the conjugate of gy, and what is right.
struct Attempt {
  Numbers given, given_for_conjugate, right;  // reals have no imaginary part
  size_t outputs;
};

Diagnosis diagnosis(const std::vector<Attempt>& all);

template <class P>
std::vector<Attempt> attempts() {
  using Op = PuzzleOp<P>;
  std::vector<Attempt> all;
  uint64_t stream = 0;
  for (const P& p : P::cases()) {
    const auto draw = [&]<class V>(size_t n, V*) {
      const DType type = is_complex_vector<V> ? DType::Complex128 : DType::Float64;
      return from_tensor<V>(random_normal({int64_t(n)}, type, 31, stream++));
    };
    const auto x = draw(p.inputs(), static_cast<typename Op::Input*>(nullptr));
    const auto y = p.forward(x);
    const auto gy = draw(y.size(), static_cast<typename Op::Output*>(nullptr));
    const auto loss = [&](const typename Op::Input& at) {
      const auto out = p.forward(at);
      double sum = 0;
      for (size_t i = 0; i < out.size(); ++i)
        sum += (std::conj(Number(gy[i])) * Number(out[i])).real();
      return sum;
    };
    Attempt a;
    a.outputs = y.size();
    const auto take = [&](Numbers& into, const typename Op::Output& cotangent) {
      for (const auto& z : p.backward(cotangent, x)) into.emplace_back(z);
    };
    take(a.given, gy);
    auto conjugated = gy;
    if constexpr (is_complex_vector<typename Op::Output>)
      for (Number& z : conjugated) z = std::conj(z);
    take(a.given_for_conjugate, conjugated);
    for (size_t i = 0; i < x.size(); ++i) {
      const auto slope = [&](auto step) {
        auto up = x, down = x;
        up[i] += step, down[i] -= step;
        return (loss(up) - loss(down)) / 2e-5;
      };
      if constexpr (is_complex_vector<typename Op::Input>)
        a.right.emplace_back(slope(Number(1e-5, 0)), slope(Number(0, 1e-5)));
      else
        a.right.emplace_back(slope(1e-5));
    }
    all.push_back(a);
  }
  return all;
}

template <class P>
Diagnosis diagnose() {
  return diagnosis(attempts<P>());
}

}  // namespace skiff::puzzles
