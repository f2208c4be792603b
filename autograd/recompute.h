// Recomputation: memory for time.
#pragma once

#include <functional>

#include "autograd/tape.h"

namespace skiff {

// y = f(x), keeping x alone of all that f computes: the backward runs f once more, on a tape of
// its own, and walks that back. f must compute the same again: the values it uses besides x are
// leaves and constants, not results of this tape, and they outlive the tape. Effects of the second
// run are up to f, which can ask recomputing(). (Chen et al. 2016, "Training Deep Nets with
// Sublinear Memory Cost".)
//
//   a chain of L parts, each keeping m bytes of its own and an input of x bytes:  L m  ->  L x + m
//   and one forward more
Variable recompute(const std::function<Variable(const Variable& x)>& f, const Variable& x);

bool recomputing();  // inside the second run, on this thread

// A value and how to make it again: the same bits, in memory of its own, and no other effect. What
// make_again uses, a layer for example, lives until the backward. Without make_again the value is
// not forgotten.
struct Remade {
  Variable value;
  std::function<Tensor()> make_again = {};
};

// y = g(h.value), where the memory of h.value is given back when g has run: the backward makes it
// again before it walks through g. Who reads it in between gets an error. For values that are large
// and cheap, such as a norm or an activation in front of a linear map.
Variable forgetting(const Remade& h, const std::function<Variable(const Variable&)>& g);

}  // namespace skiff
