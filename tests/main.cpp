// Runs the tests; the last line printed is "N passed, N failed".
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "core/memory.h"

namespace {
int passed = 0, failed = 0;

struct Counter : doctest::IReporter {
  explicit Counter(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    ++(stats.testCaseSuccess ? passed : failed);
  }
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("counter", 1, Counter);
}  // namespace

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int result = context.run();
  if (context.shouldExit()) return result;
  for (const skiff::Device device : {skiff::Device::CPU, skiff::Device::CUDA})
    if (const long long live = skiff::memory::stats(device).live; live != 0) {
      std::printf("FAILED: %lld bytes of tensors are still alive after the last test\n", live);
      ++failed;
    }
  if (passed + failed == 0) std::printf("FAILED: no test has this name\n"), ++failed;
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? result : 1;
}
