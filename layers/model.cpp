#include "layers/model.h"

#include <cmath>

#include "autograd/ops.h"
#include "autograd/recompute.h"
#include "layers/mixers.h"

namespace skiff {
namespace {

std::variant<Embedding, Linear> make_encoder(const Scope& s, const ModelOptions& o,
                                             const InputShape& shape, double deviation) {
  check<UsageError>(o.dim >= 1 && o.inner() >= 1 && o.glu_inner() >= 1 && shape.classes >= 1,
                    "model: every width must be at least 1, got dim ", o.dim,
                    ", unit that mixes positions ", o.inner(), ", gated linear unit ",
                    o.glu_inner(), ", classes ", shape.classes);
  check<UsageError>((shape.vocab > 0) != (shape.features > 0),
                    "model: give either a vocabulary or a number of features");
  check<UsageError>(!o.kernel.causal || o.norm != NormKind::Batch,
                    "model: a causal model cannot have the norm 'batch', whose statistics in "
                    "training hold later positions");
  if (shape.vocab > 0) return Embedding(s, shape.vocab, o.dim, normal(deviation));
  return Linear(s, shape.features, o.dim);
}

Variable pooled(const Variable& x, const Tensor& lengths, Readout readout) {
  switch (readout) {
    case Readout::Mean:
      return mean_over_length(x, lengths);
    case Readout::Max:
      return max_over_length(x, lengths);
    case Readout::Last:
      break;
  }
  return last_position(x);
}

}  // namespace

Tensor sinusoid_table(int64_t n, int64_t d, DType dtype) {
  Tensor table({n, d}, DType::Float64);
  double* out = table.data<double>();
  for (int64_t i = 0; i < d; i += 2) {
    const double frequency = std::pow(10000.0, -double(i) / double(d));
    for (int64_t p = 0; p < n; ++p) {
      out[p * d + i] = std::sin(double(p) * frequency);
      if (i + 1 < d) out[p * d + i + 1] = std::cos(double(p) * frequency);
    }
  }
  return table.to(dtype);
}

Block::Block(const Scope& s, const ModelOptions& o, const InputShape& shape)
    : postnorm(o.postnorm),
      unit_norm(make_norm(s / "gtu_norm", o.norm, o.dim)),
      unit(make_sequence_unit(s, o, shape)),
      unit_drop(s / "gtu_residual", o.dropout),
      glu_norm(make_norm(s / "glu_norm", o.norm, o.dim)),
      glu(s / "glu", o.dim, o.glu_inner(), o.glu_dropout ? o.dropout : 0),
      glu_drop(s / "glu_residual", o.dropout) {}

Variable Block::operator()(const Variable& x, const Tensor& lengths) const {
  if (postnorm) {
    const Variable mixed = (*unit_norm)(x + unit_drop((*unit)(x, lengths)));
    return (*glu_norm)(mixed + glu_drop(glu(mixed)));
  }
  const auto unit_of = [&](const Variable& h) { return (*unit)(h, lengths); };
  const auto glu_of = [&](const Variable& h) { return glu(h); };
  const Variable mixed = x + unit_drop(forgetting(unit_norm->remade(x), unit_of));
  return mixed + glu_drop(forgetting(glu_norm->remade(mixed), glu_of));
}

Trunk::Trunk(const Scope& s, const ModelOptions& o, const InputShape& shape, const TrunkEnds& ends)
    : options(o),
      encoder(make_encoder(s / ends.encoder, o, shape, ends.embedding_deviation)),
      encoder_drop(s / ends.encoder, o.encoder_dropout) {
  for (int64_t i = 0; i < o.layers; ++i) blocks.emplace_back(s / "layers" / i, o, shape);
  if (!o.postnorm) norm = make_norm(s / "norm", ends.final_norm.value_or(o.norm), o.dim);
}

Variable Trunk::encoded(const Tensor& input) const {
  if (const auto* embedding = std::get_if<Embedding>(&encoder)) return (*embedding)(input);
  const Linear& linear = std::get<Linear>(encoder);
  return linear(Variable(input.to(linear.weight.dtype())));
}

// A row does not depend on the length of the table: a shorter one is the beginning of a longer one.
Tensor Trunk::positions(int64_t n, DType dtype, Device device) const {
  if (!positions_ || positions_.size(0) < n || positions_.dtype() != dtype ||
      positions_.device() != device)
    positions_ = sinusoid_table(n, options.dim, dtype).to(device);
  if (positions_.size(0) == n) return positions_;
  return slice(Variable(positions_), 0, 0, n).value();
}

Variable Trunk::features(const Variable& encoded, const Tensor& lengths) const {
  Variable x = encoded;  // (B, n, dim)
  if (options.sinusoids) x = x + Variable(positions(x.size(1), x.dtype(), x.device()));
  x = encoder_drop(x);
  const Tensor mask = options.mask_padding ? lengths : Tensor();
  for (const Block& block : blocks) {
    const auto run = [&block, mask](const Variable& v) { return block(v, mask); };
    x = options.checkpoint_activations ? recompute(run, x) : run(x);
  }
  return norm ? (*norm)(x) : x;
}

Variable Trunk::operator()(const Tensor& input, const Tensor& lengths) const {
  return features(encoded(input), lengths);
}

ClassHead::ClassHead(const Scope& s, const ModelOptions& o, const InputShape& shape)
    : readout(o.readout), decoder(s / "decoder", o.dim, shape.classes) {}

Variable ClassHead::operator()(const Variable& features, const Tensor& lengths) const {
  return decoder(pooled(features, lengths, readout));
}

PairHead::PairHead(const Scope& s, const ModelOptions& o, const InputShape& shape)
    : readout(o.readout),
      decoder1(s / "decoder" / "0", 4 * o.dim, o.dim),
      decoder2(s / "decoder" / "2", o.dim, shape.classes) {}

Variable PairHead::operator()(const Variable& features, const Tensor& lengths) const {
  const Variable documents = pooled(features, lengths, readout);  // (2B, dim)
  const int64_t pairs = documents.size(0) / 2;
  check(2 * pairs == documents.size(0), "model: documents come in pairs, got ", features.value());
  const Variable a = slice(documents, 0, 0, pairs), b = slice(documents, 0, pairs, 2 * pairs);
  return decoder2(gelu(decoder1(concat({a, b, a - b, a * b}, 1))));
}

namespace {
std::unique_ptr<Head> make_head(const Scope& s, const ModelOptions& o, const InputShape& shape) {
  if (shape.pairs) return std::make_unique<PairHead>(s, o, shape);
  return std::make_unique<ClassHead>(s, o, shape);
}
}  // namespace

Model::Model(const Scope& s, const ModelOptions& o, const InputShape& shape)
    : shape(shape), trunk(s, o, shape), head(make_head(s, o, shape)) {}

Variable Model::operator()(const Tensor& input, const Tensor& lengths) const {
  return (*head)(trunk(input, lengths), lengths);
}

PositionModel::PositionModel(const Scope& s, const ModelOptions& o, const InputShape& shape)
    : shape(shape), trunk(s, o, shape), decoder(s / kDecoder, o.dim, shape.classes) {}

Variable PositionModel::features(const Tensor& input, const Tensor& lengths,
                                 const Tensor& places) const {
  const Variable x = trunk(input, lengths);  // (B, n, dim)
  return embedding(places, reshape(x, {x.size(0) * x.size(1), x.size(2)}));
}

}  // namespace skiff
