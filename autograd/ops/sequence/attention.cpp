// attention: softmax attention of several heads, whose weights never exist
// together.
//
//   forward   for each sequence and each head, h channels wide:
//             s[i, j] = a sum_c q[i, c] k[j, c],        a = 1/sqrt(h)
//             p[i, j] = e^(s[i, j] - m[i]) z[i],        m[i] = max_j s[i, j],
//             z[i]    = 1 / sum_j e^(s[i, j] - m[i])    (softmax.cpp)
//             y[i, c] = sum_j p[i, j] v[j, c]
//             j runs over the keys below the length of the sequence (below
//             1: the first key alone); causal: over those up to i. Everywhere
//             else p is 0
//   adjoint   gv[j, c] = sum_i p[i, j] gy[i, c]
//             gp[i, j] = sum_c gy[i, c] v[j, c]
//             gs[i, j] = p[i, j] (gp[i, j] - d[i]),
//             d[i]     = sum_j p[i, j] gp[i, j]
//                      = sum_c gy[i, c] sum_j p[i, j] v[j, c]
//                      = sum_c gy[i, c] y[i, c]
//             gq[i, c] = a sum_j gs[i, j] k[j, c]
//             gk[j, c] = a sum_i gs[i, j] q[i, c]
//
// A row of p needs that row of q and all of k; with all of v it makes a row of
// y. So a piece of p, some of its rows, is made, used while it is in the cache,
// and overwritten by the next. The backward makes the pieces again, from m and
// z, and knows d before the first of them, from y. (FlashAttention, arXiv
// 2205.14135, does this with pieces of rows and columns, because a GPU's fast
// memory is smaller than one core's cache.) A causal piece has no columns
// beyond its last row: about half of all products are not computed.
//
// The rows of a piece follow from the sizes alone. On the CPU a thread takes a
// few neighbouring heads of a sequence from beginning to end, so that it reads
// longer runs of q, k and v than the channels of one head. On CUDA all heads
// of all sequences are in each product.

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "autograd/op.h"
#include "autograd/ops/detail/attention_rows.h"
#include "autograd/ops/detail/reference.h"
#include "autograd/ops/sequence.h"
#include "core/blas.h"
#include "core/parallel.h"
#include "core/scratch.h"

namespace skiff {
namespace {

using attention_rows::Heads, attention_rows::Pairs, attention_rows::Piece, attention_rows::Seen;

// What a group of pairs is worked on in: their parts of the tensors, (pairs, n, width) each, and a
// piece of p and of gp.
struct Room {
  Room(const Heads& h, int64_t pairs, int64_t piece, bool backward, const Tensor& like) {
    const auto room = [&](Shape shape) { return Tensor(shape, like.dtype(), like.device()); };
    q = room({pairs, h.n, h.width});
    k = empty_like(q);
    v = empty_like(q);
    y = empty_like(q);
    s = room({piece});
    if (!backward) return;
    gq = empty_like(q);
    gk = empty_like(q);
    gv = empty_like(q);
    gp = empty_like(s);
    d = room({pairs, h.n});
  }
  Tensor q, k, v, y, s, gq, gk, gv, gp, d;  // y: gy in the backward
};

template <class T>
void fill_with_zeros(Device device, int64_t count, T* x) {
  parallel_for(device, count, [=] SKIFF_KERNEL(int64_t i) { x[i] = 0; });
}

// One matrix per pair, `stride` elements apart.
template <class T>
struct Matrices {
  const T* first;
  int64_t stride;
  bool transposed = false;
};

struct SoftmaxAttention {
  static constexpr auto name = "attention";
  int64_t heads = 1;
  bool causal = false;
  int64_t at_once = 0;  // attributes; elements of a head's p that exist together, 0: by the device
  Tensor q = {}, k = {}, v = {}, lengths = {}, y = {};  // saved
  Tensor m = {}, z = {};                                // (B heads, n)

  Heads sizes() const { return {q.size(0), q.size(1), heads, q.size(2) / heads}; }
  double factor() const { return 1 / std::sqrt(double(sizes().width)); }
  Seen seen() const { return {causal, lengths ? lengths.data<int32_t>() : nullptr}; }

