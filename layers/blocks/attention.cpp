#include "layers/blocks/attention.h"

#include <algorithm>

#include "autograd/ops.h"
#include "layers/mixers.h"

namespace skiff {
namespace {

// (B, n, heads d) -> (B, heads, n, d)
Variable split_heads(const Variable& x, int64_t heads) {
  return transpose(reshape(x, {x.size(0), x.size(1), heads, x.size(2) / heads}), 1, 2);
}

// (B, heads, n, 1): 0 before the true length of a sequence, -1e9 from there on.
Variable hidden(int64_t heads, int64_t n, const Tensor& lengths, const Variable& like) {
  const int64_t B = lengths.size(0);
  const Variable ones = full({B, n, heads}, 1, like.dtype(), like.device());
  const Variable beyond = ones - mask_positions(ones, lengths);
  return reshape(transpose(-1e9 * beyond, 1, 2), {B, heads, n, 1});
}

}  // namespace

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
  const int64_t B = x.size(0), n = x.size(1), inner = q_proj.weight.size(0);
  Variable q = (1 / std::sqrt(double(inner / heads))) * q_proj(x), k = k_proj(x);
  if (positions == AttentionPositions::Rotary) {
    q = rotary(q, inner / heads);
    k = rotary(k, inner / heads);
  }
  q = split_heads(q, heads);
  k = split_heads(k, heads);
  const Variable v = split_heads(v_proj(x), heads);
  if (lengths) {
    // One more channel, 1 in every query and 0 or -1e9 in the keys, adds the mask to the scores.
    q = concat({q, full({B, heads, n, 1}, 1, q.dtype(), q.device())}, -1);
    k = concat({k, hidden(heads, n, lengths, k)}, -1);
  }
  const Variable scores = matmul(q, transposed(k));  // (B, heads, n, n)
  const Variable weights = causal ? causal_softmax(scores) : softmax(scores);
  return o(reshape(transpose(matmul(weights, v), 1, 2), {B, n, inner}));
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
