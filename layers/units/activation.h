// Activations, chosen by a word; their formulas are in autograd/ops/elementwise.h. None: x.
#pragma once

#include <span>

#include "autograd/tape.h"
#include "core/options.h"

namespace skiff {

enum class Activation { None, Relu, Silu, Gelu, Sigmoid, Tanh, Exp, Elu };
std::span<const Word<Activation>> words_of(Activation);
Variable activate(Activation activation, const Variable& x);

}  // namespace skiff
