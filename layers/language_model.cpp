#include "layers/language_model.h"

#include <cmath>

#include "autograd/ops.h"
#include "core/memory.h"
#include "core/random.h"
#include "layers/mixers.h"

namespace skiff {
namespace {

constexpr double kSmallDeviation = 0.02;

// The trunk wants to know what its features are for: here classes are tokens.
InputShape with_classes(InputShape shape) {
  shape.classes = shape.vocab;
  return shape;
}

Trunk make_trunk(const Scope& s, const ModelOptions& o, const LanguageOptions& l,
                 const InputShape& shape) {
  check<UsageError>(shape.vocab >= 1, "language model: a vocabulary is needed, got ", shape.vocab,
                    " tokens");
  for (const NormKind norm : {o.norm, l.embedding_norm, l.final_norm})
    check<UsageError>(!o.kernel.causal || norm != NormKind::Batch,
                      "language model: a causal model cannot have the norm 'batch', whose "
                      "statistics in training hold later positions");
  return Trunk(s, o, with_classes(shape),
               {.encoder = "embedding",
                .embedding_deviation = 1 / std::sqrt(double(o.dim)),
                .final_norm = l.final_norm});
}

// Every matrix of a linear map and the embedding from N(0, 0.02^2), biases from 0. Norms and what
// is part of a kernel keep their first values. (The published masked models start the networks of
// kernels small as well. A causal fd that did so learnt a delay by five more slowly.)
void start_small(const Scope& s) {
  const Parameters& store = s.store();
  const std::string prefix = s.prefix().empty() ? "" : s.prefix() + ".";
  for (const Parameter& p : store.all()) {
    if (!p.trained || is_of_kernel(p) || !p.name.starts_with(prefix)) continue;
    const bool matrix = p.name.ends_with(".weight") && p.variable.rank() == 2;
    if (!matrix && !p.name.ends_with(".bias")) continue;
    const Initializer initial = matrix ? normal(kSmallDeviation) : constant(0);
    Tensor own = p.variable.value();
    const Tensor first = initial(own.shape(), own.dtype(), store.seed(), hash_name(p.name));
    memory::copy(own.device(), own.raw(), Device::CPU, first.raw(), size_t(own.bytes()));
  }
}

// The positions with a target that is not below 0.
struct Chosen {
  Tensor places, targets;  // int32 (chosen): numbers in the flat (B n), and what is wanted there
};
Chosen chosen_of(const Tensor& targets) {
  const Tensor on_cpu = targets.to(Device::CPU);
  const int32_t* target = on_cpu.data<int32_t>();
  std::vector<int32_t> places, wanted;
  for (int64_t i = 0; i < targets.size(); ++i) {
    if (target[i] < 0) continue;
    places.push_back(int32_t(i));
    wanted.push_back(target[i]);
  }
  check(!places.empty(), "language model: at least one position must have a target, got none in ",
        targets);
  const Shape shape{int64_t(places.size())};
  return {tensor_of(places, shape).to(targets.device()),
          tensor_of(wanted, shape).to(targets.device())};
}

}  // namespace

ModelOptions language_model_options(const std::string& mixer) {
  return {.mixer = mixer,
          .expand = 3,
          .glu_expand = 1,
          .norm = NormKind::SimpleRms,
          .sinusoids = false,
          .kernel = {.causal = true, .rpe = {.width = 32, .layers = 1}},
          .tno = {.network = TnoNetwork::Tnn},
          .ski = {.filter = 16, .scaled = true},
          .attention = {.positions = AttentionPositions::Rotary}};
}

MaskedHead::MaskedHead(const Scope& s, int64_t dim, int64_t vocab)
    : dense(s / "dense", dim, dim),
      norm(s / "layer_norm", dim),
      bias(s.parameter("bias", {vocab}, constant(0))) {}

Variable MaskedHead::operator()(const Variable& features) const {
  return norm(gelu(dense(features)));
}

LanguageModel::LanguageModel(const Scope& s, const ModelOptions& o, const LanguageOptions& l,
                             const InputShape& shape)
    : shape(shape),
      language(l),
      trunk(make_trunk(s, o, l, shape)),
      embedding_norm(make_norm(s / "embedding_norm", l.embedding_norm, o.dim)) {
  if (!o.kernel.causal) masked.emplace(s / "head", o.dim, shape.vocab);
  head = l.tied ? std::get<Embedding>(trunk.encoder).weight
                : s.parameter("head.weight", {shape.vocab, o.dim},
                              uniform(1 / std::sqrt(double(o.dim))));
  if (o.start == Start::Small) start_small(s);
}

Variable LanguageModel::features(const Tensor& tokens, const Tensor& lengths) const {
  Variable x = trunk.encoded(tokens);
  if (language.scale_embedding) x = std::sqrt(double(options().dim)) * x;
  x = (*embedding_norm)(x);
  if (lengths) x = mask_positions(x, lengths);
  return trunk.features(x, lengths);
}

Variable LanguageModel::logits(const Variable& features) const {
  if (masked) return linear((*masked)(features), head, masked->bias);
  return linear(features, head);
}

Variable LanguageModel::loss(const Tensor& tokens, const Tensor& targets,
                             const Tensor& lengths) const {
  const Variable x = features(tokens, lengths);
  if (!masked) return linear_cross_entropy(x, head, {}, targets);
  const Chosen chosen = chosen_of(targets);
  const Variable rows = reshape(x, {targets.size(), x.size(-1)});
  return linear_cross_entropy((*masked)(embedding(chosen.places, rows)), head, masked->bias,
                              chosen.targets);
}

Tensor LanguageModel::losses(const Tensor& tokens, const Tensor& targets,
                             const Tensor& lengths) const {
  const Tape::Pause pause;
  const Variable x = features(tokens, lengths);
  if (!masked) return linear_cross_entropy_rows(x.value(), head.value(), {}, targets);
  return linear_cross_entropy_rows((*masked)(x).value(), head.value(), masked->bias.value(),
                                   targets);
}

}  // namespace skiff
