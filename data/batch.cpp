#include "data/batch.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/random.h"

namespace skiff {

namespace {

int64_t length_of(const Example& example) { return int64_t(example.tokens.size()); }

void check_examples(const std::vector<Example>* examples, int64_t batch_size, int64_t pad_to) {
  check(examples != nullptr && !examples->empty(), "batches: there are no examples");
  check<UsageError>(batch_size >= 1, "batches: the batch size must be at least 1, got ",
                    batch_size);
  check<UsageError>(pad_to >= 0, "batches: pad_to must be at least 0, got ", pad_to);
  for (size_t i = 0; i < examples->size(); ++i) {
    const int64_t length = length_of((*examples)[i]);
    check<DataError>(length > 0, "batches: example ", i, " has no tokens");
    check<UsageError>(pad_to == 0 || length <= pad_to, "batches: example ", i, " has ", length,
                      " tokens, more than pad_to = ", pad_to);
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

}  // namespace

Batch make_batch(const std::vector<Example>& examples, std::span<const int64_t> indices,
                 int64_t pad_to) {
  check(!indices.empty(), "batch: at least one example is needed");
  int64_t n = pad_to;
  for (const int64_t index : indices) {
    check(index >= 0 && index < int64_t(examples.size()), "batch: an index must be in 0..",
          int64_t(examples.size()) - 1, ", got ", index);
    const int64_t length = length_of(examples[size_t(index)]);
    check(length > 0 && (pad_to == 0 || length <= pad_to), "batch: example ", index, " has ",
          length, " tokens, with pad_to = ", pad_to);
    n = std::max(n, length);
  }
  const int64_t size = int64_t(indices.size());
  Batch batch{Tensor({size, n}, DType::Int32), Tensor({size}, DType::Int32),
              Tensor({size}, DType::Int32)};
  for (int64_t row = 0; row < size; ++row) {
    const Example& example = examples[size_t(indices[size_t(row)])];
    int32_t* tokens = batch.tokens.data<int32_t>() + row * n;
    std::fill(std::copy(example.tokens.begin(), example.tokens.end(), tokens), tokens + n, kPadId);
    batch.lengths.data<int32_t>()[row] = int32_t(length_of(example));
    batch.labels.data<int32_t>()[row] = example.label;
  }
  return batch;
}

double padding_share(const Batch& batch) {
  if (!batch.tokens) return 0;
  const int32_t* lengths = batch.lengths.data<int32_t>();
  const int64_t used = std::accumulate(lengths, lengths + batch.size(), int64_t(0));
  return 1 - double(used) / double(batch.tokens.size());
}

Batches::Batches(const std::vector<Example>* examples, int64_t batch_size, uint64_t seed,
                 BatchOptions options)
    : examples_(examples), batch_size_(batch_size), seed_(seed), options_(options) {
  check_examples(examples, batch_size, options.pad_to);
  check<UsageError>(options.window >= 1, "batches: the window must be at least 1 batch, got ",
                    options.window);
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

std::vector<int64_t> Batches::order_of_epoch(int64_t epoch) const {
  Random random(seed_, hash_name("batches") + uint64_t(epoch));
  std::vector<int64_t> order(examples_->size());
  std::iota(order.begin(), order.end(), int64_t(0));
  shuffle(order, random);
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
  }
  const int64_t first = position_ % batches_per_epoch_ * batch_size_;
  Batch batch = make_batch(
      *examples_, std::span(order_).subspan(size_t(first), size_t(batch_size_)), options_.pad_to);
  ++position_;
  return batch;
}

EvaluationBatches::EvaluationBatches(const std::vector<Example>* examples, int64_t batch_size,
                                     int64_t pad_to)
    : examples_(examples), batch_size_(batch_size), pad_to_(pad_to) {
  check_examples(examples, batch_size, pad_to);
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
  return make_batch(*examples_, indices(i), pad_to_);
}

}  // namespace skiff
