#include "layers/blocks/attention.h"

#include <algorithm>

namespace skiff {
namespace {

// (B, n, heads d) -> (B, heads, n, d)
Variable split_heads(const Variable& x, int64_t heads) {
  return transpose(reshape(x, {x.size(0), x.size(1), heads, x.size(2) / heads}), 1, 2);
}

// (B, heads, n, 1) with `inside` before the true length of a sequence and `beyond` from there on
Variable column(const Variable& like, const Tensor& lengths, double inside, double beyond) {
  const int64_t B = like.size(0), heads = like.size(1), n = like.size(2);
  Tensor values({B, heads, n, 1}, DType::Float64);
  const Tensor host = lengths.to(Device::CPU);
  for (int64_t b = 0; b < B; ++b)
    for (int64_t h = 0; h < heads; ++h) {
      double* row = values.data<double>() + (b * heads + h) * n;
      const int64_t length = std::min<int64_t>(host.data<int32_t>()[b], n);
      std::fill_n(row, length, inside);
      std::fill_n(row + length, n - length, beyond);
    }
  return values.to(like.dtype()).to(like.device());
}

}  // namespace

Attention::Attention(Scope s, int64_t dim, int64_t inner, const AttentionConfig& c)
    : heads(c.heads),
      q_proj(s / "q_proj", dim, inner),
      k_proj(s / "k_proj", dim, inner),
      v_proj(s / "v_proj", dim, inner),
      o(s / "o", inner, dim) {
  check<UsageError>(c.heads >= 1 && inner % c.heads == 0, "attention: ", c.heads,
                    " heads do not divide ", inner, " channels");
}

Variable Attention::operator()(const Variable& x, const Tensor& lengths) const {
  const int64_t B = x.size(0), n = x.size(1), inner = q_proj.weight.size(0);
  Variable q = split_heads((1 / std::sqrt(double(inner / heads))) * q_proj(x), heads);
  Variable k = split_heads(k_proj(x), heads);
  const Variable v = split_heads(v_proj(x), heads);
  if (lengths) {
    // One more channel, 1 in every query and 0 or -1e9 in the keys, adds the mask to the scores.
    q = concat({q, column(q, lengths, 1, 1)}, -1);
    k = concat({k, column(k, lengths, 0, -1e9)}, -1);
  }
  const Variable weights = softmax(matmul(q, transposed(k)));  // (B, heads, n, n)
  return o(reshape(transpose(matmul(weights, v), 1, 2), {B, n, inner}));
}

}  // namespace skiff
