// attention: softmax attention of several heads, whose weights never exist
// together.
//
//   forward   for each sequence and each head, h channels wide:
//             s[i, j] = a sum_c q[i, c] k[j, c],        a = 1/sqrt(h)
//             l[i]    = log sum_j e^s[i, j]
//             p[i, j] = e^(s[i, j] - l[i])              (softmax.cpp)
//             y[i, c] = sum_j p[i, j] v[j, c]
//             j runs over the keys below the length of the sequence; causal:
//             over those up to i. Everywhere else p is 0
//   adjoint   gv[j, c] = sum_i p[i, j] gy[i, c]
//             gp[i, j] = sum_c gy[i, c] v[j, c]
//             gs[i, j] = p[i, j] (gp[i, j] - d[i]),
//             d[i]     = sum_j p[i, j] gp[i, j]
//                      = sum_c gy[i, c] sum_j p[i, j] v[j, c]
//                      = sum_c gy[i, c] y[i, c]
//             gq[i, c] = a sum_j gs[i, j] k[j, c]
//             gk[j, c] = a sum_i gs[i, j] q[i, c]
//
// A row of p needs that row of q, and all of k and v. So some rows of p are
// made, used while they are in the cache, and overwritten by the next. The
// backward makes them again: l says what to divide by, and d is known from y
// before the first of them. (FlashAttention, arXiv 2205.14135, does this with
// pieces of rows and columns, because a GPU's fast memory is smaller than one
// core's cache.) A causal piece of rows ends at the column of its last row:
// about half of all products are not computed.
//
// The rows of a piece follow from the sizes alone. On the CPU a thread takes a
// few neighbouring heads of a sequence from beginning to end, so that it reads
// longer runs of q, k and v than the channels of one head; on CUDA all heads
// of all sequences are in each product.

#include <algorithm>
#include <cmath>

#include "autograd/op.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/sequence.h"
#include "core/blas.h"
#include "core/math.h"
#include "core/parallel.h"
#include "core/scratch.h"