  Tensor forward(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in,
                 const Tensor& lengths_in) {
    check_inputs(q_in, k_in, v_in, lengths_in);
    q = q_in;
    k = k_in;
    v = v_in;
    lengths = lengths_in;
    y = empty_like(q);
    m = Tensor({sizes().pairs(), sizes().n}, q.dtype(), q.device());
    z = empty_like(m);
    dispatch(q, [&]<class T> { run<T>(); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs needs) const {
    Tensor gq, gk, gv;
    if (needs[0]) gq = empty_like(q);
    if (needs[1]) gk = empty_like(k);
    if (needs[2]) gv = empty_like(v);
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

  // Rows of a piece. CPU: some quarter of a megabyte of p stays in a core's cache; but fewer than
  // 32 rows make slow products, and more than 128 make none faster. CUDA: 2^25 elements, for few
  // launches.
  int64_t rows_of_piece() const {
    const Heads h = sizes();
    if (at_once > 0) return std::clamp<int64_t>(at_once / h.n, 1, h.n);
    if (q.device() == Device::CUDA)
      return std::clamp<int64_t>((int64_t(1) << 25) / (h.pairs() * h.n), 1, h.n);
    return std::min(h.n, std::clamp<int64_t>((int64_t(1) << 16) / h.n, 32, 128));
  }

  // Heads that a thread takes together. It changes no bits, so it may follow the number of threads:
  // four if that leaves two groups for each, else one.
  int64_t heads_of_group() const {
    const int64_t groups = sizes().B * ((heads + 3) / 4);
    return groups >= 2 * omp_get_max_threads() ? std::min<int64_t>(heads, 4) : 1;
  }

  // f(Pairs, Room&) for every group of heads, spread over the threads; on CUDA once, for all.
  template <class F>
  void for_each_group(bool backward, const F& f) const {
    const Heads h = sizes();
    const int64_t piece = rows_of_piece() * h.n;
    if (q.device() == Device::CUDA) {
      Room room(h, h.pairs(), h.pairs() * piece, backward, q);
      return f(Pairs{0, h.pairs()}, room);
    }
    const int64_t most = heads_of_group(), per_sequence = (heads + most - 1) / most;
    const int64_t groups = h.B * per_sequence;
    const auto pairs_of = [&](int64_t group) {
      const int64_t head = group % per_sequence * most;
      return Pairs{group / per_sequence * heads + head, std::min(most, heads - head)};
    };
    if (groups == 1 || q.size() * h.n <= kParallelGrain) {  // outside a region: affine.h says why
      Room room(h, most, piece, backward, q);
      for (int64_t group = 0; group < groups; ++group) f(pairs_of(group), room);
      return;
    }
    PerThread<Room> rooms(true, h, most, piece, backward, q);
#pragma omp parallel for schedule(static)
    for (int64_t group = 0; group < groups; ++group) f(pairs_of(group), rooms.mine());
  }

  // f(Piece) for the pieces of a group: head by head, on CUDA of all heads together.
  template <class F>
  void for_each_piece(Pairs group, const F& f) const {
    const bool together = q.device() == Device::CUDA;
    const int64_t n = q.size(1), rows = rows_of_piece();
    for (int64_t pair = group.first; pair < group.first + (together ? 1 : group.count); ++pair)
      for (int64_t first = 0; first < n; first += rows) {
        const int64_t count = std::min(rows, n - first);
        int64_t keys = causal ? first + count : n;
        if (lengths && !together)  // of one sequence: no key beyond its length
          keys = std::min(keys, std::max<int64_t>(1, seen().lengths[pair / heads]));
        f(Piece{{pair, together ? group.count : 1}, first, count, keys});
      }
  }

  // C = A B or, with `add`, C += A B for every pair of a piece; A is (m, k), B is (k, n).
  template <class T>
  void multiply(const Piece& piece, int64_t m, int64_t n, int64_t k, Matrices<T> A, Matrices<T> B,
                T* C, int64_t stride, bool add = false) const {
    blas::gemm<T>(q.device(),
                  {.transpose_a = A.transposed,
                   .transpose_b = B.transposed,
                   .m = m,
                   .n = n,
                   .k = k,
                   .beta = add ? 1.0 : 0.0,
                   .batch = piece.pairs.count,
                   .stride_a = A.stride,
                   .stride_b = B.stride,
                   .stride_c = stride,
                   .whole_sum = true},
                  A.first, B.first, C);
  }

  template <class T>
  void run() {
    const Device device = q.device();
    const Heads h = sizes();
    const int64_t w = h.width, whole = h.n * w;
    const T *all_q = std::as_const(q).data<T>(), *all_k = std::as_const(k).data<T>(),
            *all_v = std::as_const(v).data<T>();  // read alone: no mark of a change
    T *all_y = y.data<T>(), *all_m = m.data<T>(), *all_z = z.data<T>();
    for_each_group(false, [&](Pairs group, Room& room) {
      T *q = room.q.data<T>(), *k = room.k.data<T>(), *v = room.v.data<T>();
      T *y = room.y.data<T>(), *s = room.s.data<T>();
      attention_rows::take(device, h, group, all_q, factor(), q);
      attention_rows::take(device, h, group, all_k, 1, k);
      attention_rows::take(device, h, group, all_v, 1, v);
      for_each_piece(group, [&](const Piece& p) {
        const int64_t pair = (p.pairs.first - group.first) * whole, rows = pair + p.first * w;
        const int64_t square = p.count * p.keys;
        multiply<T>(p, p.count, p.keys, w, {q + rows, whole}, {k + pair, whole, true}, s, square);
        attention_rows::weights(device, h, p, seen(), s, all_m, all_z);
        multiply<T>(p, p.count, w, p.keys, {s, square}, {v + pair, whole}, y + rows, whole);
      });
      attention_rows::put(device, h, group, y, 1, all_y);
    });
  }

  // Gradients that are empty are left out.
  template <class T>
  void run_backward(const Tensor& gy_tensor, Tensor& gq_tensor, Tensor& gk_tensor,
                    Tensor& gv_tensor) const {
    const Device device = q.device();
    const Heads h = sizes();
    const int64_t w = h.width, whole = h.n * w;
    const auto place_of = [](Tensor& x) { return x ? x.data<T>() : nullptr; };
    T *all_gq = place_of(gq_tensor), *all_gk = place_of(gk_tensor), *all_gv = place_of(gv_tensor);
    const T *all_q = q.data<T>(), *all_k = k.data<T>(), *all_v = v.data<T>();
    const T *all_y = y.data<T>(), *all_m = m.data<T>(), *all_z = z.data<T>();
    const T* all_gy = gy_tensor.data<T>();
    for_each_group(true, [&](Pairs group, Room& room) {
      T *q = room.q.data<T>(), *k = room.k.data<T>(), *v = room.v.data<T>();
      T *gq = room.gq.data<T>(), *gk = room.gk.data<T>(), *gv = room.gv.data<T>();
      T *gy = room.y.data<T>(), *s = room.s.data<T>(), *gp = room.gp.data<T>();
      T* d = room.d.data<T>();
      attention_rows::take(device, h, group, all_q, factor(), q);  // a q: s and gk ask for it
      attention_rows::take(device, h, group, all_k, 1, k);
      attention_rows::take(device, h, group, all_v, 1, v);
      attention_rows::take(device, h, group, all_gy, 1, gy);
      attention_rows::products(device, h, group, all_gy, all_y, d);
      if (all_gk) fill_with_zeros(device, group.count * whole, gk);
      if (all_gv) fill_with_zeros(device, group.count * whole, gv);
      for_each_piece(group, [&](const Piece& p) {
        const int64_t in_group = p.pairs.first - group.first, pair = in_group * whole;
        const int64_t rows = pair + p.first * w, square = p.count * p.keys;
        multiply<T>(p, p.count, p.keys, w, {q + rows, whole}, {k + pair, whole, true}, s, square);
        multiply<T>(p, p.count, p.keys, w, {gy + rows, whole}, {v + pair, whole, true}, gp, square);
        attention_rows::score_gradients(device, h, p, seen(), all_m, all_z, d + in_group * h.n, s,
                                        gp);
        if (all_gv)
          multiply<T>(p, p.keys, w, p.count, {s, square, true}, {gy + rows, whole}, gv + pair,
                      whole, true);
        if (all_gq)
          multiply<T>(p, p.count, w, p.keys, {gp, square}, {k + pair, whole}, gq + rows, whole);
        if (all_gk)
          multiply<T>(p, p.keys, w, p.count, {gp, square, true}, {q + rows, whole}, gk + pair,
                      whole, true);
      });
      if (all_gq) attention_rows::put(device, h, group, gq, factor(), all_gq);
      if (all_gk) attention_rows::put(device, h, group, gk, 1, all_gk);
      if (all_gv) attention_rows::put(device, h, group, gv, 1, all_gv);
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
            if ((causal && j > i) || (lengths && j >= std::max(1, lengths.data<int32_t>()[b])))
              continue;
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
