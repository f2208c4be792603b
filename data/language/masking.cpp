#include "data/language/masking.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/random.h"

namespace skiff {

namespace {

// One of 0 .. vocab-1 that is not left out, all with the same chance; the mask if none remains.
int32_t random_token(Random& random, const MaskOptions& options) {
  const auto [low, high] = std::minmax(options.left_out[0], options.left_out[1]);
  const auto counts = [&](int32_t id) { return id >= 0 && id < options.vocab; };
  const bool leaves_low = counts(low) && low != high, leaves_high = counts(high);
  const int64_t allowed = options.vocab - leaves_low - leaves_high;
  if (allowed < 1) return options.mask;
  int32_t id = int32_t(random.below(allowed));
  if (leaves_low) id += id >= low;
  if (leaves_high) id += id >= high;
  return id;
}

}  // namespace

void mask_tokens(std::span<int32_t> tokens, std::span<int32_t> targets, const MaskOptions& options,
                 uint64_t seed, int64_t epoch, int64_t index, int64_t least) {
  check(tokens.size() == targets.size(), "mask: ", tokens.size(),
        " tokens need as many targets, got ", targets.size());
  check<UsageError>(options.share >= 0 && options.share <= 1 && options.kept >= 0 &&
                        options.random >= 0 && options.kept + options.random <= 1,
                    "mask: shares must be in 0..1, got ", options.share, ", kept ", options.kept,
                    " and random ", options.random);
  const PhiloxBlock stream = philox(hash_name("mask"), uint64_t(epoch), uint64_t(index));
  Random random(seed, stream.word[0] | uint64_t(stream.word[1]) << 32);
  const size_t z = tokens.size();
  const size_t drawn = size_t(options.share * double(z) + random.uniform());
  const size_t chosen = std::min(z, std::max(drawn, size_t(least)));
  std::fill(targets.begin(), targets.end(), -1);
  std::vector<size_t> positions(z);
  for (size_t i = 0; i < z; ++i) positions[i] = i;
  for (size_t i = 0; i < chosen; ++i) {  // the start of a Fisher-Yates shuffle
    std::swap(positions[i], positions[i + size_t(random.below(int64_t(z - i)))]);
    const size_t at = positions[i];
    targets[at] = tokens[at];
    const double u = random.uniform();
    if (u < options.kept) continue;
    tokens[at] = u < options.kept + options.random ? random_token(random, options) : options.mask;
  }
}

}  // namespace skiff
