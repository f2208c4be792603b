// What attention does row by row, around its matrix products. The derivation is in attention.cpp.
#pragma once

#include <cstdint>

#include "core/device.h"

namespace skiff::attention_rows {

// Tensors are (B, n, heads width). A pair is a sequence with a head: number b heads + head.
struct Heads {
  int64_t B, n, heads, width;
  int64_t pairs() const { return B * heads; }
};

// `count` pairs, from number `first` on.
struct Pairs {
  int64_t first, count;
};

// Rows [first, first + count) of p in each of these pairs, over the keys [0, keys).
struct Piece {
  Pairs pairs;
  int64_t first, count, keys;
};

// Which keys a row sees: those below the length of its sequence (`lengths` (B); null: all n) and,
// causal, none after itself. Every row sees the first key.
struct Seen {
  bool causal;
  const int32_t* lengths;
};

// take: y (count, n, width) = factor x of these pairs. put: the pairs' part of x = factor y.
template <class T>
void take(Device device, const Heads& h, Pairs p, const T* x, double factor, T* y);
template <class T>
void put(Device device, const Heads& h, Pairs p, const T* y, double factor, T* x);

// d (count, n): the product of gy and y in each row of these pairs.
template <class T>
void products(Device device, const Heads& h, Pairs p, const T* gy, const T* y, T* d);

// The scores s of a piece become p; m and z (pairs, n) of its rows are found.
template <class T>
void weights(Device device, const Heads& h, const Piece& piece, Seen seen, T* s, T* m, T* z);

// The scores s of a piece become p once more, and gp becomes gs. d begins with the piece's first
// pair, m and z with pair 0.
template <class T>
void score_gradients(Device device, const Heads& h, const Piece& piece, Seen seen, const T* m,
                     const T* z, const T* d, T* s, T* gp);

}  // namespace skiff::attention_rows
