#include "layers/units/norm.h"

#include "autograd/recompute.h"

namespace skiff {

std::span<const Word<NormKind>> words_of(NormKind) {
  static constexpr Word<NormKind> kWords[] = {
      {NormKind::None, "none"},   {NormKind::SimpleRms, "simplerms"},
      {NormKind::Rms, "rms"},     {NormKind::GatedRms, "gatedrms"},
      {NormKind::Layer, "layer"}, {NormKind::Batch, "batch"}};
  return kWords;
}

NormKind norm_named(const std::string& name) { return value_for<NormKind>("norm", name); }

Norm::Norm(Scope s, NormKind kind, int64_t dim) : kind(kind), store(&s.store()) {
  switch (kind) {
    case NormKind::None:
    case NormKind::SimpleRms:
      break;
    case NormKind::GatedRms:
      bias = s.parameter("gate", {dim}, constant(1));
      [[fallthrough]];
    case NormKind::Rms:
      weight = s.parameter("scale", {dim}, constant(1));
      break;
    case NormKind::Batch:
      running_mean = s.buffer("running_mean", {dim}, constant(0));
      running_var = s.buffer("running_var", {dim}, constant(1));
      [[fallthrough]];
    case NormKind::Layer:
      weight = s.parameter("weight", {dim}, constant(1));
      bias = s.parameter("bias", {dim}, constant(0));
  }
}

Variable Norm::operator()(const Variable& x) const {
  switch (kind) {
    case NormKind::None:
      return x;
    case NormKind::SimpleRms:
      return simple_rms_norm(x);
    case NormKind::Rms:
      return rms_norm(x, weight);
    case NormKind::GatedRms:
      return rms_norm(x, weight) * sigmoid(x * bias);
    case NormKind::Layer:
      return layer_norm(x, weight, bias);
    case NormKind::Batch:
      // A value that is worked out again has moved the running statistics once already.
      if (store->training() && recomputing()) return batch_norm(x, weight, bias, {}, {}, true);
      return batch_norm(x, weight, bias, running_mean, running_var, store->training());
  }
  return x;
}

}  // namespace skiff
