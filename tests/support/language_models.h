// What tests of language models share: tokens, and a small causal model of every mixer.
#pragma once

#include "core/random.h"
#include "layers/language_model.h"
#include "layers/mixers.h"
#include "tests/support/testing.h"

namespace skiff::testing {

inline const InputShape kShape{.vocab = 9, .max_length = 16};

inline Tensor tokens_below(int64_t limit, Shape shape, uint64_t seed) {
  Random random(seed);
  Tensor tokens(shape, DType::Int32);
  for (int64_t i = 0; i < tokens.size(); ++i)
    tokens.data<int32_t>()[i] = int32_t(random.below(limit));
  return tokens;
}

inline Tensor positions_of(const Tensor& x, int64_t first, int64_t last) {  // of (B, n, D), n cut
  return slice(Variable(x), 1, first, last).value();
}
inline Tensor window(const Tensor& tokens, int64_t first, int64_t last) {  // of (B, n)
  Tensor cut({tokens.size(0), last - first}, DType::Int32);
  for (int64_t i = 0; i < cut.size(); ++i)
    cut.data<int32_t>()[i] =
        tokens.data<int32_t>()[i / cut.size(1) * tokens.size(1) + first + i % cut.size(1)];
  return cut;
}

// Options of a small causal model for each mixer, and for fd without a network.
inline std::vector<ModelOptions> causal_mixers() {
  std::vector<ModelOptions> all;
  for (const MixerEntry& entry : mixers()) {
    ModelOptions o = language_model_options(entry.name);
    o.layers = 1;
    o.dim = 12;
    o.expand = 2;
    o.ski.inducing_points = 8;
    o.ski.filter = 8;
    all.push_back(o);
  }
  all.push_back(all[0]);
  all.back().mixer = "fd";
  all.back().fd.points = 6;
  return all;
}
inline std::string name_of(const ModelOptions& o) {
  return o.mixer + (o.fd.points > 0 ? " without a network" : "");
}

}  // namespace skiff::testing
