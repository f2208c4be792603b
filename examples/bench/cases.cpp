#include "examples/bench/cases.h"

#include <cmath>
#include <map>

#include "autograd/profile.h"
#include "core/random.h"

namespace skiff::bench {

Tensor random_input(const Shape& shape, DType dtype) {
  static std::map<std::pair<std::vector<int64_t>, DType>, Tensor> made;
  Tensor& x = made[{{shape.begin(), shape.end()}, dtype}];
  if (!x) x = random_normal(shape, dtype, /*seed=*/1);
  return x;
}

Tensor random_integers(const Shape& shape, int64_t first, int64_t last) {
  const std::vector<double> u = to_vector(random_input(shape));
  std::vector<int32_t> values;
  for (const double v : u)
    values.push_back(int32_t(first + int64_t(std::abs(v) * 1e4) % (last - first + 1)));
  return tensor_of(values, shape);
}

double gemm_flops(const Tape& tape) {
  double flops = 0;
  for (const auto& node : tape.nodes()) flops += node->flops();
  return flops;
}

Counted count(const std::function<Variable()>& forward) {
  Counted c;
  Profile profile;
  {
    const Profile::Step step(profile);
    Tape tape;
    const Variable y = forward();
    c.gemm_flops = gemm_flops(tape);
    tape.backward(y, random_input(y.shape(), y.dtype()));
  }
  c.forward_bytes = double(profile.bytes(Profile::Phase::Forward));
  c.backward_bytes = double(profile.bytes(Profile::Phase::Backward));
  return c;
}

bool attention_ends_soon(int64_t batch, int64_t heads, int64_t n, int64_t layers) {
  return double(batch * heads * layers) * double(n) * double(n) <= 6e9;
}

}  // namespace skiff::bench
