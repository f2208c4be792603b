// Windows of n tokens for training. Batch number p is a function of (split, options, seed, p)
// alone, so a run that stopped and goes on sees the same batches as one that never stopped.
//
// With N the tokens of the split T, B the batch size and o an offset; a target is the token one
// later than its input:
//   blocks   each epoch draws o in 0..n-1, and shuffles the windows T[o + wn .. o + wn + n-1]
//   random   B windows that begin anywhere, drawn anew for each batch
//   streams  B texts of S = floor(N/B) tokens side by side; batch w holds columns wn .. wn + n-1
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/options.h"
#include "core/range.h"
#include "core/tensor.h"
#include "data/language/tokens.h"

namespace skiff {

enum class WindowOrder { Blocks, Random, Streams };

inline std::span<const Word<WindowOrder>> words_of(WindowOrder) {
  static constexpr Word<WindowOrder> kWords[] = {{WindowOrder::Blocks, "blocks"},
                                                 {WindowOrder::Random, "random"},
                                                 {WindowOrder::Streams, "streams"}};
  return kWords;
}

struct WindowOptions {
  int64_t length = 256;
  WindowOrder order = WindowOrder::Blocks;

  static constexpr const char* kTitle = "Windows";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "length", .help = "Tokens of a window", .low = 1, .high = 1e7}, o.length);
    field({.name = "windows",
           .help = "Windows of training: blocks of the text, shuffled every epoch; random begins; "
                   "or streams of the text side by side"},
          o.order);
  }
};

// Tokens and what follows them, both int32 (B, n) on the CPU.
struct TokenBatch {
  Tensor input, target;     // a target of -1 does not count
  int64_t targets() const;  // those that count
};
TokenBatch part_of(const TokenBatch& batch, Range windows);

class WindowBatches {
 public:
  // UsageError when the split is too short for a batch.
  WindowBatches(TokenSpan split, const WindowOptions& options, int64_t batch_size, uint64_t seed);

  TokenBatch next();
  int64_t position() const { return position_; }  // batches handed out so far
  void set_position(int64_t position);
  // Of blocks: as many as fit with every offset. Of random windows, which know no epochs: as many
  // as have the targets of the split.
  int64_t batches_per_epoch() const { return batches_per_epoch_; }
  int64_t epoch() const { return position_ / batches_per_epoch_; }  // of the next batch
  // Where the windows of batch p begin.
  std::vector<int64_t> begins(int64_t p) const;

 private:
  std::vector<int64_t> begins_of_epoch(int64_t epoch) const;

  TokenSpan split_;
  WindowOptions options_;
  int64_t batch_size_, batches_per_epoch_ = 0, position_ = 0;
  uint64_t seed_;
  mutable int64_t ordered_epoch_ = -1;  // the epoch that order_ belongs to
  mutable std::vector<int64_t> order_;
};

}  // namespace skiff
