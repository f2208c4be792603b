// The CUDA half. Without a device, the reason is given, and asking for one is an error that gives
// it. With a device, a GPU or the emulation of tests/cuda_host: what is written for CUDA alone, and
// every op, against the CPU.
#include <cstdlib>

#include "autograd/op.h"
#include "autograd/ops.h"
#include "core/blas.h"
#include "core/conv/spectral_conv.h"
#include "core/fft/fft.h"
#include "core/memory.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// Sums on the device have another order (rows by threads, column sums by lanes, cuBLAS, cuFFT),
// and its functions (exp, sqrt) are others; the samples are small enough for the same limit.
constexpr double kFloat32 = 1e-5, kFloat64 = 1e-12;

// A device to test on. Those who run the tests for its sake set SKIFF_NEEDS_CUDA: then there must
// be one.
bool has_device() {
  const bool available = memory::cuda_available();
  if (std::getenv("SKIFF_NEEDS_CUDA")) REQUIRE(available);
  if (!available) MESSAGE("left out: ", std::string(memory::cuda_unavailable_reason()));
  return available;
}

Tensor on_cuda(const Tensor& x) { return x.to(Device::CUDA); }

OpSample converted(const OpSample& sample, DType dtype) {
  OpSample result = sample;
  for (Tensor& x : result.inputs)
    if (x && x.dtype() != DType::Int32) x = x.to(x.is_complex() ? complex_type(dtype) : dtype);
  return result;
}

struct Run {
  Tensor y;
  std::vector<Tensor> grads;
};
Run run(const OpSample& sample, Device device, const Tensor& gy) {
  std::vector<Variable> inputs;
  for (const Tensor& x : sample.inputs)
    inputs.push_back(x && x.dtype() != DType::Int32 ? Variable::leaf(x.to(device))
                                                    : Variable(x.to(device)));
  Tape tape;
  const Variable y = sample.run(inputs);
  Run result{y.value(), {}};
  if (gy) tape.backward(y, gy.to(device));
  for (const Variable& x : inputs)
    result.grads.push_back(gy && x.requires_grad() ? x.grad() : Tensor());
  return result;
}

// Output and gradients on both devices, in both types.
void check_devices_agree(const OpSample& sample) {
  for (const DType dtype : {DType::Float32, DType::Float64}) {
    CAPTURE(sample.label);
    CAPTURE(std::string(name_of(dtype)));
    const double limit = dtype == DType::Float32 ? kFloat32 : kFloat64;
    const OpSample typed = converted(sample, dtype);
    const Tensor y = run(typed, Device::CPU, Tensor()).y;
    const Tensor gy = random_normal(y.shape(), y.dtype(), 10);
    const Run expected = run(typed, Device::CPU, gy), got = run(typed, Device::CUDA, gy);
    CHECK(got.y.device() == Device::CUDA);
    CHECK(distance(got.y, expected.y) < limit);
    for (size_t i = 0; i < expected.grads.size(); ++i)
      if (expected.grads[i]) CHECK(distance(got.grads[i], expected.grads[i]) < limit);
  }
}

void check_gemm(bool transpose_a, bool transpose_b, int64_t k, int64_t batch) {
  const int64_t m = 5, n = 3;
  const blas::Gemm g{.transpose_a = transpose_a,
                     .transpose_b = transpose_b,
                     .m = m,
                     .n = n,
                     .k = k,
                     .alpha = 0.5,
                     .beta = 2,
                     .batch = batch,
                     .stride_a = m * k,
                     .stride_b = 0,
                     .stride_c = m * n};
  const Tensor a = random64({batch, m * k}, 1), b = random64({k * n}, 2);
  Tensor expected = random64({batch, m * n}, 3), c = on_cuda(expected.clone());
  blas::gemm(Device::CPU, g, a.data<double>(), b.data<double>(), expected.data<double>());
  const Tensor device_a = on_cuda(a), device_b = on_cuda(b);
  blas::gemm(Device::CUDA, g, device_a.data<double>(), device_b.data<double>(), c.data<double>());
  CHECK(distance(c, expected) < kFloat64);
}

}  // namespace

TEST_CASE("cuda: without a device the reason is given, and allocating there is an error") {
  const std::string reason = memory::cuda_unavailable_reason();
  CHECK(memory::cuda_available() == reason.empty());
  if (memory::cuda_available()) return;
  const auto live = memory::stats(Device::CUDA).live;
  for (const auto& ask : {+[] {
                            zeros({2, 3}, DType::Float32, Device::CUDA);
                          },
                          +[] { (void)full({4}, 1, DType::Float64).to(Device::CUDA); }}) {
    const std::string message = message_of(ask);
    CAPTURE(message);
    CHECK(contains(message, "cuda"));
    CHECK(contains(message, reason));
  }
  CHECK(memory::stats(Device::CUDA).live == live);
}

TEST_CASE("cuda: tensors come back as they went") {
  if (!has_device()) return;
  const Tensor x = complex128({3, 5}, 4);
  CHECK(to_vector(on_cuda(x).clone()) == to_vector(x));
  CHECK(to_vector(zeros({7}, DType::Float32, Device::CUDA)) == std::vector<double>(7));
}

TEST_CASE("cuda: trim leaves tensors as they are, and memory can be asked for again") {
  if (!has_device()) return;
  const Tensor x = complex128({3, 5}, 4), kept = on_cuda(x);
  on_cuda(x);  // given back
  memory::trim(Device::CUDA);
  CHECK(memory::stats(Device::CUDA).cached == 0);
  CHECK(to_vector(kept) == to_vector(x));
  CHECK(to_vector(kept.clone()) == to_vector(x));
}

