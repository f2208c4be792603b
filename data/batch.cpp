#include "data/batch.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/memory.h"
#include "core/random.h"

namespace skiff {

namespace {

// Of pairs, the longer document.
int64_t length_of(const Example& example) {
  return int64_t(std::max(example.tokens.size(), example.second.size()));
}

// "has the id 300, but ids are 0..255", or "".
std::string out_of_range(const char* what, int64_t value, int64_t size) {
  if (size == 0 || (value >= 0 && value < size)) return "";
  const std::string name(what);
  return "has the " + name + " " + std::to_string(value) + ", but " + name + "s are 0.." +
         std::to_string(size - 1);
}

void check_examples(const InputFormat& format, const std::vector<Example>* examples,
                    int64_t batch_size) {
  check(examples != nullptr && !examples->empty(), "batches: there are no examples");
  check<UsageError>(batch_size >= 1, "batches: the batch size must be at least 1, got ",
                    batch_size);
  check<UsageError>(format.pad_to >= 0, "batches: pad_to must be at least 0, got ", format.pad_to);
  for (size_t i = 0; i < examples->size(); ++i) {
    const std::string problem = problem_of((*examples)[i], format);
    check<DataError>(problem.empty(), "batches: example ", i, " ", problem);
  }
}

// Fisher-Yates over groups of `group` neighbours.
void shuffle(std::vector<int64_t>& order, Random& random, int64_t group = 1) {
  for (int64_t i = int64_t(order.size()) / group - 1; i > 0; --i) {
    const int64_t j = random.below(i + 1);
    if (j == i) continue;
    std::swap_ranges(order.begin() + i * group, order.begin() + (i + 1) * group,
                     order.begin() + j * group);
  }
}

void fill_row(const Elements& tokens, int32_t* row, int64_t n, int32_t* length) {
  for (size_t i = 0; i < tokens.size(); ++i) row[i] = tokens[i];
  std::fill(row + tokens.size(), row + n, kPadId);
  *length = int32_t(tokens.size());
}

void fill_row(const Elements& pixels, const InputFormat& format, float* row) {
  const double scale = 1 / (255 * format.pixel_deviation);
  const double shift = format.pixel_mean / format.pixel_deviation;
  for (size_t i = 0; i < pixels.size(); ++i) row[i] = float(pixels[i] * scale - shift);
}

}  // namespace

int32_t gray_level(float value, const InputFormat& format) {
  return int32_t(std::lround(255 * (double(value) * format.pixel_deviation + format.pixel_mean)));
}

std::string problem_of(const Example& example, const InputFormat& format) {
  const auto& [tokens, second, label, cut, group] = example;
  if (tokens.empty()) return "has no tokens";
  if (format.pairs && second.empty()) return "has no second document";
  if (!format.pairs && !second.empty()) return "is a pair of documents";
  if (format.images() && int64_t(tokens.size()) != format.height * format.width) {
    return "has " + std::to_string(tokens.size()) + " pixels, but an image has " +
           std::to_string(format.height) + " x " + std::to_string(format.width);
  }
  const int64_t length = length_of(example);
  if (format.pad_to > 0 && length > format.pad_to) {
    return "has the length " + std::to_string(length) + ", but all are padded to " +
           std::to_string(format.pad_to);
  }
  if (format.max_length > 0 && length > format.max_length) {
    return "has the length " + std::to_string(length) + ", but the max length is " +
           std::to_string(format.max_length);
  }
  const uint16_t largest = std::max(tokens.largest(), second.largest());
  const std::string id = format.images() ? out_of_range("pixel", largest, 256)
                                         : out_of_range("id", largest, format.vocab);
  return id.empty() ? out_of_range("label", label, format.classes) : id;
}

Batch make_batch(const InputFormat& format, const std::vector<Example>& examples,
                 std::span<const int64_t> indices) {
  check(!indices.empty(), "batch: at least one example is needed");
  int64_t n = format.pad_to;
  for (const int64_t index : indices) {
    check(index >= 0 && index < int64_t(examples.size()), "batch: an index must be in 0..",
          int64_t(examples.size()) - 1, ", got ", index);
    const std::string problem = problem_of(examples[size_t(index)], format);
    check<DataError>(problem.empty(), "batch: example ", index, " ", problem);
    n = std::max(n, length_of(examples[size_t(index)]));
  }
  const int64_t size = int64_t(indices.size()), rows = format.pairs ? 2 * size : size;
  Batch batch{
      format.images() ? Tensor({size, n, 1}, DType::Float32) : Tensor({rows, n}, DType::Int32),
      Tensor({rows}, DType::Int32),
      Tensor({size}, DType::Int32),
      {indices.begin(), indices.end()}};
  int32_t* lengths = batch.lengths.data<int32_t>();
  for (int64_t b = 0; b < size; ++b) {
    const Example& example = examples[size_t(indices[size_t(b)])];
    batch.labels.data<int32_t>()[b] = example.label;
    if (format.images()) {
      fill_row(example.tokens, format, batch.input.data<float>() + b * n);
      lengths[b] = int32_t(n);
      continue;
    }
    int32_t* tokens = batch.input.data<int32_t>();
    fill_row(example.tokens, tokens + b * n, n, lengths + b);
    if (format.pairs) {
      fill_row(example.second, tokens + (size + b) * n, n, lengths + size + b);
    }
  }
  return batch;
}

Tensor rows_of(const Tensor& all, Range examples, bool pairs) {
  const int64_t halves = pairs ? 2 : 1, half = all.size(0) / halves, count = examples.size();
  check(examples.first >= 0 && count > 0 && examples.end <= half, "rows_of: examples of 0..",
        half - 1, " are needed, got ", examples.first, "..", examples.end - 1);
  if (count == half) return all;
  Tensor rows(all.shape().with(0, halves * count), all.dtype(), all.device());
  const size_t row = size_t(all.bytes() / all.size(0));
  for (int64_t h = 0; h < halves; ++h)
    memory::copy(rows.device(), static_cast<std::byte*>(rows.raw()) + size_t(h * count) * row,
                 all.device(),
                 static_cast<const std::byte*>(all.raw()) + size_t(h * half + examples.first) * row,
                 size_t(count) * row);
  return rows;
}

Batch part_of(const Batch& batch, Range examples) {
  const bool pairs = batch.input.size(0) == 2 * batch.size();
  return {rows_of(batch.input, examples, pairs),
          rows_of(batch.lengths, examples, pairs),
          rows_of(batch.labels, examples, false),
          {batch.examples.begin() + examples.first, batch.examples.begin() + examples.end}};
}

double padding_share(const Batch& batch) {
  if (!batch.input) return 0;
  const int32_t* lengths = batch.lengths.data<int32_t>();
  const int64_t used = std::accumulate(lengths, lengths + batch.lengths.size(), int64_t(0));
  return 1 - double(used) / double(batch.input.size());
}

Batches::Batches(const InputFormat& format, const std::vector<Example>* examples,
                 int64_t batch_size, uint64_t seed, BatchOptions options)
    : format_(format),
      examples_(examples),
      batch_size_(batch_size),
      seed_(seed),
      options_(options) {
  check_examples(format, examples, batch_size);
  check<UsageError>(options.window >= 1, "batches: the window must be at least 1 batch, got ",
                    options.window);
  check<UsageError>(options.tokens >= 0, "batches: the tokens of a batch must be at least 0, got ",
                    options.tokens);
  if (options.tokens > 0) {
    cut_by_tokens();
    return;
  }
  batches_per_epoch_ = int64_t(examples->size()) / batch_size;
  check<UsageError>(batches_per_epoch_ > 0, "batches: the batch size must be at most the ",
                    examples->size(), " training examples, got ", batch_size);
}

void Batches::set_position(int64_t position) {
  check(position >= 0, "batches: the position must be at least 0, got ", position);
  position_ = position;
}

void Batches::sort_into_buckets(std::vector<int64_t>& order) const {
  const int64_t window = std::min(options_.window, batches_per_epoch_) * batch_size_;
  for (int64_t begin = 0; begin < int64_t(order.size()); begin += window) {
    const int64_t end = std::min(begin + window, int64_t(order.size()));
    std::stable_sort(order.begin() + begin, order.begin() + end, [&](int64_t a, int64_t b) {
      return length_of((*examples_)[size_t(a)]) < length_of((*examples_)[size_t(b)]);
    });
  }
}

void Batches::cut_by_tokens() {
  const int64_t halves = format_.pairs ? 2 : 1;
  std::vector<int64_t> lengths;
  for (const Example& example : *examples_)
    lengths.push_back(halves * std::max(length_of(example), format_.pad_to));
  std::sort(lengths.begin(), lengths.end());
  // From the longest down, so that what is left over is short.
  cuts_ = {int64_t(lengths.size())};
  for (int64_t i = cuts_[0] - 1; i > 0; --i)
    if ((cuts_.back() - i + 1) * lengths[size_t(cuts_.back() - 1)] > options_.tokens)
      cuts_.push_back(i);
  cuts_.push_back(0);
  std::reverse(cuts_.begin(), cuts_.end());
  // It may be a single example: the first two batches share theirs, and both fit.
  if (cuts_.size() > 2) cuts_[1] = std::max(cuts_[1], cuts_[2] / 2);
  batches_per_epoch_ = int64_t(cuts_.size()) - 1;
}

Range Batches::batch_in_order(int64_t index) const {
  if (cuts_.empty()) return {index * batch_size_, (index + 1) * batch_size_};
  const size_t batch = size_t(batch_order_[size_t(index)]);
  return {cuts_[batch], cuts_[batch + 1]};
}

int64_t Batches::smallest() const {
  int64_t smallest = batch_size_;
  for (size_t i = 0; i + 1 < cuts_.size(); ++i)
    smallest = i == 0 ? cuts_[1] : std::min(smallest, cuts_[i + 1] - cuts_[i]);
  return smallest;
}

std::vector<int64_t> Batches::order_of_epoch(int64_t epoch) const {
  Random random(seed_, hash_name("batches") + uint64_t(epoch));
  std::vector<int64_t> order(examples_->size());
  std::iota(order.begin(), order.end(), int64_t(0));
  shuffle(order, random);
  if (!cuts_.empty()) {
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return length_of((*examples_)[size_t(a)]) < length_of((*examples_)[size_t(b)]);
    });
    return order;
  }
  order.resize(size_t(batches_per_epoch_ * batch_size_));
  if (options_.bucket_by_length) {
    sort_into_buckets(order);
    shuffle(order, random, batch_size_);
  }
  return order;
}

