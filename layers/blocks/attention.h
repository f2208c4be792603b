// Softmax attention, the baseline that Long Range Arena tables compare with (Vaswani et al. 2017).
// It takes the place of the gated Toeplitz unit in the same trunk.
#pragma once

#include "core/options.h"
#include "layers/blocks/sequence_unit.h"
#include "layers/units/linear.h"

namespace skiff {

// Rotary: queries and keys are turned by angles that grow with the position (the op rotary).
enum class AttentionPositions { None, Rotary };
inline std::span<const Word<AttentionPositions>> words_of(AttentionPositions) {
  static constexpr Word<AttentionPositions> kWords[] = {{AttentionPositions::None, "none"},
                                                        {AttentionPositions::Rotary, "rotary"}};
  return kWords;
}

struct AttentionOptions {
  int64_t heads = 0;  // 0: of 32 channels, or a few more where the width asks for it
  AttentionPositions positions = AttentionPositions::None;

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "heads",
           .help = "attention: heads; 0: of 32 channels each",
           .low = 0,
           .high = 1024},
          o.heads);
    field({.name = "attention-positions",
           .help = "attention: positions in queries and keys, beside --sinusoids"},
          o.positions);
  }
};

// The number itself, or the most heads of at least 32 channels each that share the width evenly.
int64_t heads_of(const AttentionOptions& options, int64_t inner);

// y = o( softmax(q k^T / sqrt d) v ), d = inner / heads; causal: each position over itself and
// earlier ones. Time O(n^2), memory O(n). Attention by itself knows no order. The trunk's sinusoids
// give it positions, or the rotation of q and k gives it distances; a causal model, too, needs one
// of them, because the number of earlier positions alone is a poor hint.
struct Attention : SequenceUnit {
  int64_t heads;
  AttentionPositions positions;
  Linear q_proj, k_proj, v_proj, o;
  bool causal;
  Attention(const Scope& s, int64_t dim, int64_t inner, const AttentionOptions& options = {},
            bool causal = false);
  Variable operator()(const Variable& x, const Tensor& lengths = {}) const override;
};

}  // namespace skiff
