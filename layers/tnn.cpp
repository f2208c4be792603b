#include "layers/tnn.h"

#include <cmath>

#include "autograd/recompute.h"

namespace skiff {
namespace {

GtuConfig gtu_config(const TnnConfig& c) {
  return {.dim = c.dim,
          .inner = c.inner,
          .mixer = c.mixer,
          .activation = Activation::Silu,
          .start = c.start,
          .height = c.height,
          .width = c.width,
          .dropout = c.dropout};
}

std::variant<Gtu, Attention> make_unit(Scope s, const TnnConfig& c) {
  if (c.attention) return Attention(s / "attention", c.dim, c.inner, *c.attention);
  return Gtu(s / "gtu", gtu_config(c));
}

std::variant<Embedding, Linear> make_encoder(Scope s, const TnnConfig& c) {
  check<UsageError>(c.dim >= 1 && c.inner >= 1 && c.glu_inner >= 1 && c.classes >= 1,
                    "model: every width must be at least 1, got dim ", c.dim, ", Toeplitz unit ",
                    c.inner, ", gated linear unit ", c.glu_inner, ", classes ", c.classes);
  check<UsageError>((c.vocab > 0) != (c.features > 0),
                    "model: give either a vocabulary or a number of features");
  if (c.vocab > 0) return Embedding(s, c.vocab, c.dim);
  return Linear(s, c.features, c.dim);
}

Variable pooled(const Variable& x, const Tensor& lengths, Readout readout) {
  return readout == Readout::Mean ? mean_over_length(x, lengths) : last_position(x);
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

Block::Block(Scope s, const TnnConfig& c)
    : prenorm(c.prenorm),
      gtu_norm(s / "gtu_norm", c.norm, c.dim),
      gtu(make_unit(s, c)),
      gtu_drop(s / "gtu_residual", c.dropout),
      glu_norm(s / "glu_norm", c.norm, c.dim),
      glu(s / "glu", c.dim, c.glu_inner, c.dropout),
      glu_drop(s / "glu_residual", c.dropout) {}

Variable Block::operator()(const Variable& x, const Tensor& lengths) const {
  const auto unit = [&](const Variable& v) {
    return std::visit([&](const auto& layer) { return layer(v, lengths); }, gtu);
  };
  if (prenorm) {
    const Variable mixed = x + gtu_drop(unit(gtu_norm(x)));
    return mixed + glu_drop(glu(glu_norm(mixed)));
  }
  const Variable mixed = gtu_norm(x + gtu_drop(unit(x)));
  return glu_norm(mixed + glu_drop(glu(mixed)));
}

Trunk::Trunk(Scope s, const TnnConfig& c)
    : config(c),
      encoder(make_encoder(s / "encoder", c)),
      encoder_drop(s / "encoder", c.encoder_dropout) {
  for (int64_t i = 0; i < c.layers; ++i) layers.emplace_back(s / "layers" / i, c);
  if (c.prenorm) norm.emplace(s / "norm", c.norm, c.dim);
}

Variable Trunk::features(const Tensor& input) const {
  const Linear& linear = std::get<Linear>(encoder);
  return linear(Variable(input.to(linear.weight.dtype())));
}

Variable Trunk::operator()(const Tensor& input, const Tensor& lengths) const {
  Variable x =
      config.vocab > 0 ? std::get<Embedding>(encoder)(input) : features(input);  // (B, n, dim)
  if (config.sinusoids)
    x = x + Variable(sinusoid_table(x.size(1), config.dim, x.dtype()).to(x.device()));
  x = encoder_drop(x);
  const Tensor mask = config.mask_padding ? lengths : Tensor();
  for (const Block& layer : layers) {
    const auto run = [&layer, mask](const Variable& v) { return layer(v, mask); };
    x = config.recompute ? recompute(run, x) : run(x);
  }
  return norm ? (*norm)(x) : x;
}

TnnClassifier::TnnClassifier(Scope s, const TnnConfig& c)
    : trunk(s, c), decoder(s / "decoder", c.dim, c.classes) {}

Variable TnnClassifier::operator()(const Tensor& input, const Tensor& lengths) const {
  return decoder(pooled(trunk(input, lengths), lengths, trunk.config.readout));
}

TwoTowerClassifier::TwoTowerClassifier(Scope s, const TnnConfig& c)
    : trunk(s, c),
      decoder1(s / "decoder" / "0", 4 * c.dim, c.dim),
      decoder2(s / "decoder" / "2", c.dim, c.classes) {}

Variable TwoTowerClassifier::operator()(const Tensor& input, const Tensor& lengths) const {
  const Variable documents =
      pooled(trunk(input, lengths), lengths, trunk.config.readout);  // (2B, dim)
  const int64_t pairs = documents.size(0) / 2;
  check(2 * pairs == documents.size(0), "retrieval: documents come in pairs, got ", input);
  const Variable a = slice(documents, 0, 0, pairs), b = slice(documents, 0, pairs, 2 * pairs);
  return decoder2(gelu(decoder1(concat({a, b, a - b, a * b}, 1))));
}

}  // namespace skiff