Batch Batches::next() {
  if (ordered_epoch_ != epoch()) {
    order_ = order_of_epoch(epoch());
    ordered_epoch_ = epoch();
    batch_order_.resize(size_t(batches_per_epoch_));
    std::iota(batch_order_.begin(), batch_order_.end(), int64_t(0));
    Random random(seed_, hash_name("batches by tokens") + uint64_t(epoch()));
    shuffle(batch_order_, random);
  }
  const Range range = batch_in_order(position_ % batches_per_epoch_);
  Batch batch = make_batch(format_, *examples_,
                           std::span(order_).subspan(size_t(range.first), size_t(range.size())));
  ++position_;
  last_size_ = range.size();
  return batch;
}

EvaluationBatches::EvaluationBatches(const InputFormat& format,
                                     const std::vector<Example>* examples, int64_t batch_size)
    : format_(format), examples_(examples), batch_size_(batch_size) {
  check_examples(format, examples, batch_size);
  order_.resize(examples->size());
  std::iota(order_.begin(), order_.end(), int64_t(0));
  std::stable_sort(order_.begin(), order_.end(), [&](int64_t a, int64_t b) {
    return length_of((*examples)[size_t(a)]) > length_of((*examples)[size_t(b)]);
  });
}

int64_t EvaluationBatches::count() const {
  return (int64_t(order_.size()) + batch_size_ - 1) / batch_size_;
}

std::span<const int64_t> EvaluationBatches::indices(int64_t i) const {
  check(i >= 0 && i < count(), "evaluation: a batch must be in 0..", count() - 1, ", got ", i);
  const int64_t first = i * batch_size_;
  const int64_t size = std::min(batch_size_, int64_t(order_.size()) - first);
  return std::span(order_).subspan(size_t(first), size_t(size));
}

Batch EvaluationBatches::operator[](int64_t i) const {
  return make_batch(format_, *examples_, indices(i));
}

}  // namespace skiff
