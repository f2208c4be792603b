#include "layers/units/activation.h"

#include "autograd/ops/elementwise.h"

namespace skiff {

std::span<const Word<Activation>> words_of(Activation) {
  static constexpr Word<Activation> kWords[] = {
      {Activation::None, "none"}, {Activation::Relu, "relu"},       {Activation::Silu, "silu"},
      {Activation::Gelu, "gelu"}, {Activation::Sigmoid, "sigmoid"}, {Activation::Tanh, "tanh"},
      {Activation::Exp, "exp"},   {Activation::Elu, "elu"}};
  return kWords;
}

Variable activate(Activation activation, const Variable& x) {
  switch (activation) {
    case Activation::None:
      return x;
    case Activation::Relu:
      return relu(x);
    case Activation::Silu:
      return silu(x);
    case Activation::Gelu:
      return gelu(x);
    case Activation::Sigmoid:
      return sigmoid(x);
    case Activation::Tanh:
      return tanh(x);
    case Activation::Exp:
      return exp(x);
    case Activation::Elu:
      return elu(x);
  }
  return x;
}

}  // namespace skiff
