// Every op of the table passes gradcheck, and gradcheck fails where it should.
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
// y = 2 x, with a reference that says y = factor x
template <int factor>
std::vector<OpSample> samples_of_twice() {
  return {{"vector",
           {random64({7}, 1)},
           [](const std::vector<Variable>& x) { return 2.0 * x[0]; },
           [](const std::vector<Tensor>& x) { return scale(x[0], factor).value(); }}};
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

TEST_CASE("gradcheck: an output that is not that of the reference fails it") {
  const GradcheckResult right = gradcheck({"right", Linearity::Jointly, &samples_of_twice<2>});
  CHECK(right.passed);
  CHECK(right.reference == 0);
  const GradcheckResult wrong = gradcheck({"wrong", Linearity::Jointly, &samples_of_twice<3>});
  CHECK_FALSE(wrong.passed);
  CHECK(contains(wrong.worst, "forward against the reference"));
}

// ---- one case per op of the table, "ops: rfft passes its checks" ----

namespace {

std::string case_of(const OpEntry& op) { return "ops: " + op.name + " passes its checks"; }

// Finds its op by the name of the case that runs.
void check_op_of_this_case() {
  const std::string name = doctest::getContextOptions()->currentTest->m_name;
  const OpEntry* op = nullptr;
  for (const OpEntry& entry : op_table())
    if (case_of(entry) == name) op = &entry;
  REQUIRE(op != nullptr);
  const GradcheckResult result = gradcheck(*op);
  CHECK_MESSAGE(result.passed, result.worst);
}

// doctest makes its listeners before it collects the cases, and after all ops have entered the
// table: here the cases can be registered.
struct OpCases : doctest::IReporter {
  explicit OpCases(const doctest::ContextOptions&) {
    static const std::vector<std::string> names = [] {
      std::vector<std::string> all;
      for (const OpEntry& op : op_table()) all.push_back(case_of(op));
      return all;
    }();
    static const doctest::detail::TestSuite suite{};
    for (const std::string& name : names)
      doctest::detail::regTest(
          doctest::detail::TestCase(check_op_of_this_case, __FILE__, __LINE__, suite) *
          name.c_str());
  }
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("op cases", 2, OpCases);

}  // namespace

TEST_CASE("ops: what has no elements is transposed and transformed into what has none") {
  CHECK(transpose(zeros({0, 3, 4}, DType::Float64), 1, 2).shape() == Shape{0, 4, 3});
  CHECK(transpose(zeros({2, 0, 4}, DType::Float64), 0, 1).shape() == Shape{0, 2, 4});
  CHECK(rfft(zeros({0, 8}, DType::Float64), 8, -1).shape() == Shape{0, 5});
  CHECK(rfft(zeros({2, 8, 0}, DType::Float64), 8, -2).shape() == Shape{2, 5, 0});
  CHECK(irfft(zeros({0, 5}, DType::Complex128), 8, -1).shape() == Shape{0, 8});
  CHECK(hilbert(zeros({0, 5}, DType::Float64), 8, -1).shape() == Shape{0, 5});
}
