#include "autograd/ops/detail/affine.h"

#include "autograd/ops/detail/sum_leading.h"
#include "core/blas.h"
#include "core/parallel.h"

namespace skiff::affine {

// A product of `count` rows packs W anew, which pays from some hundreds of rows on; a core's second
// cache holds some hundred thousand numbers.
Pieces::Pieces(Device device, int64_t rows, int64_t width) : device_(device), rows_(rows) {
  constexpr int64_t kNumbersInCache = 192 * 1024, kLargest = 512, kManyRows = 16 * kLargest;
  const bool many = rows >= kManyRows;  // else smaller pieces share the work more evenly
  per_piece_ = many && width * kLargest <= kNumbersInCache ? kLargest : kLargest / 2;
  per_group_ = many ? 2 * kLargest : per_piece_;
  if (device == Device::CUDA) per_piece_ = per_group_ = std::max<int64_t>(1, rows);
}

namespace {

template <class T>
void fill_rows(Device device, int64_t count, int64_t out, const T* b, T* y) {
  parallel_rows(device, count, out, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * out;
    row.for_each(out, [&](int64_t j) { y[o + j] = b[j]; });
  });
}

// total[i] = the sum of x[g, i] over the groups, x (groups, size).
template <class T, class Total>
void add_groups(const Tensor& x_tensor, Tensor& total_tensor) {
  const int64_t size = total_tensor.size(), groups = size > 0 ? x_tensor.size() / size : 0;
  const T* x = x_tensor.data<T>();
  Total* total = total_tensor.data<Total>();
  parallel_for(x_tensor.device(), size, [=] SKIFF_KERNEL(int64_t i) {
    double sum = 0;
    for (int64_t g = 0; g < groups; ++g) sum += double(x[g * size + i]);
    total[i] = Total(sum);
  });
}

}  // namespace

// The rows of y start as b and the product is added to them, so the bias costs no pass of its own.
template <class T>
void map_rows(Device device, int64_t count, const Tensor& W, const Tensor& b, const T* x, T* y) {
  const int64_t out = W.size(0), in = W.size(1);
  if (b) fill_rows<T>(device, count, out, b.data<T>(), y);
  blas::gemm(device,
             {.transpose_b = true,
              .m = count,
              .n = out,
              .k = in,
              .beta = b ? 1.0 : 0.0,
              .whole_sum = true},
             x, W.data<T>(), y);
}
template void map_rows(Device, int64_t, const Tensor&, const Tensor&, const float*, float*);
template void map_rows(Device, int64_t, const Tensor&, const Tensor&, const double*, double*);

template <class T>
void input_gradient_rows(Device device, int64_t count, const Tensor& W, const T* gy, T* gx,
                         bool add) {
  blas::gemm(
      device,
      {.m = count, .n = W.size(1), .k = W.size(0), .beta = add ? 1.0 : 0.0, .whole_sum = true}, gy,
      W.data<T>(), gx);
}
template void input_gradient_rows(Device, int64_t, const Tensor&, const float*, float*, bool);
template void input_gradient_rows(Device, int64_t, const Tensor&, const double*, double*, bool);

// ---- Sums over rows

RowSums::RowSums(const Tensor& W, Device device, const Pieces& pieces, bool needs_W, bool needs_b)
    : device_(device),
      dtype_(W.dtype()),
      groups_(pieces.groups()),
      in_(W.size(1)),
      out_(W.size(0)) {
  if (needs_W) W_ = Tensor({groups_, out_, in_}, dtype_, device);
  if (needs_b) b_ = Tensor({groups_, out_}, DType::Float64, device);
}

template <class T>
void RowSums::add(const Piece& piece, const T* gy, const T* x) {
  if (W_) {
    blas::gemm(device_,
               {.transpose_a = true,
                .m = out_,
                .n = in_,
                .k = piece.count,
                .beta = piece.starts_group ? 0.0 : 1.0,
                .whole_sum = true},
               gy, x, W_.data<T>() + piece.group * out_ * in_);
  }
  if (!b_) return;
  if (device_ == Device::CUDA) {  // one piece
    b_ = column_sums<1>(device_, piece.count, out_, Value<T>{gy});
    return;
  }
  double* sum = b_.data<double>() + piece.group * out_;
  if (piece.starts_group) std::fill(sum, sum + out_, 0.0);
  for (int64_t r = 0; r < piece.count; ++r) {
    const T* row = gy + r * out_;
#pragma omp simd
    for (int64_t j = 0; j < out_; ++j) sum[j] += double(row[j]);
  }
}
template void RowSums::add(const Piece&, const float*, const float*);
template void RowSums::add(const Piece&, const double*, const double*);

Tensor RowSums::weight_gradient() const {
  if (!W_ || groups_ == 1) return W_ ? W_.reshape({out_, in_}) : W_;
  Tensor gW({out_, in_}, dtype_, device_);
  dispatch(gW, [&]<class T> { add_groups<T, T>(W_, gW); });
  return gW;
}

Tensor RowSums::bias_gradient() const {
  if (!b_) return b_;
  Tensor gb({out_}, dtype_, device_);
  dispatch(gb, [&]<class T> { add_groups<double, T>(b_, gb); });
  return gb;
}

}  // namespace skiff::affine
