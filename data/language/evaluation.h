// Windows for evaluation by three named rules. Each scores every target of the split exactly once;
// losses by different rules cannot be compared. With T the split, N its tokens, n the length and s
// the stride:
//   blocks   windows T[wn .. wn + n-1], the last one shorter; a target knows 0 to n-1 tokens before
//            its input
//   sliding  windows T[ks .. ks + n-1]; the first scores all, the others what is new, so a target
//            knows at least n - s
//   stream   the whole split as one window: a target knows all tokens before it
// The targets are T[1] .. T[N-1]. A start token in front of the text (<eos> for words) makes
// T[0] a target as well.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <vector>

#include "core/options.h"
#include "data/language/corpus.h"
#include "data/language/windows.h"

namespace skiff {

enum class EvaluationRule { Blocks, Sliding, Stream };

inline std::span<const Word<EvaluationRule>> words_of(EvaluationRule) {
  static constexpr Word<EvaluationRule> kWords[] = {{EvaluationRule::Blocks, "blocks"},
                                                    {EvaluationRule::Sliding, "sliding"},
                                                    {EvaluationRule::Stream, "stream"}};
  return kWords;
}

struct EvaluationOptions {
  EvaluationRule rule = EvaluationRule::Blocks;
  int64_t stride = 0;

  static constexpr const char* kTitle = "Evaluation";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "eval-rule", .help = "Windows of evaluation: blocks, sliding or the stream"},
          o.rule);
    field({.name = "eval-stride",
           .help = "sliding: tokens from one window to the next; 0: a quarter of a window",
           .low = 0,
           .high = 1e7},
          o.stride);
  }
};

// Inputs begin .. begin + length - 1; the targets of those from `scored` on count.
struct EvaluationWindow {
  int64_t begin, length, scored;
  bool operator==(const EvaluationWindow&) const = default;
};

// For N tokens, start token included. UsageError for a stride that is not in 1..n, DataError for
// less than 2 tokens.
std::vector<EvaluationWindow> evaluation_windows(int64_t tokens, int64_t length,
                                                 const EvaluationOptions& options);

class EvaluationWindows {
 public:
  // start: the token in front of the split, or -1 (Corpus::start()).
  EvaluationWindows(TokenSpan split, int32_t start, int64_t length,
                    const EvaluationOptions& options = {});

  const std::vector<EvaluationWindow>& all() const { return windows_; }
  int64_t targets() const;  // that count
  int32_t token(int64_t i) const {
    return start_ < 0 ? split_[i] : i == 0 ? start_ : split_[i - 1];
  }
  // Windows first .. first + count - 1 as a batch. They must be equally long.
  TokenBatch batch(int64_t first, int64_t count) const;
  // How many windows from `first` on are as long as this one, at most `most`.
  int64_t equally_long(int64_t first, int64_t most) const;

 private:
  void copy(int64_t begin, std::span<int32_t> into) const;

  TokenSpan split_;
  int32_t start_;
  std::vector<EvaluationWindow> windows_;
};

// What an evaluation measured, and the same in other units.
struct LanguageScore {
  double nats = 0;  // sum of -ln p(target)
  int64_t targets = 0;
  int64_t text_bytes = 0;  // of the scored text; 0: not known
  int64_t words = 0;       // of the scored text with one more per line; 0: not known

  double loss() const { return nats / double(targets); }  // nats per token
  double bits() const { return loss() / std::numbers::ln2; }
  double perplexity() const { return std::exp(loss()); }
  double bits_per_byte() const { return nats / (std::numbers::ln2 * double(text_bytes)); }
  double word_perplexity() const { return std::exp(nats / double(words)); }
};

// A score without nats: targets, bytes and words of a split. Of bytes and characters the first
// token is not scored.
LanguageScore scored_text(const TextSplit& split, const Vocabulary& vocabulary);

}  // namespace skiff
