#include "layers/blocks/attention.h"

#include <algorithm>

#include "autograd/ops.h"
#include "layers/mixers.h"

namespace skiff {

int64_t heads_of(const AttentionOptions& options, int64_t inner) {
  if (options.heads > 0) return options.heads;
  int64_t heads = std::max<int64_t>(1, inner / 32);
  while (inner % heads != 0) --heads;
  return heads;
}

Attention::Attention(const Scope& s, int64_t dim, int64_t inner, const AttentionOptions& options,
                     bool causal)
    : heads(heads_of(options, inner)),
      positions(options.positions),
      q_proj(s / "q_proj", dim, inner),
      k_proj(s / "k_proj", dim, inner),
      v_proj(s / "v_proj", dim, inner),
      o(s / "o", inner, dim),
      causal(causal) {
  check<UsageError>(inner % heads == 0, "attention: ", heads, " heads do not divide ", inner,
                    " channels");
}

Variable Attention::operator()(const Variable& x, const Tensor& lengths) const {
  const int64_t width = q_proj.weight.size(0) / heads;
  Variable q = q_proj(x), k = k_proj(x);
  if (positions == AttentionPositions::Rotary) {
    q = rotary(q, width);
    k = rotary(k, width);
  }
  return o(attention(q, k, v_proj(x), heads, causal ? Direction::Causal : Direction::Bidirectional,
                     lengths));
}

MixerEntry attention_mixer() {
  return {
      .name = "attention",
      .hint = "softmax attention, the baseline",
      .make_unit = [](const Scope& block, const ModelOptions& o) -> std::unique_ptr<SequenceUnit> {
        return std::make_unique<Attention>(block / "attention", o.dim, o.inner(), o.attention,
                                           o.kernel.causal);
      },
      .options = [](const ModelOptions& o) { return field_names(o.attention); }};
}

}  // namespace skiff
