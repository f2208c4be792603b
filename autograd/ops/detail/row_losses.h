// The cross-entropy of every row of logits, x (rows, C): what cross_entropy and
// linear_cross_entropy share. The derivation is in cross_entropy.cpp.
#pragma once

#include "core/tensor.h"

namespace skiff::row_losses {

// On the CPU it throws for a label of C or more.
void check_range(const char* op, const Tensor& labels, int64_t C);
// The number of labels that are not ignored, float64 (1, 1). On the CPU it throws as check_range()
// does, and when no label is left.
Tensor counted(const char* op, const Tensor& labels, int64_t C);

// loss = (m - x[label]) + l + a (x[label] - mean_c x[c]) with m = max_c x[c], l = log sum_c
// e^(x[c] - m) and a the smoothing; loss, m and l are 0 in a row whose label is ignored.
template <class T>
void forward(Device device, int64_t rows, int64_t C, const T* x, const int32_t* labels, T* m, T* l,
             T* loss, double smoothing = 0);

// gx[c] = gy / count (softmax(x)[c] - (1-a) [c = label] - a/C), 0 in an ignored row. gy: one
// number, or null for 1. gx may be x.
template <class T>
void backward(Device device, int64_t rows, int64_t C, const T* gy, const Tensor& count, const T* x,
              const int32_t* labels, const T* m, const T* l, T* gx, double smoothing = 0);

// The sum of the losses over count -> ().
Tensor mean(const Tensor& loss, const Tensor& count);

}  // namespace skiff::row_losses
