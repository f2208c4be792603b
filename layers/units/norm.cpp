#include "layers/units/norm.h"

#include "autograd/recompute.h"

namespace skiff {
namespace {
struct Named {
  const char* name;
  NormKind kind;
};
constexpr Named kNorms[] = {{"none", NormKind::None},   {"simplerms", NormKind::SimpleRms},
                            {"rms", NormKind::Rms},     {"gatedrms", NormKind::GatedRms},
                            {"layer", NormKind::Layer}, {"batch", NormKind::Batch}};
}  // namespace

NormKind norm_named(const std::string& name) {
  std::string known;
  for (const Named& entry : kNorms) {
    if (name == entry.name) return entry.kind;
    known += std::string(known.empty() ? "" : ", ") + entry.name;
  }
  fail<UsageError>("norm: known are ", known, "; got '", name, "'");
}

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
      if (store->training() && recomputing())
        return batch_norm(x, weight, bias, {}, {}, Statistics::Batch);
      return batch_norm(x, weight, bias, running_mean, running_var,
                        store->training() ? Statistics::Batch : Statistics::Running);
  }
  return x;
}

}  // namespace skiff
