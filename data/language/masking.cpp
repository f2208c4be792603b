#include "data/language/masking.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/random.h"

namespace skiff {

void mask_tokens(std::span<int32_t> tokens, std::span<int32_t> targets, const MaskOptions& options,
                 uint64_t seed, int64_t epoch, int64_t index) {
  check(tokens.size() == targets.size(), "mask: ", tokens.size(),
        " tokens need as many targets, got ", targets.size());
  check<UsageError>(options.share >= 0 && options.share <= 1 && options.kept >= 0 &&
                        options.random >= 0 && options.kept + options.random <= 1,
                    "mask: shares must be in 0..1, got ", options.share, ", kept ", options.kept,
                    " and random ", options.random);
  const PhiloxBlock stream = philox(hash_name("mask"), uint64_t(epoch), uint64_t(index));
  Random random(seed, stream.word[0] | uint64_t(stream.word[1]) << 32);
  const size_t z = tokens.size();
  const size_t chosen = std::min(z, size_t(options.share * double(z) + random.uniform()));
  std::fill(targets.begin(), targets.end(), -1);
  std::vector<size_t> positions(z);
  for (size_t i = 0; i < z; ++i) positions[i] = i;
  for (size_t i = 0; i < chosen; ++i) {  // the start of a Fisher-Yates shuffle
    std::swap(positions[i], positions[i + size_t(random.below(int64_t(z - i)))]);
    const size_t at = positions[i];
    targets[at] = tokens[at];
    const double u = random.uniform();
    if (u < options.kept) continue;
    tokens[at] =
        u < options.kept + options.random ? int32_t(random.below(options.vocab)) : options.mask;
  }
}

}  // namespace skiff
