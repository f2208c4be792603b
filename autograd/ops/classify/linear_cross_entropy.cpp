// linear_cross_entropy: the last linear map and the loss of its rows in one.
//
//   forward   z[r, v] = sum_i x[r, i] W[v, i] + b[v]            (linear.cpp)
//             y = 1/N sum_r ( log sum_v e^z[r, v] - z[r, label[r]] ),
//             r the N rows with a label >= 0             (cross_entropy.cpp)
//   adjoint   gz[r, v] = gy / N (softmax(z[r])[v] - [v = label[r]]),
//             0 in the rows that y leaves out;
//             gx = gz W,   gW = gz^T x,   gb[v] = sum_r gz[r, v]
//
// A row of gz needs that row of z and no other. So a slab of rows goes all
// the way, from z to its parts of gx, gW and gb, and then the next slab takes
// its place: z as a whole, a gigabyte for 8192 rows and 33,278 words, never
// exists.
//
// When are the gradients taken? y is a single number, so gy does nothing but
// scale them. Forward therefore computes them for gy = 1 while it has z, if a
// tape may ask for them, and backward multiplies by gy: three products with W
// in all. To keep x and make z again in the backward would be a fourth product
// and all exponentials once more, and would keep no less: x in place of gx, as
// large, and gW is due a moment later, since nothing follows the loss.
//
// The slabs follow from the sizes alone, and gW and gb take them in order.

#include <algorithm>

#include "autograd/op.h"
#include "autograd/ops/classify.h"
#include "autograd/ops/detail/affine.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/detail/row_losses.h"
#include "autograd/ops/detail/sum_leading.h"
#include "core/blas.h"
#include "core/parallel.h"

namespace skiff {
namespace {

// y = s x, s a single number on the device of x.
template <class T>
void multiply(const Tensor& s_tensor, const Tensor& x_tensor, Tensor& y_tensor) {
  const T *s = s_tensor.data<T>(), *x = x_tensor.data<T>();
  T* y = y_tensor.data<T>();
  parallel_for(x_tensor.device(), x_tensor.size(),
               [=] SKIFF_KERNEL(int64_t i) { y[i] = s[0] * x[i]; });
}
Tensor times(const Tensor& s, const Tensor& x) {
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T> { multiply<T>(s, x, y); });
  return y;
}

template <class T>
void add_to(const Tensor& x_tensor, Tensor& sum_tensor) {
  const T* x = x_tensor.data<T>();
  T* sum = sum_tensor.data<T>();
  parallel_for(sum_tensor.device(), sum_tensor.size(),
               [=] SKIFF_KERNEL(int64_t i) { sum[i] += x[i]; });
}

struct LinearCrossEntropy {
  static constexpr auto name = "linear_cross_entropy";
  int64_t at_once = int64_t(1) << 24;  // attribute: numbers of z that exist together
  Tensor gx = {}, gW = {}, gb = {};    // saved: the gradients for gy = 1, if a tape runs

  Tensor forward(const Tensor& x, const Tensor& W, const Tensor& b, const Tensor& labels) {
    check_inputs(x, W, b, labels);
    const Tensor count = row_losses::counted(name, labels, W.size(0));
    if (Tape::current()) {
      gx = empty_like(x);
      gW = empty_like(W);
      if (b) gb = zeros({1, b.size()}, DType::Float64, b.device());
    }
    const Tensor loss = run(x, W, b, labels, count);
    if (gb) gb = sums_row(gb, 0, b.shape(), b.dtype());
    return row_losses::mean(loss, count);
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    return {needs[0] ? times(gy, gx) : Tensor(), needs[1] ? times(gy, gW) : Tensor(),
            needs[2] ? times(gy, gb) : Tensor(), Tensor()};
  }

  static void check_inputs(const Tensor& x, const Tensor& W, const Tensor& b,
                           const Tensor& labels) {
    check_real(name, "x", x);
    check_like(name, x, W);
    check(labels && labels.dtype() == DType::Int32, name, ": labels must be int32, got ", labels);
    check(x.rank() >= 1 && W.rank() == 2 && x.size(-1) == W.size(1) && W.size(0) > 0 &&
              labels.shape() == x.shape().first(x.rank() - 1) && labels.size() > 0,
          name, ": x (.., in), W (classes, in) and labels (..) are needed, got ", x, ", ", W,
          " and ", labels);
    check(x.device() == labels.device(), name, ": labels must be on the device of x, got ", x,
          " and ", labels);
    if (!b) return;
    check_like(name, x, b);
    check(b.shape() == Shape{W.size(0)}, name, ": the bias of W ", W, " must have ", W.size(0),
          " elements, got ", b);
  }

  // The loss of every row, and the gradients if they have a place.
  Tensor run(const Tensor& x, const Tensor& W, const Tensor& b, const Tensor& labels,
             const Tensor& count) {
    Tensor loss({labels.size()}, x.dtype(), x.device());
    dispatch(x, [&]<class T> { all_slabs<T>(x, W, b, labels, count, loss); });
    return loss;
  }

  // The rows of a slab are divided again, into pieces: one thread takes a piece from z to gx.
  struct Cut {
    int64_t piece, slab;
  };
  Cut cut(Device device, int64_t rows, int64_t V) const {
    if (device == Device::CUDA) {
      const int64_t slab = std::clamp<int64_t>(at_once / V, 1, rows);
      return {slab, slab};
    }
    const int64_t piece = std::clamp<int64_t>(at_once / 8 / V, 1, 256);
    return {piece, std::min(rows, std::max<int64_t>(1, at_once / V / piece) * piece)};
  }

