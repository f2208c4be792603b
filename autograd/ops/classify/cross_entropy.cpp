// cross_entropy: the mean negative log-probability of the labels under
// softmax(x).
//
//   forward   m[b] = max_c x[b,c],   l[b] = log sum_c e^(x[b,c] - m[b])
//             y = 1/N sum_b (m[b] + l[b] - sum_c q[b,c] x[b,c]),
//             b the N rows with a label >= 0,
//             q[b,c] = (1-a) [c = label[b]] + a/C, the target: without
//             smoothing, a = 0, it is 1 for the label and 0 for the others
//   adjoint   m + l is log sum_c e^x[b,c] whatever m is, and its slope in
//             x[b,c] is p[b,c] = e^(x[b,c] - m[b] - l[b]), the softmax. So
//             gx[b,c] = gy / N (p[b,c] - q[b,c])
//             and 0 in the rows that y leaves out
//
// [..] is 1 where the statement holds, else 0. q sums to 1, so y is the mean of
// -sum_c q[b,c] log p[b,c]. Smoothing (Szegedy et al. 2016) bounds the logits:
// the loss is least at p = q, which finite logits reach; without it the loss
// falls without end as the logit of the label grows.
//
// One op in place of softmax, log and a gather: nothing overflows, no
// probability is rounded to 0 before its logarithm, and p is made again in the
// backward, so no second (B, C) is kept.

#include "autograd/op.h"
#include "autograd/ops/classify.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/detail/row_losses.h"

namespace skiff {
namespace {

struct CrossEntropy {
  static constexpr auto name = "cross_entropy";
  double smoothing = 0;
  Tensor x, labels, m, l, count;  // saved: m and l one number per row

  Tensor forward(const Tensor& x, const Tensor& labels) {
    check_real(name, "x", x);
    check(labels && labels.dtype() == DType::Int32, name, ": labels must be int32, got ", labels);
    check(x.rank() == 2 && labels.shape() == x.shape().first(1) && x.size() > 0, name,
          ": x (B, C) and labels (B) are needed, got ", x, " and ", labels);
    check<UsageError>(smoothing >= 0 && smoothing < 1, name,
                      ": the smoothing must lie in [0, 1), got ", smoothing);
    check(x.device() == labels.device(), name, ": labels must be on the device of x, got ", x,
          " and ", labels);
    this->x = x;
    this->labels = labels;
    count = row_losses::counted(name, labels, x.size(1));
    m = Tensor({x.size(0)}, x.dtype(), x.device());
    l = empty_like(m);
    Tensor loss = empty_like(m);
    dispatch(x, [&]<class T> {
      row_losses::forward<T>(x.device(), x.size(0), x.size(1), x.data<T>(), labels.data<int32_t>(),
                             m.data<T>(), l.data<T>(), loss.data<T>(), smoothing);
    });
    return row_losses::mean(loss, count);
  }
  Grads backward(const Tensor& gy, Needs) const {
    Tensor gx = empty_like(x);
    dispatch(x, [&]<class T> {
      row_losses::backward<T>(x.device(), x.size(0), x.size(1), gy.data<T>(), count, x.data<T>(),
                              labels.data<int32_t>(), m.data<T>(), l.data<T>(), gx.data<T>(),
                              smoothing);
    });
    return {gx, Tensor()};
  }
  Tensor reference(const Tensor& x, const Tensor& labels) const {
    const auto in = reference::elements(x, 1);
    double sum = 0, rows = 0;
    for (int64_t b = 0; b < in.outer; ++b) {
      const int32_t label = labels.data<int32_t>()[b];
      if (label < 0) continue;
      double all = 0;
      for (int64_t c = 0; c < in.n; ++c) all += std::exp(in(b, c, 0));
      for (int64_t c = 0; c < in.n; ++c) {
        const double target = (c == label ? 1 - smoothing : 0) + smoothing / double(in.n);
        if (target > 0) sum -= target * std::log(std::exp(in(b, c, 0)) / all);
      }
      rows += 1;
    }
    return full({}, sum / rows, x.dtype());
  }
  static std::vector<Sample<CrossEntropy>> samples() {
    return {{"rows", {}, {randn({5, 4}), randint({5}, 4)}},
            {"two classes", {}, {randn({7, 2}), randint({7}, 2)}},
            {"one row", {}, {randn({1, 6}), randint({1}, 6)}},
            {"one class", {}, {randn({3, 1}), randint({3}, 1)}},
            {"smoothed", {.smoothing = 0.3}, {randn({5, 4}), randint({5}, 4)}},
            {"smoothed, ignored labels",
             {.smoothing = 0.1},
             {randn({4, 3}), tensor_of(std::vector<int32_t>{-1, 2, 0, -7}, {4})}},
            {"ignored labels",
             {},
             {randn({5, 3}), tensor_of(std::vector<int32_t>{-1, 2, 0, -7, 2}, {5})}}};
  }
};

}  // namespace

Variable cross_entropy(const Variable& x, const Tensor& labels, double smoothing) {
  return apply(CrossEntropy{.smoothing = smoothing}, x, labels);
}

}  // namespace skiff
