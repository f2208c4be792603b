// Masks for masked language models: RoBERTa's rule (fairseq, data/mask_tokens_dataset.py). Of a
// sequence of z tokens floor(share z + u) positions are chosen, u uniform in [0, 1); each chosen
// one independently keeps its token, gets a random one, or gets the mask. The target of a chosen
// position is its token, of the others -1.
#pragma once

#include <cstdint>
#include <span>

namespace skiff {

struct MaskOptions {
  double share = 0.15;
  double kept = 0.1, random = 0.1;  // shares of the chosen positions; the others get the mask
  int64_t vocab = 256;              // random tokens are 0 .. vocab-1,
  int32_t left_out[2] = {-1, -1};   // but not these; -1: none
  int32_t mask = 256;               // the id of the mask
};

// Changes `tokens` and sets `targets`. At least `least` positions are chosen, or all there are. A
// function of (seed, epoch, index) and the options: every epoch has other masks. Validation is
// always masked as in epoch 0.
void mask_tokens(std::span<int32_t> tokens, std::span<int32_t> targets, const MaskOptions& options,
                 uint64_t seed, int64_t epoch, int64_t index, int64_t least = 0);

}  // namespace skiff
