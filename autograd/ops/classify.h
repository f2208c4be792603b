// From tokens to vectors, and from scores to a loss.
#pragma once

#include "autograd/tape.h"

namespace skiff {

Variable softmax(const Variable& x);  // over the last axis
// mean over the rows of logsumexp(x) - x[label];  x (B, C), labels int32 (B), below C -> ()
// Rows with a label below 0 are ignored; at least one must remain. With smoothing e in [0, 1) the
// target is 1 - e on the label and e/C more on every class.
Variable cross_entropy(const Variable& x, const Tensor& labels, double smoothing = 0);
// cross_entropy(linear(x, W, b), labels) by pieces of rows, so that the logits never exist
// together; x (.., in), W (classes, in), b (classes) or empty, labels int32 (..) -> ()
Variable linear_cross_entropy(const Variable& x, const Variable& W, const Variable& b,
                              const Tensor& labels);
// What it is the mean of, the loss of every row, 0 where the label is ignored: (..), like labels.
// Not recorded.
Tensor linear_cross_entropy_rows(const Tensor& x, const Tensor& W, const Tensor& b,
                                 const Tensor& labels);
// y[.., :] = weight[ids[..], :];  ids int32 (..), weight (V, D) -> (.., D)
Variable embedding(const Tensor& ids, const Variable& weight);

}  // namespace skiff