  template <class T>
  void all_slabs(const Tensor& x_tensor, const Tensor& W, const Tensor& b,
                 const Tensor& labels_tensor, const Tensor& count, Tensor& loss_tensor) {
    const Device device = x_tensor.device();
    const int64_t rows = labels_tensor.size(), V = W.size(0), in = W.size(1);
    const Cut cut = this->cut(device, rows, V);
    Tensor z_tensor({cut.slab, V}, W.dtype(), device), m_tensor({cut.slab}, W.dtype(), device);
    Tensor l_tensor = empty_like(m_tensor);
    T *z = z_tensor.data<T>(), *m = m_tensor.data<T>(), *l = l_tensor.data<T>();
    const int32_t* labels = labels_tensor.data<int32_t>();
    const T* x = x_tensor.data<T>();
    affine::check_readable({&W, &b});
    T *loss = loss_tensor.data<T>(), *gx_rows = gx ? gx.data<T>() : nullptr;
    for (int64_t first = 0; first < rows; first += cut.slab) {
      const int64_t in_slab = std::min(cut.slab, rows - first);
      const int64_t pieces = (in_slab + cut.piece - 1) / cut.piece;
      const auto piece = [&](int64_t p) {
        const int64_t at = p * cut.piece, r = first + at, n = std::min(cut.piece, in_slab - at);
        T* z_rows = z + at * V;
        affine::map_rows<T>(device, n, W, b, x + r * in, z_rows);
        row_losses::forward<T>(device, n, V, z_rows, labels + r, m + at, l + at, loss + r);
        if (!gx_rows) return;
        row_losses::backward<T>(device, n, V, nullptr, count, z_rows, labels + r, m + at, l + at,
                                z_rows);
        affine::input_gradient_rows<T>(device, n, W, z_rows, gx_rows + r * in);
      };
      if (pieces == 1) {  // outside a region, which no error of a GPU could leave
        piece(0);
      } else {
#pragma omp parallel for schedule(static) if (in_slab * V > kParallelGrain)
        for (int64_t p = 0; p < pieces; ++p) piece(p);
      }
      if (gx_rows) add_slab<T>(in_slab, z, x + first * in, first == 0);
    }
  }

  // gW and gb of the slab's rows, z being gz by now.
  template <class T>
  void add_slab(int64_t rows, const T* z, const T* x, bool is_first) {
    const int64_t V = gW.size(0), in = gW.size(1);
    const double beta = is_first ? 0 : 1;
    blas::gemm(gW.device(), {.transpose_a = true, .m = V, .n = in, .k = rows, .beta = beta}, z, x,
               gW.data<T>());
    if (gb) add_to<double>(column_sums<1>(gW.device(), rows, V, Value<T>{z}), gb);
  }

  double flops() const { return 2.0 * double(gx.size()) * double(gW.size(0)); }
  Tensor reference(const Tensor& x, const Tensor& W, const Tensor& b, const Tensor& labels) const {
    const auto in = reference::elements(x, -1), weight = reference::elements(W, -1);
    double sum = 0, rows = 0;
    for (int64_t r = 0; r < in.outer; ++r) {
      const int32_t label = labels.data<int32_t>()[r];
      if (label < 0) continue;
      double all = 0, at_label = 0;
      for (int64_t v = 0; v < weight.outer; ++v) {
        double z = b ? b.data<double>()[v] : 0;
        for (int64_t i = 0; i < in.n; ++i) z += in(r, i, 0) * weight(v, i, 0);
        all += std::exp(z);
        if (v == label) at_label = z;
      }
      sum += std::log(all) - at_label;
      rows += 1;
    }
    return full({}, sum / rows, x.dtype());
  }
  static std::vector<Sample<LinearCrossEntropy>> samples() {
    const Tensor ignored = tensor_of(std::vector<int32_t>{-1, 2, 0, -7, 2, 1, -1}, {7});
    return {{"rows", {}, {randn({5, 4}), randn({3, 4}), randn({3}), randint({5}, 3)}},
            {"no bias", {}, {randn({6, 3}), randn({4, 3}), Tensor(), randint({6}, 4)}},
            {"sequence", {}, {randn({2, 3, 4}), randn({5, 4}), randn({5}), randint({2, 3}, 5)}},
            {"one row", {}, {randn({1, 6}), randn({2, 6}), randn({2}), randint({1}, 2)}},
            {"one class", {}, {randn({3, 2}), randn({1, 2}), randn({1}), randint({3}, 1)}},
            {"ignored labels", {}, {randn({7, 2}), randn({3, 2}), randn({3}), ignored}},
            {"slabs of two rows", {8}, {randn({7, 2}), randn({3, 2}), randn({3}), ignored}},
            {"slabs of several pieces",
             {80},
             {randn({23, 4}), randn({5, 4}), Tensor(), randint({23}, 5)}}};
  }
};

}  // namespace

Variable linear_cross_entropy(const Variable& x, const Variable& W, const Variable& b,
                              const Tensor& labels) {
  return apply(LinearCrossEntropy{}, x, W, b, labels);
}

Tensor linear_cross_entropy_rows(const Tensor& x, const Tensor& W, const Tensor& b,
                                 const Tensor& labels) {
  LinearCrossEntropy op;
  op.check_inputs(x, W, b, labels);
  row_losses::check_range(op.name, labels, W.size(0));
  return op.run(x, W, b, labels, /*count=*/Tensor()).reshape(labels.shape());
}

}  // namespace skiff
