#include "data/language/evaluation.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace skiff {

std::vector<EvaluationWindow> evaluation_windows(int64_t tokens, int64_t length,
                                                 const EvaluationOptions& options) {
  check<DataError>(tokens >= 2, "evaluation: a target needs a token before it, but the text has ",
                   tokens, " token(s)");
  check<UsageError>(length >= 1, "evaluation: the length must be at least 1, got ", length);
  const int64_t inputs = tokens - 1;
  if (options.rule == EvaluationRule::Stream) return {{0, inputs, 0}};
  int64_t stride = length;
  if (options.rule == EvaluationRule::Sliding) {
    stride = options.stride > 0 ? options.stride : std::max<int64_t>(1, length / 4);
    check<UsageError>(stride <= length, "--eval-stride: must be at most the length ", length,
                      ", got ", stride);
  }
  std::vector<EvaluationWindow> windows;
  for (int64_t begin = 0, done = 0; done < inputs; begin += stride) {
    const int64_t end = std::min(begin + length, inputs);
    windows.push_back({begin, end - begin, done - begin});
    done = end;
  }
  return windows;
}

EvaluationWindows::EvaluationWindows(TokenSpan split, int32_t start, int64_t length,
                                     const EvaluationOptions& options)
    : split_(std::move(split)),
      start_(start),
      windows_(evaluation_windows(split_.size() + (start >= 0), length, options)) {}

int64_t EvaluationWindows::targets() const { return split_.size() - (start_ < 0); }

void EvaluationWindows::copy(int64_t begin, std::span<int32_t> into) const {
  if (start_ >= 0 && begin == 0) {
    into[0] = start_;
    into = into.subspan(1);
    begin = 1;
  }
  split_.copy(begin - (start_ >= 0), into);
}

TokenBatch EvaluationWindows::batch(int64_t first, int64_t count) const {
  check(first >= 0 && count >= 1 && first + count <= int64_t(windows_.size()),
        "evaluation: windows ", first, " .. ", first + count - 1, " must be in 0..",
        windows_.size() - 1);
  const int64_t n = windows_[size_t(first)].length;
  TokenBatch batch{Tensor({count, n}, DType::Int32), Tensor({count, n}, DType::Int32)};
  int32_t* input = batch.input.data<int32_t>();
  int32_t* target = batch.target.data<int32_t>();
  for (int64_t i = first; i < first + count; ++i, input += n, target += n) {
    const EvaluationWindow& window = windows_[size_t(i)];
    check(window.length == n, "evaluation: windows of a batch must be equally long");
    copy(window.begin, {input, size_t(n)});
    copy(window.begin + 1, {target, size_t(n)});
    std::fill(target, target + window.scored, -1);
  }
  return batch;
}

int64_t EvaluationWindows::equally_long(int64_t first, int64_t most) const {
  int64_t count = 1;
  while (count < most && first + count < int64_t(windows_.size()) &&
         windows_[size_t(first + count)].length == windows_[size_t(first)].length) {
    ++count;
  }
  return count;
}

LanguageScore scored_text(const TextSplit& split, const Vocabulary& vocabulary) {
  LanguageScore score;
  const bool all = vocabulary.eos() >= 0;
  score.targets = split.size() - (all ? 0 : 1);
  if (vocabulary.kind() == Vocabulary::Kind::Ids || split.text_bytes == 0) return score;
  score.text_bytes = split.text_bytes - (all ? 0 : int64_t(vocabulary.token(split[0]).size()));
  if (vocabulary.kind() == Vocabulary::Kind::Words) {
    score.words = split.size();
    return score;
  }
  std::vector<char> sign;  // of each id: 'w' begins or goes on with a word, ' ' blank, '\n'
  for (int64_t id = 0; id < vocabulary.size(); ++id) {
    const std::string text = vocabulary.token(int32_t(id));
    sign.push_back(text == "\n" ? '\n' : is_blank(text[0]) ? ' ' : 'w');
  }
  char previous = ' ';
  for (int64_t i = 0; i < split.size(); ++i) {
    const char next = sign[size_t(split[i])];
    score.words += next == '\n' || (next == 'w' && previous != 'w');
    previous = next;
  }
  return score;
}

}  // namespace skiff
