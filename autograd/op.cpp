#include "autograd/op.h"

#include <algorithm>

#include "core/random.h"

namespace skiff {
namespace {

std::vector<OpEntry>& table() {
  static std::vector<OpEntry> entries;
  return entries;
}

uint64_t sample_number = 0;
constexpr uint64_t kSampleSeed = 20230516;

}  // namespace

bool enter_op(OpEntry entry) {
  std::vector<OpEntry>& entries = table();
  const auto at =
      std::lower_bound(entries.begin(), entries.end(), entry.name,
                       [](const OpEntry& e, const std::string& n) { return e.name < n; });
  entries.insert(at, std::move(entry));
  return true;
}

const std::vector<OpEntry>& op_table() { return table(); }

void restart_sample_numbers() { sample_number = 0; }

Tensor randn(Shape shape) {
  return random_normal(shape, DType::Float64, kSampleSeed, sample_number++);
}
Tensor randc(Shape shape) {
  return random_normal(shape, DType::Complex128, kSampleSeed, sample_number++);
}
Tensor randint(Shape shape, int64_t limit) {
  Random random(kSampleSeed, sample_number++);
  Tensor x(shape, DType::Int32);
  for (int64_t i = 0; i < x.size(); ++i) x.data<int32_t>()[i] = int32_t(random.below(limit));
  return x;
}

void check_real(const char* op, const char* what, const Tensor& x) {
  check(x && x.is_real(), op, ": ", what, " must be real, got ", x);
}
void check_floating(const char* op, const Tensor& x) {
  check(x && x.dtype() != DType::Int32, op, ": a real or complex tensor is needed, got ", x);
}
void check_complex(const char* op, const char* what, const Tensor& x) {
  check(x && x.is_complex(), op, ": ", what, " must be complex, got ", x);
}
void check_like(const char* op, const Tensor& a, const Tensor& b) {
  check(a && b && a.dtype() == b.dtype() && a.device() == b.device(), op,
        ": inputs must agree in type and device, got ", a, " and ", b);
}

}  // namespace skiff
