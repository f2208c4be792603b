// Softmax attention, the baseline that Long Range Arena tables compare with (Vaswani et al. 2017).
// It takes the place of the gated Toeplitz unit in the same trunk.
#pragma once

#include "layers/units/linear.h"

namespace skiff {

struct AttentionOptions {
  int64_t heads = 0;  // 0: of 32 channels, or a few more where the width asks for it

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "heads",
           .help = "attention: heads; 0: of 32 channels each",
           .low = 0,
           .high = 1024},
          o.heads);
  }
};

struct AttentionConfig {
  int64_t heads = 4;
};

// y = o( softmax(q k^T / sqrt d) v ), d = inner / heads;  (B, n, dim) -> (B, n, dim).
// Time and memory O(n^2). With lengths, keys beyond the true length are left out.
struct Attention {
  int64_t heads;
  Linear q_proj, k_proj, v_proj, o;
  Attention(Scope s, int64_t dim, int64_t inner, const AttentionConfig& c);
  Variable operator()(const Variable& x, const Tensor& lengths = {}) const;
};

}  // namespace skiff
