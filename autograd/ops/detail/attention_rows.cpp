#include "autograd/ops/detail/attention_rows.h"

#include "core/math.h"
#include "core/parallel.h"

namespace skiff::attention_rows {
namespace {

// Where the row of a pair begins in a tensor.
SKIFF_HOST_DEVICE inline int64_t place(const Heads& h, int64_t pair, int64_t i) {
  return ((pair / h.heads * h.n + i) * h.heads + pair % h.heads) * h.width;
}

// How many keys row i of a pair sees.
SKIFF_HOST_DEVICE inline int64_t keys_of(const Heads& h, Seen seen, int64_t pair, int64_t i) {
  int64_t keys = seen.causal ? i + 1 : h.n;
  const int64_t length = seen.lengths ? seen.lengths[pair / h.heads] : h.n;
  if (length < keys) keys = length;
  return keys < 1 ? 1 : keys;
}

// y = factor x in the rows of these pairs: x whole and y their part or, `back`, x their part.
template <class T>
void copy(Device device, Heads h, Pairs p, const T* x, double factor, T* y, bool back) {
  const T by = T(factor);
  parallel_rows(device, p.count * h.n, h.width, [=] SKIFF_KERNEL(Row row) {
    const int64_t whole = place(h, p.first + row.index / h.n, row.index % h.n);
    const int64_t part = row.index * h.width;
    const int64_t from = back ? part : whole, to = back ? whole : part;
    row.for_each(h.width, [&](int64_t c) { y[to + c] = by * x[from + c]; });
  });
}

}  // namespace

template <class T>
void take(Device device, const Heads& h, Pairs p, const T* x, double factor, T* y) {
  copy(device, h, p, x, factor, y, false);
}
template void take(Device, const Heads&, Pairs, const float*, double, float*);
template void take(Device, const Heads&, Pairs, const double*, double, double*);

template <class T>
void put(Device device, const Heads& h, Pairs p, const T* y, double factor, T* x) {
  copy(device, h, p, y, factor, x, true);
}
template void put(Device, const Heads&, Pairs, const float*, double, float*);
template void put(Device, const Heads&, Pairs, const double*, double, double*);

template <class T>
void products(Device device, const Heads& heads, Pairs p, const T* gy, const T* y, T* d) {
  const Heads h = heads;
  parallel_rows(device, p.count * h.n, h.width, [=] SKIFF_KERNEL(Row row) {
    const int64_t at = place(h, p.first + row.index / h.n, row.index % h.n);
    d[row.index] = row.sum(h.width, [&](int64_t c) { return gy[at + c] * y[at + c]; });
  });
}
template void products(Device, const Heads&, Pairs, const float*, const float*, float*);
template void products(Device, const Heads&, Pairs, const double*, const double*, double*);

template <class T>
void weights(Device device, const Heads& heads, const Piece& of, Seen seen, T* s, T* m, T* z) {
  const Heads h = heads;
  const Piece piece = of;
  const int64_t K = piece.keys;
  parallel_rows(device, piece.pairs.count * piece.count, 8 * K, [=] SKIFF_KERNEL(Row row) {
    const int64_t pair = piece.pairs.first + row.index / piece.count;
    const int64_t i = piece.first + row.index % piece.count, o = row.index * K;
    const int64_t keys = keys_of(h, seen, pair, i);
    const T largest = row.max(keys, [&](int64_t j) { return s[o + j]; });
    const T sum = row.sum(keys, [&](int64_t j) {
      const T e = math::exp(s[o + j] - largest);
      s[o + j] = e;
      return e;
    });
    const T inverse = T(1) / sum;
    row.for_each(keys, [&](int64_t j) { s[o + j] *= inverse; });
    row.for_each(K - keys, [&](int64_t j) { s[o + keys + j] = 0; });
    m[pair * h.n + i] = largest;
    z[pair * h.n + i] = inverse;
  });
}
template void weights(Device, const Heads&, const Piece&, Seen, float*, float*, float*);
template void weights(Device, const Heads&, const Piece&, Seen, double*, double*, double*);

template <class T>
void score_gradients(Device device, const Heads& heads, const Piece& of, Seen seen, const T* m,
                     const T* z, const T* d, T* s, T* gp) {
  const Heads h = heads;
  const Piece piece = of;
  const int64_t K = piece.keys;
  parallel_rows(device, piece.pairs.count * piece.count, 8 * K, [=] SKIFF_KERNEL(Row row) {
    const int64_t in_pairs = row.index / piece.count, pair = piece.pairs.first + in_pairs;
    const int64_t i = piece.first + row.index % piece.count, o = row.index * K;
    const int64_t keys = keys_of(h, seen, pair, i);
    const T largest = m[pair * h.n + i], inverse = z[pair * h.n + i], dot = d[in_pairs * h.n + i];
    row.for_each(keys, [&](int64_t j) {
      const T p = math::exp(s[o + j] - largest) * inverse;
      s[o + j] = p;
      gp[o + j] = p * (gp[o + j] - dot);
    });
    row.for_each(K - keys, [&](int64_t j) { s[o + keys + j] = gp[o + keys + j] = 0; });
  });
}
template void score_gradients(Device, const Heads&, const Piece&, Seen, const float*, const float*,
                              const float*, float*, float*);
template void score_gradients(Device, const Heads&, const Piece&, Seen, const double*,
                              const double*, const double*, double*, double*);

}  // namespace skiff::attention_rows