namespace skiff {
namespace {

// Tensors are (B, n, heads width). A pair is a sequence with a head, number b heads + head.
struct Heads {
  int64_t B, n, heads, width;
  int64_t pairs() const { return B * heads; }
};

// `count` pairs, from number `first` on; on the CPU of one sequence.
struct Pairs {
  int64_t first, count;
};

// Where the row of a pair begins in a tensor.
SKIFF_HOST_DEVICE inline int64_t place(const Heads& h, int64_t pair, int64_t i) {
  return ((pair / h.heads * h.n + i) * h.heads + pair % h.heads) * h.width;
}

// y (count, n, width) = factor x of these pairs.
template <class T>
void take(Device device, Heads h, Pairs p, const T* x, double factor, T* y) {
  const T by = T(factor);
  parallel_rows(device, p.count * h.n, h.width, [=] SKIFF_KERNEL(Row row) {
    const int64_t from = place(h, p.first + row.index / h.n, row.index % h.n);
    const int64_t to = row.index * h.width;
    row.for_each(h.width, [&](int64_t c) { y[to + c] = by * x[from + c]; });
  });
}

// The pairs' part of x = factor y.
template <class T>
void put(Device device, Heads h, Pairs p, const T* y, double factor, T* x) {
  const T by = T(factor);
  parallel_rows(device, p.count * h.n, h.width, [=] SKIFF_KERNEL(Row row) {
    const int64_t to = place(h, p.first + row.index / h.n, row.index % h.n);
    const int64_t from = row.index * h.width;
    row.for_each(h.width, [&](int64_t c) { x[to + c] = by * y[from + c]; });
  });
}

template <class T>
void fill_with_zeros(Device device, int64_t count, T* x) {
  parallel_for(device, count, [=] SKIFF_KERNEL(int64_t i) { x[i] = 0; });
}

// d (count, n): the product of gy and y in each row.
template <class T>
void row_products(Device device, Heads h, Pairs p, const T* gy, const T* y, T* d) {
  parallel_rows(device, p.count * h.n, h.width, [=] SKIFF_KERNEL(Row row) {
    const int64_t at = place(h, p.first + row.index / h.n, row.index % h.n);
    d[row.index] = row.sum(h.width, [&](int64_t c) { return gy[at + c] * y[at + c]; });
  });
}

// Rows [first, first + count) of p in each of `pairs`, over the columns [0, keys).
struct Piece {
  Pairs pairs;
  int64_t first, count, keys;
};

// How many keys row i of a pair has.
SKIFF_HOST_DEVICE inline int64_t keys_of(const Heads& h, const int32_t* lengths, bool causal,
                                         int64_t pair, int64_t i) {
  int64_t keys = causal ? i + 1 : h.n;
  const int64_t length = lengths ? lengths[pair / h.heads] : h.n;
  if (length < keys) keys = length;
  return keys < 1 ? 1 : keys;
}

// s becomes p, and l of these rows is found.
template <class T>
void softmax_rows(Device device, Heads h, const int32_t* lengths, bool causal, Piece piece, T* s,
                  T* l) {
  const int64_t K = piece.keys;
  parallel_rows(device, piece.pairs.count * piece.count, 8 * K, [=] SKIFF_KERNEL(Row row) {
    const int64_t pair = piece.pairs.first + row.index / piece.count;
    const int64_t i = piece.first + row.index % piece.count, o = row.index * K;
    const int64_t keys = keys_of(h, lengths, causal, pair, i);
    const T m = row.max(keys, [&](int64_t j) { return s[o + j]; });
    const T sum = row.sum(keys, [&](int64_t j) {
      const T e = math::exp(s[o + j] - m);
      s[o + j] = e;
      return e;
    });
    const T inverse = T(1) / sum;
    row.for_each(keys, [&](int64_t j) { s[o + j] *= inverse; });
    row.for_each(K - keys, [&](int64_t j) { s[o + keys + j] = 0; });
    l[pair * h.n + i] = m + std::log(sum);
  });
}

// s becomes p, and gp becomes gs.
template <class T>
void softmax_gradient_rows(Device device, Heads h, const int32_t* lengths, bool causal, Piece piece,
                           const T* l, const T* d, T* s, T* gp) {
  const int64_t K = piece.keys;
  parallel_rows(device, piece.pairs.count * piece.count, 8 * K, [=] SKIFF_KERNEL(Row row) {
    const int64_t in_pairs = row.index / piece.count, pair = piece.pairs.first + in_pairs;
    const int64_t i = piece.first + row.index % piece.count, o = row.index * K;
    const int64_t keys = keys_of(h, lengths, causal, pair, i);
    const T log_sum = l[pair * h.n + i], dot = d[in_pairs * h.n + i];
    row.for_each(keys, [&](int64_t j) {
      const T e = math::exp(s[o + j] - log_sum);
      s[o + j] = e;
      gp[o + j] = e * (gp[o + j] - dot);
    });
    row.for_each(K - keys, [&](int64_t j) { s[o + keys + j] = gp[o + keys + j] = 0; });
  });
}

// What a thread works in.
struct Room {
  Room(const Heads& h, int64_t pairs, int64_t rows, bool backward, const Tensor& like) {
    const auto room = [&](Shape shape) { return Tensor(shape, like.dtype(), like.device()); };
    q = room({pairs, h.n, h.width});
    k = empty_like(q);
    v = empty_like(q);
    s = room({pairs, rows, h.n});
    if (!backward) {
      y = empty_like(q);
      return;
    }
    gy = empty_like(q);
    gq = empty_like(q);
    gk = empty_like(q);
    gv = empty_like(q);
    gp = empty_like(s);
    d = room({pairs, h.n});
  }
  Tensor q, k, v, y, s, gy, gq, gk, gv, gp, d;
};

constexpr int64_t kTogether = 4;  // heads of a group

struct SoftmaxAttention {
  static constexpr auto name = "attention";
  int64_t heads = 1;
  bool causal = false;
  int64_t at_once = int64_t(1) << 15;                   // attributes: numbers of p of a head
  Tensor q = {}, k = {}, v = {}, lengths = {}, y = {};  // saved
  Tensor l = {};                                        // (B heads, n)

