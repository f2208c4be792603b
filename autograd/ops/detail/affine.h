// The affine map of every row, y = x W^T + b, and its gradients: what linear, gated_linear and
// gated_linear_unit share. The derivation is in linear.cpp.
//
// Rows are taken in pieces that stay in a core's cache: the result of one product is used for the
// next while it is there. Two passes over whole tensors would send it to memory and back.
#pragma once

#include <omp.h>

#include <algorithm>
#include <initializer_list>

#include "core/tensor.h"

namespace skiff::affine {

struct Piece {
  int64_t first, count;  // rows
  int64_t group;
  bool starts_group;
};

// The size of a piece follows from sizes alone, so results do not depend on the number of threads.
// Sums over rows (the gradients of W and b) are taken by groups of pieces, each group on one thread
// and into a place of its own; the places are added in order.
class Pieces {
 public:
  // width: elements of one row in all tensors that a piece touches.
  Pieces(Device device, int64_t rows, int64_t width);

  int64_t groups() const { return (rows_ + per_group_ - 1) / per_group_; }
  int64_t largest() const { return std::min(rows_, per_piece_); }  // rows
  Device device() const { return device_; }

  // f(Piece): groups in parallel, the pieces of a group in order. On CUDA one piece has all rows.
  // With one group, f is called outside a parallel region, so that f's own loops can use all
  // threads. (Nested regions would make libgomp create threads for each of these loops.)
  template <class F>
  void for_each(const F& f) const {
    if (groups() <= 1) return for_group(0, f);
#pragma omp parallel for schedule(static)
    for (int64_t group = 0; group < groups(); ++group) for_group(group, f);
  }

 private:
  template <class F>
  void for_group(int64_t group, const F& f) const {
    const int64_t begin = group * per_group_, end = std::min(rows_, begin + per_group_);
    for (int64_t first = begin; first < end; first += per_piece_)
      f(Piece{first, std::min(per_piece_, end - first), group, first == begin});
  }

  Device device_;
  int64_t rows_, per_piece_, per_group_;
};

// Room for what is made of a piece and not kept: a matrix of the largest piece's rows for each
// thread.
template <class T>
class Scratch {
 public:
  Scratch(const Pieces& pieces, int64_t width)
      : all_({threads(pieces), pieces.largest(), width}, DTypeOf<T>::value, pieces.device()) {}
  // A single group is worked on by the caller, who may be any thread of a region of its own.
  T* mine() {
    const int64_t thread = all_.size(0) == 1 ? 0 : omp_get_thread_num();
    return all_.data<T>() + thread * all_.size(1) * all_.size(2);
  }

 private:
  static int64_t threads(const Pieces& pieces) {
    return pieces.groups() <= 1 ? 1 : omp_get_max_threads();
  }
  Tensor all_;
};

// Error where one of them was forgotten: here, because none may leave the parallel region of a
// for_each. An empty one is passed over.
inline void check_readable(std::initializer_list<const Tensor*> tensors) {
  for (const Tensor* tensor : tensors)
    if (*tensor) tensor->raw();
}

// y = x W^T + b for `count` rows; b may be empty.
template <class T>
void map_rows(Device device, int64_t count, const Tensor& W, const Tensor& b, const T* x, T* y);
// gx = gy W, or gx += gy W.
template <class T>
void input_gradient_rows(Device device, int64_t count, const Tensor& W, const T* gy, T* gx,
                         bool add = false);

// gW = gy^T x and gb = sum of gy over rows, gathered piece by piece: those that are needed.
class RowSums {
 public:
  RowSums(const Tensor& W, Device device, const Pieces& pieces, bool needs_W, bool needs_b);
  template <class T>
  void add(const Piece& piece, const T* gy, const T* x);  // the first rows of the piece
  Tensor weight_gradient() const;                         // (out, in), or empty
  Tensor bias_gradient() const;                           // (out), or empty

 private:
  Device device_;
  DType dtype_;
  int64_t groups_, in_, out_;
  Tensor W_, b_;  // (groups, out, in); float64 (groups, out)
};

}  // namespace skiff::affine
