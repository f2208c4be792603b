// matmul: y = A B for each leading index, A = a or its transpose, B = b or its transpose.
//
//   forward   y[i, j] = sum_k A[i, k] B[k, j]
//   adjoint   gA[i, k] = sum_j gy[i, j] B[k, j]        gA = gy B^T
//             gB[k, j] = sum_i A[i, k] gy[i, j]        gB = A^T gy
//
// The gradient of a transposed operand is the transpose of the one above: ga = gA^T = B gy^T and
// gb = gB^T = gy^T A. A matrix b shared by all leading indices collects their sum. Without
// transpose_a, a and y are then tall matrices and the whole is one product.

#include "autograd/op.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/detail/sum_leading.h"
#include "autograd/ops/matrix.h"
#include "core/blas.h"

namespace skiff {
namespace {

struct Operand {
  const Tensor& x;
  bool transpose;
  int64_t stride;  // from one matrix to the next
};
Operand transposed(const Operand& A) { return {A.x, !A.transpose, A.stride}; }

// C = A B for each of `batch` matrices; A is (m, k), B is (k, n)
void multiply(const Operand& A, const Operand& B, int64_t m, int64_t n, int64_t k, int64_t batch,
              Tensor& C) {
  const blas::Gemm g{.transpose_a = A.transpose,
                     .transpose_b = B.transpose,
                     .m = m,
                     .n = n,
                     .k = k,
                     .batch = batch,
                     .stride_a = A.stride,
                     .stride_b = B.stride,
                     .stride_c = m * n};
  dispatch(C,
           [&]<class T> { blas::gemm(C.device(), g, A.x.data<T>(), B.x.data<T>(), C.data<T>()); });
}

struct Matmul {
  static constexpr auto name = "matmul";
  static constexpr Linearity linear = Linearity::InEach;
  bool transpose_a = false, transpose_b = false;  // attributes
  Tensor a = {}, b = {};                          // saved
  int64_t batch = 0, m = 0, n = 0, k = 0;         // A is (m, k), B is (k, n)
  bool shared = false;                            // one b for several a

  Operand A() const { return {a, transpose_a, m * k}; }
  Operand B() const { return {b, transpose_b, shared ? 0 : k * n}; }

  Tensor forward(const Tensor& a, const Tensor& b) {
    check_real(name, "a", a);
    check_like(name, a, b);
    const int leading = a.rank() - 2;
    check(leading >= 0 && (b.rank() == 2 || (b.rank() == a.rank() &&
                                             b.shape().first(leading) == a.shape().first(leading))),
          name,
          ": a (.., m, k) and b (.., k, n) with a's leading sizes, or (k, n), are needed, got ", a,
          " and ", b);
    this->a = a;
    this->b = b;
    m = a.size(transpose_a ? -1 : -2);
    k = a.size(transpose_a ? -2 : -1);
    n = b.size(transpose_b ? -2 : -1);
    check(b.size(transpose_b ? -1 : -2) == k, name, ": inner sizes must agree, got ", a,
          transpose_a ? " transposed and " : " and ", b, transpose_b ? " transposed" : "");
    Tensor y(a.shape().with(-2, m).with(-1, n), a.dtype(), a.device());
    batch = a.shape().first(leading).size();
    shared = b.rank() == 2 && leading > 0;
    if (shared && !transpose_a) {  // one tall matrix
      m *= batch;
      batch = 1;
    }
    multiply(A(), B(), m, n, k, batch, y);
    return y;
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    const Operand G{gy, false, m * n};
    Tensor ga, gb;
    if (needs[0]) {
      ga = empty_like(a);
      if (transpose_a)
        multiply(B(), transposed(G), k, m, n, batch, ga);
      else
        multiply(G, transposed(B()), m, k, n, batch, ga);
    }
    if (needs[1]) {
      gb = shared ? Tensor(concat({batch}, b.shape()), b.dtype(), b.device()) : empty_like(b);
      if (transpose_b)
        multiply(transposed(G), A(), n, k, m, batch, gb);
      else
        multiply(transposed(A()), G, k, n, m, batch, gb);
      if (shared) gb = sum_leading(gb, b.shape());
    }
    return {ga, gb};
  }
  double flops() const { return 2.0 * double(batch * m) * double(n * k); }
  Tensor reference(const Tensor& a, const Tensor& b) const {
    const int64_t m = a.size(transpose_a ? -1 : -2), k = a.size(transpose_a ? -2 : -1);
    const int64_t n = b.size(transpose_b ? -2 : -1);
    Tensor y = zeros(a.shape().with(-2, m).with(-1, n), a.dtype());
    const double *A = a.data<double>(), *B = b.data<double>();
    const auto out = reference::elements(y, -1);
    out.for_each([&](int64_t row, int64_t j, int64_t) {
      const int64_t p = row / m, i = row % m;
      const double* B_p = B + (b.rank() == 2 ? 0 : p * k * n);  // a matrix b serves all p
      for (int64_t l = 0; l < k; ++l)
        out(row, j, 0) += A[p * m * k + (transpose_a ? l * m + i : i * k + l)] *
                          B_p[transpose_b ? j * k + l : l * n + j];
    });
    return y;
  }
  static std::vector<Sample<Matmul>> samples() {
    return {{"matrices", {}, {randn({3, 4}), randn({4, 5})}},
            {"transposed a", {true, false}, {randn({4, 3}), randn({4, 5})}},
            {"transposed b", {false, true}, {randn({3, 4}), randn({5, 4})}},
            {"both transposed", {true, true}, {randn({4, 3}), randn({5, 4})}},
            {"batch", {}, {randn({2, 3, 4}), randn({2, 4, 2})}},
            {"batch, transposed a", {true, false}, {randn({2, 4, 3}), randn({2, 4, 2})}},
            {"batch, transposed b", {false, true}, {randn({2, 3, 2, 4}), randn({2, 3, 1, 4})}},
            {"batch, both transposed", {true, true}, {randn({2, 4, 3}), randn({2, 5, 4})}},
            {"shared b", {}, {randn({2, 3, 4}), randn({4, 5})}},
            {"shared b, transposed a", {true, false}, {randn({3, 4, 2}), randn({4, 3})}},
            {"shared b, transposed", {false, true}, {randn({2, 2, 3, 4}), randn({2, 4})}},
            {"shared b, both transposed", {true, true}, {randn({2, 4, 3}), randn({5, 4})}},
            {"length 1", {}, {randn({1, 1}), randn({1, 1})}}};
  }
};

}  // namespace

Variable matmul(const MatmulOperand& a, const MatmulOperand& b) {
  return apply(Matmul{a.transposed, b.transposed}, a.x, b.x);
}

}  // namespace skiff