  Heads sizes() const { return {q.size(0), q.size(1), heads, q.size(2) / heads}; }
  double factor() const { return 1 / std::sqrt(double(sizes().width)); }

  Tensor forward(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in,
                 const Tensor& lengths_in) {
    check_inputs(q_in, k_in, v_in, lengths_in);
    q = q_in;
    k = k_in;
    v = v_in;
    lengths = lengths_in;
    const Heads h = sizes();
    y = empty_like(q);
    l = Tensor({h.pairs(), h.n}, q.dtype(), q.device());
    dispatch(q, [&]<class T> { run<T>(); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs) const {
    Tensor gq = empty_like(q), gk = empty_like(k), gv = empty_like(v);
    dispatch(gy, [&]<class T> { run_backward<T>(gy, gq, gk, gv); });
    return {gq, gk, gv, Tensor()};
  }
  double flops() const {  // of forward
    const double all = 4.0 * double(q.size()) * double(q.size(1));
    return causal ? all / 2 : all;
  }

  void check_inputs(const Tensor& q, const Tensor& k, const Tensor& v,
                    const Tensor& lengths) const {
    check_real(name, "q", q);
    check_like(name, q, k);
    check_like(name, q, v);
    check(q.rank() == 3 && q.size() > 0 && k.shape() == q.shape() && v.shape() == q.shape(), name,
          ": q, k and v (B, n, d) of one shape are needed, got ", q, ", ", k, " and ", v);
    check(heads >= 1 && q.size(2) % heads == 0, name, ": ", heads, " heads do not divide ",
          q.size(2), " channels");
    if (!lengths) return;
    check(lengths.dtype() == DType::Int32 && lengths.shape() == Shape{q.size(0)}, name,
          ": lengths must be int32 (B = ", q.size(0), "), got ", lengths);
    check(lengths.device() == q.device(), name, ": lengths must be on the device of q, got ", q,
          " and ", lengths);
  }

  // f(Pairs, Room&): groups of heads, spread over the threads; on CUDA all together.
  template <class F>
  void for_each_group(bool backward, const F& f) const {
    const Heads h = sizes();
    if (q.device() == Device::CUDA) {
      Room room(h, h.pairs(), rows_of_piece(), backward, q);
      return f(Pairs{0, h.pairs()}, room);
    }
    const int64_t most = std::min(heads, kTogether), per_sequence = (heads + most - 1) / most;
    const int64_t groups = h.B * per_sequence;
    const bool parallel = groups > 1 && q.size() * h.n > kParallelGrain;
    PerThread<Room> rooms(parallel, h, most, rows_of_piece(), backward, q);
#pragma omp parallel for schedule(static) if (parallel)
    for (int64_t group = 0; group < groups; ++group) {
      const int64_t head = group % per_sequence * most;
      f(Pairs{group / per_sequence * heads + head, std::min(most, heads - head)}, rooms.mine());
    }
  }

  int64_t rows_of_piece() const {
    const int64_t n = q.size(1);
    return std::min(n, std::clamp<int64_t>(at_once / n, 1, 128));
  }
  const int32_t* lengths_or_none() const { return lengths ? lengths.data<int32_t>() : nullptr; }

  // f(Piece) for the pieces of rows, in order.
  template <class F>
  void for_each_piece(Pairs pairs, const F& f) const {
    const Heads h = sizes();
    const int64_t rows = rows_of_piece();
    for (int64_t first = 0; first < h.n; first += rows) {
      const int64_t count = std::min(rows, h.n - first);
      int64_t keys = causal ? first + count : h.n;
      if (lengths && q.device() == Device::CPU)  // then there is one sequence
        keys = std::min(keys, keys_of(h, lengths_or_none(), false, pairs.first, 0));
      f(Piece{pairs, first, count, keys});
    }
  }

  // C = A B or, with `add`, C += A B for every pair; the matrices are pieces of those in a Room.
  template <class T>
  struct Operand {
    const T* first;
    int64_t stride;
    bool transposed = false;
  };
  template <class T>
  void multiply(Pairs pairs, int64_t m, int64_t n, int64_t k, Operand<T> A, Operand<T> B, T* C,
                int64_t stride, bool add = false) const {
    blas::gemm<T>(q.device(),
                  {.transpose_a = A.transposed,
                   .transpose_b = B.transposed,
                   .m = m,
                   .n = n,
                   .k = k,
                   .beta = add ? 1.0 : 0.0,
                   .batch = pairs.count,
                   .stride_a = A.stride,
                   .stride_b = B.stride,
                   .stride_c = stride},
                  A.first, B.first, C);
  }

  template <class T>
  void run() {
    const Device device = q.device();
    const Heads h = sizes();
    const int64_t w = h.width, whole = h.n * w;
    const T *q_all = q.data<T>(), *k_all = k.data<T>(), *v_all = v.data<T>();
    T *y_all = y.data<T>(), *l_all = l.data<T>();
    for_each_group(false, [&](Pairs pairs, Room& room) {
      T *q_ = room.q.data<T>(), *k_ = room.k.data<T>(), *v_ = room.v.data<T>();
      T *y_ = room.y.data<T>(), *s = room.s.data<T>();
      take(device, h, pairs, q_all, factor(), q_);
      take(device, h, pairs, k_all, 1, k_);
      take(device, h, pairs, v_all, 1, v_);
      for_each_piece(pairs, [&](const Piece& p) {
        const int64_t at = p.first * w, square = p.count * p.keys;
        multiply<T>(pairs, p.count, p.keys, w, {q_ + at, whole}, {k_, whole, true}, s, square);
        softmax_rows<T>(device, h, lengths_or_none(), causal, p, s, l_all);
        multiply<T>(pairs, p.count, w, p.keys, {s, square}, {v_, whole}, y_ + at, whole);
      });
      put(device, h, pairs, y_, 1, y_all);
    });
  }

  template <class T>
  void run_backward(const Tensor& gy, Tensor& gq, Tensor& gk, Tensor& gv) const {
    const Device device = q.device();
    const Heads h = sizes();
    const int64_t w = h.width, whole = h.n * w;
    const T *q_all = q.data<T>(), *k_all = k.data<T>(), *v_all = v.data<T>();
    const T *y_all = y.data<T>(), *l_all = l.data<T>(), *gy_all = gy.data<T>();
    T *gq_all = gq.data<T>(), *gk_all = gk.data<T>(), *gv_all = gv.data<T>();
    for_each_group(true, [&](Pairs pairs, Room& room) {
      T *q_ = room.q.data<T>(), *k_ = room.k.data<T>(), *v_ = room.v.data<T>();
      T *gq_ = room.gq.data<T>(), *gk_ = room.gk.data<T>(), *gv_ = room.gv.data<T>();
      T *gy_ = room.gy.data<T>(), *s = room.s.data<T>(), *gp = room.gp.data<T>();
      T* d = room.d.data<T>();
      take(device, h, pairs, q_all, factor(), q_);  // a q: s and gk ask for it
      take(device, h, pairs, k_all, 1, k_);
      take(device, h, pairs, v_all, 1, v_);
      take(device, h, pairs, gy_all, 1, gy_);
      row_products(device, h, pairs, gy_all, y_all, d);
      fill_with_zeros(device, pairs.count * whole, gk_);
      fill_with_zeros(device, pairs.count * whole, gv_);
      for_each_piece(pairs, [&](const Piece& p) {
        const int64_t at = p.first * w, square = p.count * p.keys;
        multiply<T>(pairs, p.count, p.keys, w, {q_ + at, whole}, {k_, whole, true}, s, square);
        multiply<T>(pairs, p.count, p.keys, w, {gy_ + at, whole}, {v_, whole, true}, gp, square);
        softmax_gradient_rows<T>(device, h, lengths_or_none(), causal, p, l_all, d, s, gp);
        multiply<T>(pairs, p.keys, w, p.count, {s, square, true}, {gy_ + at, whole}, gv_, whole,
                    true);
        multiply<T>(pairs, p.count, w, p.keys, {gp, square}, {k_, whole}, gq_ + at, whole);
        multiply<T>(pairs, p.keys, w, p.count, {gp, square, true}, {q_ + at, whole}, gk_, whole,
                    true);
      });
      put(device, h, pairs, gq_, factor(), gq_all);
      put(device, h, pairs, gk_, 1, gk_all);
      put(device, h, pairs, gv_, 1, gv_all);
    });
  }

  Tensor reference(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& lengths) const {
    const int64_t n = q.size(1), width = q.size(2) / heads;
    Tensor y = zeros_like(q);
    const auto Q = reference::elements(q, 1), K = reference::elements(k, 1),
               V = reference::elements(v, 1);
    const auto Y = reference::elements(y, 1);
    for (int64_t b = 0; b < Q.outer; ++b)
      for (int64_t i = 0; i < n; ++i)
        for (int64_t head = 0; head < heads; ++head) {
          double all = 0;
          for (int64_t j = 0; j < n; ++j) {
            if ((causal && j > i) || (lengths && j >= lengths.data<int32_t>()[b])) continue;
            double s = 0;
            for (int64_t c = head * width; c < (head + 1) * width; ++c)
              s += Q(b, i, c) * K(b, j, c);
            const double weight = std::exp(s / std::sqrt(double(width)));
            all += weight;
            for (int64_t c = head * width; c < (head + 1) * width; ++c)
              Y(b, i, c) += weight * V(b, j, c);
          }
          for (int64_t c = head * width; c < (head + 1) * width; ++c) Y(b, i, c) /= all;
        }
    return y;
  }
  static std::vector<Sample<SoftmaxAttention>> samples() {
    const auto qkv = [](Shape shape, const Tensor& lengths = {}) -> std::vector<Tensor> {
      return {randn(shape), randn(shape), randn(shape), lengths};
    };
    const auto of = [](std::vector<int32_t> l) { return tensor_of(l, {int64_t(l.size())}); };
    return {{"odd", {}, qkv({2, 5, 3})},
            {"even, heads", {.heads = 2}, qkv({2, 6, 4})},
            {"length 1", {.heads = 3}, qkv({2, 1, 3})},
            {"causal", {.heads = 2, .causal = true}, qkv({2, 5, 4})},
            {"causal, length 1", {.causal = true}, qkv({1, 1, 2})},
            {"lengths", {.heads = 2}, qkv({3, 5, 4}, of({5, 1, 3}))},
            {"causal, lengths", {.causal = true}, qkv({2, 4, 2}, of({2, 4}))},
            {"pieces of two rows", {.heads = 2, .at_once = 15}, qkv({2, 7, 4}, of({7, 4}))},
            {"causal, pieces of two rows", {.causal = true, .at_once = 15}, qkv({2, 7, 2})},
            {"causal, pieces of one row", {.causal = true, .at_once = 1}, qkv({1, 4, 2})}};
  }
};

}  // namespace

Variable attention(const Variable& q, const Variable& k, const Variable& v, int64_t heads,
                   Direction direction, const Tensor& lengths) {
  return apply(SoftmaxAttention{.heads = heads, .causal = direction == Direction::Causal}, q, k, v,
               Variable(lengths));
}

}  // namespace skiff
