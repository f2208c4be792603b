// Normalisation: of every row over the last axis (width d), or of every channel over the others.
#pragma once

#include <functional>

#include "autograd/tape.h"

namespace skiff {

// (x - mean) / sqrt(biased variance + eps) * weight + bias; weight, bias (d)
Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias,
                    double eps = 1e-5);
Variable simple_rms_norm(const Variable& x, double eps = 1e-8);  // x / (|x| / sqrt d + eps)
// simple_rms_norm(x) * scale; scale (d)
Variable rms_norm(const Variable& x, const Variable& scale, double eps = 1e-8);

// What a batch norm found in training: mean and biased variance (D) of N positions, float64.
struct BatchStatistics {
  int64_t N = 0;
  Tensor mean, var;
};

// Statistics of each channel over all leading axes; x (.., D), the rest (D).
// Batch: normalises with the batch's mean and biased variance, and moves the running ones, if
// given, in place: running += momentum (batch - running), the variance unbiased. `found`, if given,
// gets the statistics.
// Running: normalises with the running ones, which are constants.
enum class Statistics { Batch, Running };
inline constexpr double kNormMomentum = 0.1, kNormEps = 1e-5;
Variable batch_norm(const Variable& x, const Variable& weight, const Variable& bias,
                    const Tensor& running_mean, const Tensor& running_var, Statistics statistics,
                    double momentum = kNormMomentum, double eps = kNormEps,
                    BatchStatistics* found = nullptr);

// Of one shard of a batch: normalises it with the mean and biased variance of all shards together.
// `sum_over_shards` adds float64 sums of this shard to those that the other shards pass at the same
// place: once forward and once backward. `shift` (D), a constant, is the same for all shards and
// near the mean: with a mean s standard deviations away from it, the variance loses about
// 2 log10 s of its 16 digits. `found` gets the statistics of all shards.
using SumOverShards = std::function<Tensor(const Tensor& sums)>;
Variable synchronized_batch_norm(const Variable& x, const Variable& weight, const Variable& bias,
                                 const Tensor& shift, const SumOverShards& sum_over_shards,
                                 double eps = kNormEps, BatchStatistics* found = nullptr);

}  // namespace skiff
