#include "examples/language/evaluation.h"

#include <algorithm>
#include <string>

#include "autograd/ops.h"
#include "examples/train/divided.h"
#include "layers/generation/stream.h"

namespace skiff {

namespace {

constexpr int64_t kShortestPiece = 4096;  // of a stream, with the tails

using Losses = std::function<Tensor(const TokenBatch& batch, int64_t first)>;

// All windows, in batches of equal length. losses: of the batch whose first window has this number;
// it may change the batch's targets.
std::optional<LanguageEvaluation> evaluate_windows(const EvaluationWindows& windows,
                                                   const LanguageScore& empty, int64_t batch_tokens,
                                                   const Losses& losses,
                                                   const EvaluationProgress& progress) {
  struct Part {
    int64_t first, rows;
  };
  std::vector<Part> parts;
  const int64_t count = int64_t(windows.all().size());
  for (int64_t first = 0; first < count; first += parts.back().rows) {
    const int64_t length = windows.all()[size_t(first)].length;
    parts.push_back(
        {first, windows.equally_long(
                    first, std::max<int64_t>(1, batch_tokens / std::max<int64_t>(1, length)))});
  }
  LanguageEvaluation all{.score = empty};
  // Of a batch: the length of its windows, the losses, and of each whether it counts.
  const auto compute = [&](int64_t i) {
    const auto [first, rows] = parts[size_t(i)];
    const TokenBatch batch = windows.batch(first, rows);
    const std::vector<double> values = to_vector(losses(batch, first));
    std::vector<double> numbers = {double(batch.target.size(1))};
    numbers.insert(numbers.end(), values.begin(), values.end());
    for (size_t k = 0; k < values.size(); ++k)
      numbers.push_back(batch.target.data<int32_t>()[k] >= 0);
    return numbers;
  };
  const auto add = [&](const std::vector<double>& numbers) {
    const auto values = std::span(numbers).subspan(1);
    const size_t half = values.size() / 2;
    all.add(values.first(half), values.subspan(half), size_t(numbers[0]));
  };
  if (!divided(int64_t(parts.size()), compute, add, [&] { return progress(all.score.targets); }))
    return std::nullopt;
  return all;
}

std::optional<LanguageEvaluation> evaluate_stream(LanguageModel* model,
                                                  const EvaluationWindows& whole,
                                                  const LanguageScore& empty, int64_t lags,
                                                  Device device,
                                                  const EvaluationProgress& progress) {
  const Tape::Pause pause;
  Stream stream(model, lags);
  // With its tail a piece has a length that is fast to transform, and at most a quarter is tail.
  int64_t size = kShortestPiece;
  while (size < 4 * lags) size *= 2;
  const int64_t piece = size - (lags - 1), inputs = whole.targets();
  LanguageEvaluation all{.score = empty};
  for (int64_t begin = 0; begin < inputs; begin += piece) {
    if (!progress(all.score.targets)) return std::nullopt;
    const int64_t n = std::min(piece, inputs - begin);
    std::vector<int32_t> tokens, next;
    for (int64_t i = begin; i < begin + n; ++i) {
      tokens.push_back(whole.token(i));
      next.push_back(whole.token(i + 1));
    }
    const Tensor target = tensor_of(next, {1, n});
    const Variable x = stream.features(tensor_of(tokens, {1, n}).to(device));
    const std::vector<double> values =
        to_vector(linear_cross_entropy_rows(x.value(), model->head.value(), {}, target.to(device)));
    all.add(values, std::vector<double>(size_t(n), 1), size_t(n));
  }
  all.nats.clear();  // a stream has no windows
  all.targets.clear();
  return all;
}

}  // namespace

void LanguageEvaluation::add(std::span<const double> values, std::span<const double> counts,
                             size_t n) {
  if (nats.size() < n) nats.resize(n), targets.resize(n);
  for (size_t i = 0; i < values.size(); ++i) {
    if (counts[i] == 0) continue;
    score.nats += values[i];
    ++score.targets;
    nats[i % n] += values[i];
    ++targets[i % n];
  }
}

std::vector<double> LanguageEvaluation::by_position() const {
  std::vector<double> means;
  for (size_t begin = 0, end = 1; begin < nats.size(); begin = end, end *= 2) {
    double sum = 0;
    int64_t count = 0;
    for (size_t i = begin; i < std::min(end, nats.size()); ++i) sum += nats[i], count += targets[i];
    if (count == 0) break;
    means.push_back(sum / double(count));
  }
  return means;
}

std::string position_name(size_t i) {
  if (i < 2) return std::to_string(i);
  const int64_t begin = int64_t(1) << (i - 1);
  return std::to_string(begin) + "-" + std::to_string(2 * begin - 1);
}

ScoredText scored(const TextSplit& split, const Vocabulary& vocabulary, int64_t limit) {
  TextSplit cut = split;
  if (limit > 0 && limit < split.size()) {
    cut.count = limit;
    cut.text_bytes = 0;
    const bool spelt = split.text_bytes > 0 && vocabulary.kind() != Vocabulary::Kind::Words;
    for (int64_t i = 0; spelt && i < limit; ++i)
      cut.text_bytes += int64_t(vocabulary.token(cut[i]).size());
  }
  ScoredText text{cut, vocabulary.eos(), scored_text(cut, vocabulary)};
  text.empty.targets = 0;  // counted while they are scored
  return text;
}

std::optional<LanguageEvaluation> evaluate(LanguageModel* model, const ScoredText& text,
                                           int64_t length, const EvaluationOptions& options,
                                           int64_t batch_tokens, Device device,
                                           const EvaluationProgress& progress) {
  const EvaluationWindows windows(text.split, text.start, length, options);
  if (options.rule == EvaluationRule::Stream)
    return evaluate_stream(model, windows, text.empty, length, device, progress);
  const auto losses = [&](const TokenBatch& batch, int64_t) {
    return model->losses(batch.input.to(device), batch.target.to(device));
  };
  return evaluate_windows(windows, text.empty, batch_tokens, losses, progress);
}

std::optional<LanguageEvaluation> evaluate_masked(LanguageModel* model, const ScoredText& text,
                                                  int64_t length, const MaskOptions& mask,
                                                  uint64_t seed, int64_t batch_tokens,
                                                  Device device,
                                                  const EvaluationProgress& progress) {
  const EvaluationWindows windows(text.split, text.start, length);
  const auto losses = [&](const TokenBatch& batch, int64_t first) {
    const size_t n = size_t(batch.input.size(1));
    Tensor input = batch.input, target = batch.target;  // the tensors of the batch themselves
    // The first window has a target however short it is, so that there is a loss.
    for (int64_t row = 0; row < input.size(0); ++row)
      mask_tokens({input.data<int32_t>() + size_t(row) * n, n},
                  {target.data<int32_t>() + size_t(row) * n, n}, mask, seed, 0, first + row,
                  first + row == 0);
    if (batch.targets() == 0) return zeros(target.shape(), DType::Float32);
    return model->losses(input.to(device), target.to(device));
  };
  LanguageScore empty;  // of chosen tokens alone, bytes and words say nothing
  return evaluate_windows(windows, empty, batch_tokens, losses, progress);
}

}  // namespace skiff
