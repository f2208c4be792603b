// Self-pretraining (Amos, Berant and Gupta, "Never Train from Scratch", arXiv 2310.02980): the
// inputs of a task become targets, and no label is read.
//
//   masked   Every position is masked with the same probability, independently of the others. A
//            masked token becomes the mask, whose id follows those of the vocabulary. A masked
//            pixel becomes 0, and a second number per pixel says which ones are masked:
//            (value (1 - m), m). The targets are what was masked.
//   causal   The input stays as it is; the target of a position is what follows it.
//
// Padding is neither masked nor a target.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/options.h"
#include "data/batch.h"

namespace skiff {

enum class Pretrain { None, Masked, Causal };
inline std::span<const Word<Pretrain>> words_of(Pretrain) {
  static constexpr Word<Pretrain> kWords[] = {
      {Pretrain::None, "none"}, {Pretrain::Masked, "masked"}, {Pretrain::Causal, "causal"}};
  return kWords;
}

// What is said about a pixel: its gray level, one of 256 (cross-entropy), or its value as the model
// reads it (mean absolute error).
enum class PixelTarget { Level, Value };

struct PretrainRule {
  Pretrain objective = Pretrain::Masked;
  double share = 0.15;                            // masked: probability of each position
  PixelTarget masked_pixel = PixelTarget::Level;  // causal: always the level
  uint64_t seed = 0;                              // of the masks
};

// Whether each of n positions is masked: a function of all five arguments and of nothing else.
std::vector<bool> masked_positions(int64_t n, double share, uint64_t seed, int64_t epoch,
                                   int64_t index);

struct PretrainBatch {
  Tensor input;    // int32 (R, n); images: float32 (R, n, 2), causal (R, n, 1)
  Tensor lengths;  // int32 (R)
  Tensor places;   // int32 (targets): where the targets belong, in the flat (R n)
  Tensor labels;   // int32 (targets): ids or gray levels; absent if the targets are values
  Tensor values;   // float32 (targets, 1); absent if they are labels
  int64_t positions() const { return input ? input.size(0) * input.size(1) : 0; }
  void add_first_target();  // to none: the first place, with the label or value 0
};

// Every epoch has other masks; those of epoch 0 are for validation. The masks of an example do not
// depend on the batch that it is in, nor those of one document of a pair on the other. Where no
// position of the batch would have a target, the first one is masked; DataError if none can have
// one.
PretrainBatch pretrain_batch(const Batch& batch, const InputFormat& format,
                             const PretrainRule& rule, int64_t epoch);

// A part of a batch, with the targets of the whole that are its own. There may be none: the masks
// of a few short documents can all be empty, and a token alone is followed by nothing. Then
// `places` is empty.
PretrainBatch part_of(const PretrainBatch& batch, Range examples, bool pairs);

// Whether the targets are values, not labels.
bool predicts_values(const InputFormat& format, const PretrainRule& rule);
// How many labels there are: the ids of the tokens, or 256 gray levels. 1: the targets are values.
int64_t target_classes(const InputFormat& format, const PretrainRule& rule);

// What the best constant answer scores, the same one at every position: the frequencies of the
// training examples (cross-entropy), or their median (absolute error).
struct ConstantAnswer {
  double loss = 0;
  double accuracy = 0;  // of the most frequent label; NaN where the targets are values
};
ConstantAnswer constant_answer(const InputFormat& format, const PretrainRule& rule,
                               const std::vector<Example>& train, const std::vector<Example>& val);

}  // namespace skiff
