// Every op of the table: adjoint test, central differences, float32 against float64.
#include "autograd/gradcheck.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {
template <auto gradient>
std::vector<OpSample> samples_with() {
  return {{"vector", {random64({7}, 1)}, [](const std::vector<Variable>& x) {
             return with_gradient(x[0], gradient);
           }}};
}
Tensor same(const Tensor& gy) { return gy; }
Tensor as_column(const Tensor& gy) { return gy.reshape({gy.size(), 1}); }
Tensor in_float32(const Tensor& gy) { return gy.to(DType::Float32); }
}  // namespace

TEST_CASE("gradcheck: a gradient of another shape or type than its input fails it") {
  const auto check = [](std::vector<OpSample> (*samples)()) {
    return gradcheck({"with_gradient", Linearity::Jointly, samples});
  };
  CHECK(check(&samples_with<same>).passed);
  const GradcheckResult shorter = check(&samples_with<first_entry>);
  CHECK_FALSE(shorter.passed);
  CHECK(contains(shorter.worst,
                 "vector: with_gradient: the gradient of input 0 must be float64 (7)"));
  CHECK_FALSE(check(&samples_with<as_column>).passed);
  CHECK_FALSE(check(&samples_with<in_float32>).passed);
}

TEST_CASE("ops: every op passes its gradient check") {
  for (const OpEntry& op : op_table()) {
    const GradcheckResult result = gradcheck(op);
    CAPTURE(op.name);
    CHECK_MESSAGE(result.passed, result.worst);
  }
}
