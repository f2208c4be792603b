#include "data/pretraining.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "core/random.h"

namespace skiff {

namespace {

constexpr int64_t kGrayLevels = 256;

// The gray level or id of a position of a batch.
int32_t label_at(const Batch& batch, const InputFormat& format, int64_t place) {
  return format.images() ? gray_level(batch.input.data<float>()[place], format)
                         : batch.input.data<int32_t>()[place];
}

// The places of the targets, in order.
std::vector<int32_t> masked_places(const Batch& batch, const PretrainRule& rule, int64_t epoch) {
  const int64_t n = batch.input.size(1), rows = batch.input.size(0), size = batch.size();
  std::vector<int32_t> places;
  for (int64_t row = 0; row < rows; ++row) {
    // Row b is the first document of example b, row size + b the second one.
    const int64_t index = 2 * batch.examples[size_t(row % size)] + row / size;
    const int64_t length = batch.lengths.data<int32_t>()[row];
    const std::vector<bool> masked = masked_positions(length, rule.share, rule.seed, epoch, index);
    for (int64_t i = 0; i < length; ++i)
      if (masked[size_t(i)]) places.push_back(int32_t(row * n + i));
  }
  if (places.empty()) places.push_back(0);
  return places;
}

// All positions that another one follows.
std::vector<int32_t> followed_places(const Batch& batch) {
  const int64_t n = batch.input.size(1);
  std::vector<int32_t> places;
  for (int64_t row = 0; row < batch.input.size(0); ++row)
    for (int64_t i = 0; i + 1 < batch.lengths.data<int32_t>()[row]; ++i)
      places.push_back(int32_t(row * n + i));
  check<DataError>(!places.empty(),
                   "pretraining: a batch must hold an example of at least 2 positions, got none");
  return places;
}

Tensor masked_tokens(const Tensor& tokens, const std::vector<int32_t>& places, int64_t vocab) {
  Tensor masked = tokens.clone();
  for (const int32_t place : places) masked.data<int32_t>()[place] = int32_t(vocab);
  return masked;
}

Tensor masked_pixels(const Tensor& pixels, const std::vector<int32_t>& places) {
  const int64_t positions = pixels.size();
  Tensor pairs = zeros({pixels.size(0), pixels.size(1), 2}, DType::Float32);
  float* pair = pairs.data<float>();
  for (int64_t i = 0; i < positions; ++i) pair[2 * i] = pixels.data<float>()[i];
  for (const int32_t place : places) pair[2 * place] = 0, pair[2 * place + 1] = 1;
  return pairs;
}

// How often each label occurs.
std::vector<int64_t> label_counts(const std::vector<Example>& examples, int64_t classes) {
  std::vector<int64_t> counts(size_t(classes), 0);
  for (const Example& example : examples)
    for (const Elements* elements : {&example.tokens, &example.second})
      for (size_t i = 0; i < elements->size(); ++i) ++counts[(*elements)[i]];
  return counts;
}

}  // namespace

std::vector<bool> masked_positions(int64_t n, double share, uint64_t seed, int64_t epoch,
                                   int64_t index) {
  check<UsageError>(share > 0 && share < 1, "--mask-share: must be between 0 and 1, got ", share);
  const PhiloxBlock stream = philox(hash_name("pretraining"), uint64_t(epoch), uint64_t(index));
  Random random(seed, stream.word[0] | uint64_t(stream.word[1]) << 32);
  std::vector<bool> masked(size_t(n), false);
  for (size_t i = 0; i < masked.size(); ++i) masked[i] = random.uniform() < share;
  return masked;
}

PretrainBatch pretrain_batch(const Batch& batch, const InputFormat& format,
                             const PretrainRule& rule, int64_t epoch) {
  const bool causal = rule.objective == Pretrain::Causal;
  const std::vector<int32_t> places =
      causal ? followed_places(batch) : masked_places(batch, rule, epoch);
  PretrainBatch made;
  made.input = batch.input;
  made.lengths = batch.lengths;
  const Shape targets{int64_t(places.size())};
  made.places = tensor_of(places, targets);
  if (predicts_values(format, rule)) {
    std::vector<double> values;
    for (const int32_t place : places) values.push_back(batch.input.data<float>()[place]);
    made.values = tensor_of(values, {targets[0], 1}, DType::Float32);
  } else {
    std::vector<int32_t> labels;
    for (const int32_t place : places) labels.push_back(label_at(batch, format, place + causal));
    made.labels = tensor_of(labels, targets);
  }
  if (!causal)
    made.input = format.images() ? masked_pixels(batch.input, places)
                                 : masked_tokens(batch.input, places, format.vocab);
  return made;
}

void PretrainBatch::add_first_target() {
  places = zeros({1}, DType::Int32);
  if (values) values = zeros({1, 1}, DType::Float32);
  if (labels) labels = zeros({1}, DType::Int32);
}

PretrainBatch part_of(const PretrainBatch& batch, Range examples, bool pairs) {
  const int64_t rows = batch.input.size(0), n = batch.input.size(1), half = rows / (1 + pairs);
  if (examples.size() == half) return batch;
  PretrainBatch part;
  part.input = rows_of(batch.input, examples, pairs);
  part.lengths = rows_of(batch.lengths, examples, pairs);
  std::vector<int32_t> places, labels;
  std::vector<double> values;
  for (int64_t t = 0; t < batch.places.size(); ++t) {
    const int64_t place = batch.places.data<int32_t>()[t], row = place / n;
    const int64_t b = row % half - examples.first;  // of the part
    if (b < 0 || b >= examples.size()) continue;
    places.push_back(int32_t((row / half * examples.size() + b) * n + place % n));
    if (batch.values)
      values.push_back(batch.values.data<float>()[t]);
    else
      labels.push_back(batch.labels.data<int32_t>()[t]);
  }
  const int64_t targets = int64_t(places.size());
  part.places = tensor_of(places, {targets});
  if (batch.values) part.values = tensor_of(values, {targets, 1}, DType::Float32);
  if (batch.labels) part.labels = tensor_of(labels, {targets});
  return part;
}

bool predicts_values(const InputFormat& format, const PretrainRule& rule) {
  return format.images() && rule.objective == Pretrain::Masked &&
         rule.masked_pixel == PixelTarget::Value;
}

int64_t target_classes(const InputFormat& format, const PretrainRule& rule) {
  if (predicts_values(format, rule)) return 1;
  return format.images() ? kGrayLevels : format.vocab;
}

ConstantAnswer constant_answer(const InputFormat& format, const PretrainRule& rule,
                               const std::vector<Example>& train, const std::vector<Example>& val) {
  const bool values = predicts_values(format, rule);
  const int64_t classes = values ? kGrayLevels : target_classes(format, rule);
  const std::vector<int64_t> seen = label_counts(train, classes), now = label_counts(val, classes);
  const auto sum = [](const std::vector<int64_t>& counts) {
    return double(std::accumulate(counts.begin(), counts.end(), int64_t(0)));
  };
  const double all_seen = sum(seen), all = sum(now);
  size_t median = 0;
  for (double below = 0; (below += double(seen[median])) < all_seen / 2;) ++median;
  double loss = 0;
  for (size_t label = 0; label < now.size(); ++label) {
    const double distance =
        std::abs(double(label) - double(median)) / (255 * format.pixel_deviation);
    // Once more than seen: none is impossible.
    const double surprise = -std::log((double(seen[label]) + 1) / (all_seen + double(classes)));
    loss += double(now[label]) / all * (values ? distance : surprise);
  }
  const size_t frequent = size_t(std::max_element(seen.begin(), seen.end()) - seen.begin());
  return {loss, values ? NAN : double(now[frequent]) / all};
}

}  // namespace skiff
