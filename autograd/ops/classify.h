// From tokens to vectors, and from scores to a loss.
#pragma once

#include "autograd/tape.h"

namespace skiff {

Variable softmax(const Variable& x);  // over the last axis
// mean over the rows of logsumexp(x) - x[label];  x (B, C), labels int32 (B), 0 <= label < C -> ()
Variable cross_entropy(const Variable& x, const Tensor& labels);
// y[.., :] = weight[ids[..], :];  ids int32 (..), weight (V, D) -> (.., D)
Variable embedding(const Tensor& ids, const Variable& weight);

}  // namespace skiff
