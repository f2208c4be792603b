#include "layers/units/norm.h"

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/elementwise.h"
#include "layers/shard_pass.h"

namespace skiff {

std::span<const Word<NormKind>> words_of(NormKind) {
  static constexpr Word<NormKind> kWords[] = {
      {NormKind::None, "none"},   {NormKind::SimpleRms, "simplerms"},
      {NormKind::Rms, "rms"},     {NormKind::GatedRms, "gatedrms"},
      {NormKind::Layer, "layer"}, {NormKind::Batch, "batch"}};
  return kWords;
}

std::unique_ptr<Norm> make_norm(const Scope& s, NormKind kind, int64_t dim) {
  switch (kind) {
    case NormKind::None:
      return std::make_unique<NoNorm>();
    case NormKind::SimpleRms:
      return std::make_unique<SimpleRmsNorm>();
    case NormKind::Rms:
      return std::make_unique<RmsNorm>(s, dim);
    case NormKind::GatedRms:
      return std::make_unique<GatedRmsNorm>(s, dim);
    case NormKind::Layer:
      return std::make_unique<LayerNorm>(s, dim);
    case NormKind::Batch:
      return std::make_unique<BatchNorm>(s, dim);
  }
  fail("make_norm: unknown kind ", int(kind));
}

Remade Norm::remade(const Variable& x) const {
  return {(*this)(x), [this, x = x.value()] { return (*this)(Variable(x)).value(); }};
}

Variable SimpleRmsNorm::operator()(const Variable& x) const { return simple_rms_norm(x); }

RmsNorm::RmsNorm(const Scope& s, int64_t dim) : scale(s.parameter("scale", {dim}, constant(1))) {}

Variable RmsNorm::operator()(const Variable& x) const { return rms_norm(x, scale); }

GatedRmsNorm::GatedRmsNorm(const Scope& s, int64_t dim)
    : gate(s.parameter("gate", {dim}, constant(1))),
      scale(s.parameter("scale", {dim}, constant(1))) {}

Variable GatedRmsNorm::operator()(const Variable& x) const {
  return rms_norm(x, scale) * sigmoid(x * gate);
}

LayerNorm::LayerNorm(const Scope& s, int64_t dim)
    : weight(s.parameter("weight", {dim}, constant(1))),
      bias(s.parameter("bias", {dim}, constant(0))) {}

Variable LayerNorm::operator()(const Variable& x) const { return layer_norm(x, weight, bias); }

BatchNorm::BatchNorm(const Scope& s, int64_t dim)
    : store(&s.store()),
      running_mean(s.buffer("running_mean", {dim}, constant(0))),
      running_var(s.buffer("running_var", {dim}, constant(1))),
      weight(s.parameter("weight", {dim}, constant(1))),
      bias(s.parameter("bias", {dim}, constant(0))) {}

Variable BatchNorm::operator()(const Variable& x) const {
  BatchStatistics found;
  return normalised(x, found);
}

Remade BatchNorm::remade(const Variable& x) const {
  BatchStatistics found;
  const Variable y = normalised(x, found);
  if (!found.mean) found = {0, running_mean, running_var};
  return {y, [this, x = x.value(), found] {
            return batch_norm(Variable(x), weight, bias, found.mean, found.var, Statistics::Running)
                .value();
          }};
}

// Fills `found` in training.
Variable BatchNorm::normalised(const Variable& x, BatchStatistics& found) const {
  if (!store->training())
    return batch_norm(x, weight, bias, running_mean, running_var, Statistics::Running);
  ShardPass* const shard = store->shard();
  // When a block is computed again, its first run has already left the statistics.
  const bool moves_running = !shard && !recomputing();
  const Variable y = shard && shard->sum_over_shards
                         ? synchronized_batch_norm(x, weight, bias, running_mean,
                                                   shard->sum_over_shards, kNormEps, &found)
                         : batch_norm(x, weight, bias, moves_running ? running_mean : Tensor(),
                                      moves_running ? running_var : Tensor(), Statistics::Batch,
                                      kNormMomentum, kNormEps, &found);
  if (shard && !recomputing()) {
    shard->running.insert(shard->running.end(), {running_mean, running_var});
    shard->found.push_back(double(found.N));
    for (const Tensor& values : {found.mean, found.var})
      for (const double value : to_vector(values)) shard->found.push_back(value);
  }
  return y;
}

}  // namespace skiff
