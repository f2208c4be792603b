// The softmax baseline, and masks of padding.
#include <complex>

#include "layers/blocks/attention.h"
#include "layers/language_model.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {
// The first n positions of x (B, N, D).
Tensor head_of(const Tensor& x, int64_t n) { return slice(Variable(x), 1, 0, n).value(); }
}  // namespace

namespace {

// Turns pairs of channels as RoFormer does, with the pairs (i, i + d/2): x (B, n, heads, d).
void turn(std::vector<double>& x, int64_t n, int64_t heads, int64_t d) {
  const int64_t m = d / 2;
  for (size_t row = 0; row < x.size() / size_t(d); ++row)
    for (int64_t i = 0; i < m; ++i) {
      const double p = double(int64_t(row) / heads % n);
      double &a = x[row * size_t(d) + size_t(i)], &b = x[row * size_t(d) + size_t(i + m)];
      const std::complex<double> turned =
          std::complex<double>(a, b) *
          std::polar(1.0, p * std::pow(10000.0, -2.0 * double(i) / double(d)));
      a = turned.real();
      b = turned.imag();
    }
}

void check_definition(AttentionPositions positions) {
  const int64_t B = 2, n = 5, heads = 2, d = 4, dim = 6;
  Parameters store(1, DType::Float64);
  const Attention attention(store.root(), dim, heads * d, {.heads = heads, .positions = positions});
  const Tensor x = random64({B, n, dim}, 1);
  std::vector<double> q = to_vector(attention.q_proj(x).value()),
                      k = to_vector(attention.k_proj(x).value()),
                      v = to_vector(attention.v_proj(x).value());
  if (positions == AttentionPositions::Rotary) {
    turn(q, n, heads, d);
    turn(k, n, heads, d);
  }
  Tensor mixed({B, n, heads * d}, DType::Float64);
  const auto at = [&](int64_t b, int64_t i, int64_t h, int64_t c) {
    return size_t(((b * n + i) * heads + h) * d + c);
  };
  for (int64_t b = 0; b < B; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < n; ++i) {
        std::vector<double> weights;
        double total = 0;
        for (int64_t j = 0; j < n; ++j) {
          double score = 0;
          for (int64_t c = 0; c < d; ++c) score += q[at(b, i, h, c)] * k[at(b, j, h, c)];
          weights.push_back(std::exp(score / std::sqrt(double(d))));
          total += weights.back();
        }
        for (int64_t c = 0; c < d; ++c) {
          double sum = 0;
          for (int64_t j = 0; j < n; ++j) sum += weights[size_t(j)] / total * v[at(b, j, h, c)];
          mixed.data<double>()[at(b, i, h, c)] = sum;
        }
      }
  CHECK(distance(attention(x).value(), attention.o(mixed).value()) < 1e-12);
}

}  // namespace

TEST_CASE("attention: equals the sum of its definition, without positions and with rotary ones") {
  check_definition(AttentionPositions::None);
  check_definition(AttentionPositions::Rotary);
  Parameters store(1);
  CHECK(contains(message_of([&] { Attention(store.root() / "x", 6, 6, {.heads = 4}); }),
                 "4 heads do not divide 6 channels"));
}

TEST_CASE("attention: language models have rotary positions in place of sinusoids, others not") {
  const ModelOptions language = language_model_options("attention");
  CHECK_FALSE(language.sinusoids);
  CHECK(language.attention.positions == AttentionPositions::Rotary);
  CHECK(ModelOptions{}.sinusoids);
  CHECK(ModelOptions{}.attention.positions == AttentionPositions::None);
  // Nothing is learnt for the positions: both have the same parameters.
  Parameters with(1), without(1);
  const Attention rotary(with.root(), 6, 6, {.positions = AttentionPositions::Rotary});
  const Attention none(without.root(), 6, 6);
  CHECK(with.trained_count() == without.trained_count());
}

TEST_CASE("attention: with lengths, a padded sequence gives what the short one gives") {
  Parameters store(1, DType::Float64);
  const Attention attention(store.root(), 6, 6, {.heads = 3});
  const Tensor x = random64({2, 7, 6}, 1), lengths = tensor_of(std::vector<int32_t>{4, 4}, {2});
  const Tensor padded = head_of(attention(x, lengths).value(), 4);
  CHECK(distance(padded, attention(head_of(x, 4)).value()) < 1e-12);
}

TEST_CASE("models: with mask_padding the amount of padding does not change a logit") {
  for (const char* mixer : {"tno", "attention"}) {
    CAPTURE(std::string(mixer));
    ModelOptions options{.mixer = mixer,
                         .dim = 8,
                         .glu_expand = 1,
                         .kernel = {.gamma = 0.9, .rpe = {.width = 8, .layers = 1}},
                         .tno = {.network = TnoNetwork::Tnn},
                         .attention = {.heads = 2}};
    const auto logits = [&](bool masked, int64_t n) {
      options.mask_padding = masked;
      Parameters store(3, DType::Float64);
      const Model model(store.root(), options, {.vocab = 7, .classes = 3});
      Tensor tokens = zeros({1, n}, DType::Int32);
      for (int64_t i = 0; i < 5; ++i) tokens.data<int32_t>()[i] = int32_t(1 + i);
      return model(tokens, tensor_of(std::vector<int32_t>{5}, {1})).value();
    };
    CHECK(distance(logits(true, 5), logits(true, 12)) < 1e-12);
    CHECK(distance(logits(true, 5), logits(false, 5)) < 1e-12);
    CHECK(distance(logits(false, 5), logits(false, 12)) > 1e-6);  // as published
  }
}

TEST_CASE(
    "attention: heads of 32 channels each, or a few more where they do not divide the width") {
  CHECK(heads_of({}, 128) == 4);
  CHECK(heads_of({}, 20) == 1);
  CHECK(heads_of({}, 100) == 2);
  CHECK(heads_of({.heads = 5}, 100) == 5);
}
