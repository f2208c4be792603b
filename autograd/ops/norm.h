// Normalisation: of every row over the last axis (width d), or of every channel over the others.
#pragma once

#include "autograd/tape.h"

namespace skiff {

Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias,
                    double eps = 1e-5);                          // biased variance
Variable simple_rms_norm(const Variable& x, double eps = 1e-8);  // x / (|x| / sqrt d + eps)
Variable rms_norm(const Variable& x, const Variable& scale, double eps = 1e-8);

// Statistics of each channel over all leading axes; x (.., D), the rest (D).
// Batch: normalises with the batch's mean and biased variance, and moves the running ones, if
// given, in place: running += momentum (batch - running), the variance unbiased.
// Running: normalises with the running ones, which are constants.
enum class Statistics { Batch, Running };
Variable batch_norm(const Variable& x, const Variable& weight, const Variable& bias,
                    const Tensor& running_mean, const Tensor& running_var, Statistics statistics,
                    double momentum = 0.1, double eps = 1e-5);

}  // namespace skiff
