// The loops kernels are written in, on every device: rows of ragged lengths, sums in their order.
#include <numeric>

#include "core/memory.h"
#include "core/parallel.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// Row r of `lengths` in x, one row behind the other: its sum, its largest element, and, in a second
// loop that reads what other threads of the row wrote in the first, each element plus its mirror's.
template <class T>
void row_kernel(const Tensor& x_tensor, const Tensor& starts, int64_t work, Tensor& sum_tensor,
                Tensor& max_tensor, Tensor& doubled_tensor, Tensor& mirrored_tensor) {
  const T* x = x_tensor.data<T>();
  const int32_t* start = starts.data<int32_t>();
  T *sum = sum_tensor.data<T>(), *largest = max_tensor.data<T>();
  T *doubled = doubled_tensor.data<T>(), *mirrored = mirrored_tensor.data<T>();
  parallel_rows(x_tensor.device(), sum_tensor.size(), work, [=] SKIFF_KERNEL(Row row) {
    const int64_t first = start[row.index], n = start[row.index + 1] - first;
    sum[row.index] = row.sum(n, [&](int64_t j) { return x[first + j]; });
    largest[row.index] = n > 0 ? row.max(n, [&](int64_t j) { return x[first + j]; }) : T(0);
    row.for_each(n, [&](int64_t j) { doubled[first + j] = 2 * x[first + j]; });
    row.for_each(n, [&](int64_t j) {
      mirrored[first + j] = doubled[first + j] + doubled[first + n - 1 - j];
    });
  });
}

template <class T>
void index_kernel(Tensor& y_tensor) {
  T* y = y_tensor.data<T>();
  parallel_for(y_tensor.device(), y_tensor.size(),
               [=] SKIFF_KERNEL(int64_t i) { y[i] = T(i + 1); });
}

std::vector<Device> devices() {
  if (memory::cuda_available()) return {Device::CPU, Device::CUDA};
  return {Device::CPU};
}

const std::vector<int64_t>& ragged_lengths() {
  static const std::vector<int64_t> lengths = {0, 1, 31, 33, 1025};
  return lengths;
}

void check_rows(Device device, DType dtype, int64_t length, bool mixed, size_t count) {
  CAPTURE(length);
  CAPTURE(mixed);
  CAPTURE(count);
  std::vector<int32_t> start = {0};
  for (size_t r = 0; r < count; ++r)
    start.push_back(start.back() + int32_t(mixed ? ragged_lengths()[r % 5] : length));
  const int64_t total = start.back(), rows = int64_t(start.size()) - 1;
  const Tensor x = random_normal({total}, dtype, 3);
  Tensor sum({rows}, dtype, device), largest = empty_like(sum);
  Tensor doubled({total}, dtype, device), mirrored = empty_like(doubled);
  dispatch(x, [&]<class T> {
    row_kernel<T>(x.to(device), tensor_of(start, {rows + 1}).to(device), length, sum, largest,
                  doubled, mirrored);
  });
  const std::vector<double> in = to_vector(x), sums = to_vector(sum), maxima = to_vector(largest);
  std::vector<double> expected_sums, expected_maxima, mirrors(in.size());
  for (size_t r = 0; r + 1 < start.size(); ++r) {
    const auto first = in.begin() + start[r], last = in.begin() + start[r + 1];
    expected_sums.push_back(std::accumulate(first, last, 0.0));
    expected_maxima.push_back(first == last ? 0 : *std::max_element(first, last));
    for (int32_t j = start[r]; j < start[r + 1]; ++j)
      mirrors[size_t(j)] = 2 * (in[size_t(j)] + in[size_t(start[r] + start[r + 1] - 1 - j)]);
  }
  CHECK(distance(sums, expected_sums) < (dtype == DType::Float32 ? 1e-5 : 1e-13));
  CHECK(maxima == expected_maxima);
  CHECK(distance(to_vector(mirrored), mirrors) < (dtype == DType::Float32 ? 1e-6 : 1e-15));
}

}  // namespace

TEST_CASE("rows: sums, maxima and two dependent loops over rows of length 0, 1, 31, 33, 1025") {
  for (const Device device : devices())
    for (const DType dtype : {DType::Float32, DType::Float64})
      for (const int64_t length : ragged_lengths())
        for (const bool mixed : {false, true})
          // No multiple of the rows of a block, and several rounds of the few blocks of the
          // emulation, where up to 100 long rows are few.
          for (const size_t count : {60, 115}) {
            CAPTURE(int(device));
            check_rows(device, dtype, length, mixed, count);
          }
}

TEST_CASE("rows: a sum is the same each time") {
  for (const Device device : devices())
    for (const int64_t length : {33, 5000}) {
      const Tensor x = random_normal({3, length}, DType::Float32, 5).to(device);
      std::vector<int32_t> start = {0, int32_t(length), int32_t(2 * length), int32_t(3 * length)};
      const Tensor starts = tensor_of(start, {4}).to(device);
      std::vector<double> first;
      for (int run = 0; run < 3; ++run) {
        Tensor sum({3}, x.dtype(), device), largest = empty_like(sum), doubled = empty_like(x),
                                            mirrored = empty_like(x);
        row_kernel<float>(x, starts, length, sum, largest, doubled, mirrored);
        if (run == 0) first = to_vector(sum);
        CHECK(to_vector(sum) == first);
      }
    }
}

TEST_CASE("rows: every index is taken once, whatever their number") {
  for (const Device device : devices())
    for (const int64_t n : {0, 1, 31, 33, 255, 257, 1025, 70001}) {
      Tensor y({n}, DType::Float64, device);
      index_kernel<double>(y);
      std::vector<double> expected(static_cast<size_t>(n));
      std::iota(expected.begin(), expected.end(), 1.0);
      CHECK(to_vector(y) == expected);
    }
}