TEST_CASE("cuda: gemm equals the CPU's, with alpha, beta, transposed and batched operands") {
  if (!has_device()) return;
  for (const bool transpose_a : {false, true})
    for (const bool transpose_b : {false, true})
      for (const int64_t k : {0, 1, 4})
        for (const int64_t batch : {1, 3}) check_gemm(transpose_a, transpose_b, k, batch);
}

TEST_CASE("cuda: r2c and c2r equal the CPU's along every axis, padded and cut") {
  if (!has_device()) return;
  for (const Shape& shape : {Shape{6}, Shape{6, 1}, Shape{1, 6}, Shape{2, 3, 5}, Shape{3, 2, 1, 4}})
    for (int64_t axis = 0; axis < shape.rank(); ++axis)
      for (const int64_t F : {1, 2, 3, 5, 6, 8, 15}) {
        CAPTURE(shape);
        CAPTURE(axis);
        CAPTURE(F);
        const Tensor x = random64(shape, 5), X = complex128(shape.with(axis, F / 2 + 1), 6);
        const Tensor device_x = on_cuda(x), device_X = on_cuda(X);
        CHECK(distance(fft::r2c(device_x, F, axis), fft::r2c(x, F, axis)) < kFloat64);
        for (const int64_t n : {int64_t(1), F, F + 2})
          CHECK(distance(fft::c2r(device_X, F, axis, n), fft::c2r(X, F, axis, n)) < kFloat64);
        CHECK(to_vector(device_x) == to_vector(x));  // the inputs are as they were
        CHECK(to_vector(device_X) == to_vector(X));
      }
}

TEST_CASE("cuda: spectral_conv and its gradients equal the CPU's") {
  if (!has_device()) return;
  for (const int64_t F : {8, 11})
    for (const int64_t axis : {-2, -3}) {
      const Tensor x = random64({2, 4, 5, 3}, 7), gy = random64(x.shape(), 8);
      const Tensor S = complex128({F / 2 + 1, 3}, 9);
      const Tensor y = spectral_conv_forward(on_cuda(x), on_cuda(S), F, axis);
      CHECK(distance(y, spectral_conv_forward(x, S, F, axis)) < kFloat64);
      const auto [gx, gS] =
          spectral_conv_backward(on_cuda(x), on_cuda(S), on_cuda(gy), F, axis, true, true);
      const auto [cpu_gx, cpu_gS] = spectral_conv_backward(x, S, gy, F, axis, true, true);
      CHECK(distance(gx, cpu_gx) < kFloat64);
      CHECK(distance(gS, cpu_gS) < kFloat64);
    }
}

// A filter of 67 rows takes three rounds of 32. 96 sequences of two tiles each are three tiles for
// each of the 64 parts of the gradient of the filter.
TEST_CASE("cuda: ski equals the CPU's over several rounds of the filter and of tiles in a block") {
  if (!has_device()) return;
  const Tensor x = random64({96, 70, 2}, 1), c = random64({67, 2}, 2), k = random64({8, 2}, 3);
  check_devices_agree(
      {"ski", {x, c, k}, [](const std::vector<Variable>& v) { return ski(v[0], v[1], v[2]); }});
}

TEST_CASE("cuda: every op and its gradients equal the CPU's, in float32 and float64") {
  if (!has_device()) return;
  int samples = 0;
  for (const OpEntry& op : op_table())
    for (const OpSample& sample : op.samples()) {
      CAPTURE(op.name);
      check_devices_agree(sample);
      ++samples;
    }
  CHECK(samples >= 270);
}

TEST_CASE("cuda: ops over rows and sequences of length 1, 31, 33 and 1025 equal the CPU's") {
  if (!has_device()) return;
  using Inputs = const std::vector<Variable>&;
  for (const int64_t n : {1, 31, 33, 1025}) {
    CAPTURE(n);
    const Tensor rows = random64({3, n}, 1), w = random64({n}, 2), b = random64({n}, 3);
    check_devices_agree({"softmax", {rows}, [](Inputs v) { return softmax(v[0]); }});
    // Of one number both gradients are 0 but for eps, and with a small one they are rounding alone.
    const double eps = n == 1 ? 0.5 : 1e-5;
    check_devices_agree(
        {"simple_rms_norm", {rows}, [=](Inputs v) { return simple_rms_norm(v[0], eps); }});
    check_devices_agree(
        {"layer_norm", {rows, w, b}, [=](Inputs v) { return layer_norm(v[0], v[1], v[2], eps); }});
    check_devices_agree({"mul", {rows, w}, [](Inputs v) { return v[0] * v[1]; }});
    check_devices_agree({"linear", {rows, random64({2, n}, 4), random64({2}, 5)}, [](Inputs v) {
                           return linear(v[0], v[1], v[2]);
                         }});
    const Tensor x = random64({2, n, 3}, 6), taps = random64({5, 3}, 7), k = random64({8, 3}, 8);
    check_devices_agree({"ski", {x, taps, k}, [](Inputs v) { return ski(v[0], v[1], v[2]); }});
    check_devices_agree({"conv1d", {x, taps}, [](Inputs v) {
                           return conv1d(v[0], v[1], Direction::Bidirectional);
                         }});
    check_devices_agree({"toeplitz", {random64({2 * n, 3}, 9), x}, [](Inputs v) {
                           return toeplitz(v[0], v[1], Direction::Bidirectional);
                         }});
  }
  const Tensor none({3, 0}, DType::Float64);
  check_devices_agree({"silu of nothing", {none}, [](Inputs v) { return silu(v[0]); }});
  check_devices_agree({"sum of nothing", {none, none}, [](Inputs v) { return v[0] + v[1]; }});
}
