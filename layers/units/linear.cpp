#include "layers/units/linear.h"

namespace skiff {
namespace {
struct Named {
  const char* name;
  Activation activation;
};
constexpr Named kActivations[] = {{"none", Activation::None},       {"relu", Activation::Relu},
                                  {"silu", Activation::Silu},       {"gelu", Activation::Gelu},
                                  {"sigmoid", Activation::Sigmoid}, {"tanh", Activation::Tanh},
                                  {"exp", Activation::Exp},         {"elu", Activation::Elu}};
}  // namespace

Activation activation_named(const std::string& name) {
  std::string known;
  for (const Named& entry : kActivations) {
    if (name == entry.name) return entry.activation;
    known += std::string(known.empty() ? "" : ", ") + entry.name;
  }
  fail<UsageError>("activation: known are ", known, "; got '", name, "'");
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
