// cross_entropy: the mean negative log-probability of the labels under softmax(x).
//
//   forward   m[b] = max_c x[b,c],   l[b] = log sum_c e^(x[b,c] - m[b])
//             y = 1/B sum_b (m[b] + l[b] - x[b, label[b]])
//   adjoint   m + l is log sum_c e^x[b,c] whatever m is, and its slope in x[b,c] is
//             p[b,c] = e^(x[b,c] - m[b] - l[b]), the softmax. So
//             gx[b,c] = gy / B (p[b,c] - [c = label[b]])
//
// One op in place of softmax, log and a gather: nothing overflows, no probability is rounded to 0
// before its logarithm, and p is made again in the backward, so no second (B, C) is kept.

#include "autograd/op.h"
#include "autograd/ops/classify.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/detail/sum_leading.h"
#include "core/math.h"
#include "core/parallel.h"

namespace skiff {
namespace {

template <class T>
void row_losses(const Tensor& x_tensor, const Tensor& label_tensor, Tensor& m_tensor,
                Tensor& l_tensor, Tensor& loss_tensor) {
  const T* x = x_tensor.data<T>();
  const int32_t* label = label_tensor.data<int32_t>();
  T *m = m_tensor.data<T>(), *l = l_tensor.data<T>(), *loss = loss_tensor.data<T>();
  const int64_t C = x_tensor.size(1);
  parallel_rows(x_tensor.device(), x_tensor.size(0), 8 * C, [=] SKIFF_KERNEL(Row row) {
    const T* from = x + row.index * C;
    const T largest = row.max(C, [&](int64_t c) { return from[c]; });
    const T log_sum = std::log(row.sum(C, [&](int64_t c) { return math::exp(from[c] - largest); }));
    m[row.index] = largest;
    l[row.index] = log_sum;
    loss[row.index] = (largest - from[label[row.index]]) + log_sum;
  });
}

template <class T>
void rows_gradient(const Tensor& gy_tensor, const Tensor& x_tensor, const Tensor& label_tensor,
                   const Tensor& m_tensor, const Tensor& l_tensor, Tensor& gx_tensor) {
  const T *gy = gy_tensor.data<T>(), *x = x_tensor.data<T>();
  const T *m = m_tensor.data<T>(), *l = l_tensor.data<T>();
  const int32_t* label = label_tensor.data<int32_t>();
  T* gx = gx_tensor.data<T>();
  const int64_t B = x_tensor.size(0), C = x_tensor.size(1);
  parallel_rows(x_tensor.device(), B, 8 * C, [=] SKIFF_KERNEL(Row row) {
    const int64_t o = row.index * C, at = label[row.index];
    const T g = gy[0] / T(B), largest = m[row.index], log_sum = l[row.index];
    row.for_each(C, [&](int64_t c) {
      gx[o + c] = g * (math::exp(x[o + c] - largest - log_sum) - (c == at ? T(1) : T(0)));
    });
  });
}

template <class T>
struct Mean {
  const T* loss;
  double factor;
  SKIFF_HOST_DEVICE Terms<1> operator()(int64_t i, int64_t, int64_t) const {
    return {{factor * double(loss[i])}};
  }
};

struct CrossEntropy {
  static constexpr auto name = "cross_entropy";
  Tensor x, labels, m, l;  // saved: m and l one number per row

  Tensor forward(const Tensor& x, const Tensor& labels) {
    check_real(name, "x", x);
    check(labels && labels.dtype() == DType::Int32, name, ": labels must be int32, got ", labels);
    check(x.rank() == 2 && labels.shape() == x.shape().first(1) && x.size() > 0, name,
          ": x (B, C) and labels (B) are needed, got ", x, " and ", labels);
    check(x.device() == labels.device(), name, ": labels must be on the device of x, got ", x,
          " and ", labels);
    const int64_t B = x.size(0), C = x.size(1);
    if (labels.device() == Device::CPU) {
      const int32_t* label = labels.data<int32_t>();
      for (int64_t b = 0; b < B; ++b)
        check(label[b] >= 0 && label[b] < C, name, ": labels must lie in 0 .. ", C - 1, ", got ",
              label[b], " in row ", b);
    }
    this->x = x;
    this->labels = labels;
    m = Tensor({B}, x.dtype(), x.device());
    l = empty_like(m);
    Tensor loss = empty_like(m), y;
    dispatch(x, [&]<class T> {
      row_losses<T>(x, labels, m, l, loss);
      const Mean<T> mean{loss.data<T>(), 1.0 / double(B)};
      y = sums_row(column_sums<1>(x.device(), B, 1, mean), 0, {}, x.dtype());
    });
    return y;
  }
  Grads backward(const Tensor& gy, Needs) const {
    Tensor gx = empty_like(x);
    dispatch(x, [&]<class T> { rows_gradient<T>(gy, x, labels, m, l, gx); });
    return {gx, Tensor()};
  }
  Tensor reference(const Tensor& x, const Tensor& labels) const {
    const auto in = reference::elements(x, 1);
    double sum = 0;
    for (int64_t b = 0; b < in.outer; ++b) {
      double all = 0;
      for (int64_t c = 0; c < in.n; ++c) all += std::exp(in(b, c, 0));
      sum -= std::log(std::exp(in(b, labels.data<int32_t>()[b], 0)) / all);
    }
    return full({}, sum / double(in.outer), x.dtype());
  }
  static std::vector<Sample<CrossEntropy>> samples() {
    return {{"rows", {}, {randn({5, 4}), randint({5}, 4)}},
            {"two classes", {}, {randn({7, 2}), randint({7}, 2)}},
            {"one row", {}, {randn({1, 6}), randint({1}, 6)}},
            {"one class", {}, {randn({3, 1}), randint({3}, 1)}}};
  }
};

}  // namespace

Variable cross_entropy(const Variable& x, const Tensor& labels) {
  return apply(CrossEntropy{}, x, labels);
}

}  // namespace skiff
