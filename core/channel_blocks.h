// Tensors (outer, n, groups * D) as blocks of neighbouring channels, none with channels of two
// groups. Blocks follow from sizes alone, so work that is divided by them gives the same bits for
// any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/tensor.h"

namespace skiff {

// `channels` neighbouring channels of n positions that are `stride` apart; T may be const.
template <class T>
struct Block {
  T* data;  // position 0, first channel
  int64_t n, stride, channels;
};

// A row is a pair (outer index, group); each row has `count` blocks of at most `width` channels.
struct ChannelBlocks {
  int64_t n, inner, D, width, groups, rows, count;

  ChannelBlocks(AxisView v, int64_t D, int64_t width)
      : n(v.n),
        inner(v.inner),
        D(D),
        width(width),
        groups(v.inner / D),
        rows(v.outer * groups),
        count((D + width - 1) / width) {}

  int64_t first(int64_t block) const { return block * width; }  // channel of the group
  int64_t channels(int64_t block) const { return std::min(width, D - first(block)); }
  // In a tensor like the viewed one, and in one with another number of positions.
  template <class T>
  Block<T> block(T* x, int64_t row, int64_t block) const {
    return this->block(x, n, row, block);
  }
  template <class T>
  Block<T> block(T* x, int64_t positions, int64_t row, int64_t block) const {
    T* data = x + row / groups * positions * inner + row % groups * D + first(block);
    return {data, positions, inner, channels(block)};
  }
};

}  // namespace skiff
