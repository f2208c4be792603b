// The baseline of a language model: Witten-Bell interpolated n-grams. A model that is worse has
// learnt less than counting. With N how often a context of k tokens occurs in training, T how many
// different tokens follow it, and c how often this one does:
//   p_k(token) = (c + T p_{k-1}(token)) / (N + T),   p_{-1} = 1 / V;   p_k = p_{k-1} where N = 0
// Order K uses contexts of 0 .. K-1 tokens.
//
// All n-grams of 1 .. K tokens are counted in one hash table of 16 bytes per place. N-grams are
// told apart by 64 bits: of 50 million, two share them with a probability of one in 15,000.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/language/tokens.h"

namespace skiff {

struct NgramOptions {
  int64_t order = 5;
  int64_t vocab = 256;
  // Different ones, about. The table then takes 1 GiB, and 1.5 while it grows to that size.
  int64_t most_ngrams = int64_t(48) << 20;
};
inline constexpr int64_t kHighestOrder = 16;

class NgramModel {
 public:
  // Counts. UsageError when there are more n-grams than allowed, or tokens than 2^32.
  NgramModel(const TokenSpan& train, const NgramOptions& options);
  ~NgramModel();
  NgramModel(NgramModel&&) noexcept;

  // The mean of -ln p over all tokens of a text, for orders 1 .. K. Contexts reach back to what is
  // before the text in its array: those of the first tokens of validation are training's last ones.
  std::vector<double> losses(const TokenSpan& text) const;
  int64_t ngrams() const;  // different ones

 private:
  struct Table;
  NgramOptions options_;
  std::unique_ptr<Table> table_;
};

}  // namespace skiff
