// Batches by the S4 protocol: for training, shuffled every epoch, the last partial batch dropped,
// padded to the longest of the batch; for evaluation, every example once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/range.h"
#include "core/tensor.h"
#include "data/task.h"

namespace skiff {

// A batch of B examples on the CPU. Pairs have R = 2B rows, first all left documents, then all
// right ones; else R = B.
struct Batch {
  Tensor input;    // int32 (R, n), padded with 0 on the right; images: float32 (B, n, 1)
  Tensor lengths;  // int32 (R), end mark included
  Tensor labels;   // int32 (B)
  std::vector<int64_t> examples;  // their numbers in the split
  int64_t size() const { return labels ? labels.size(0) : 0; }
};

// The gray level 0..255 that a batch of images gives to the model as `value`.
int32_t gray_level(float value, const InputFormat& format);

// What is wrong with an example of this format, with the value that is out of range; "" if nothing
// is. A model looks up ids and labels without checking them again.
std::string problem_of(const Example& example, const InputFormat& format);

// The examples at these indices. n is the longest of their rows, or format.pad_to.
Batch make_batch(const InputFormat& format, const std::vector<Example>& examples,
                 std::span<const int64_t> indices);

// The rows of these examples: of one row per example or, of pairs, of two halves (2B, ..).
Tensor rows_of(const Tensor& all, Range examples, bool pairs);

// A part of a batch, padded like the whole: to its longest example. The model reads a position
// relative to n, so with another n it would compute another function.
Batch part_of(const Batch& batch, Range examples);

// Share of the positions of a batch that hold padding, in [0, 1).
double padding_share(const Batch& batch);

struct BatchOptions {
  // Batches of similar lengths, less padding: the shuffled examples are cut into windows, each is
  // sorted by length (of pairs, the longer document) and cut into batches, and the batches of the
  // epoch are shuffled.
  bool bucket_by_length = false;
  int64_t window = 50;  // batches per window
  // In place of the batch size: as many examples of similar lengths as have at most so many
  // positions, padding included, but at least one. All examples are sorted by length, equal lengths
  // in a new order every epoch, and none is dropped, so the number of batches is always the same.
  int64_t tokens = 0;  // 0: the batch size counts
};

// Endless training batches. Batch number p is a function of (examples, options, seed, p) alone:
// setting the position of a run that stopped gives the same batches as never having stopped.
//   Batches batches(data, &data.train, 32, seed);
class Batches {
 public:
  // Keeps the pointer: the examples must outlive the batches.
  Batches(const InputFormat& format, const std::vector<Example>* examples, int64_t batch_size,
          uint64_t seed, BatchOptions options = {});

  Batch next();
  int64_t position() const { return position_; }  // batches handed out so far
  void set_position(int64_t position);
  int64_t batches_per_epoch() const { return batches_per_epoch_; }
  int64_t last_size() const { return last_size_; }  // examples of the batch handed out last
  int64_t smallest() const;                         // examples of the smallest batch
  int64_t epoch() const { return position_ / batches_per_epoch_; }  // of the next batch
  // The examples of epoch e, in order: batches_per_epoch * batch_size indices or, of batches with a
  // number of tokens, all of them.
  std::vector<int64_t> order_of_epoch(int64_t epoch) const;

 private:
  void sort_into_buckets(std::vector<int64_t>& order) const;
  void cut_by_tokens();
  Range batch_in_order(int64_t index) const;  // in the order of an epoch by tokens

  InputFormat format_;
  const std::vector<Example>* examples_;
  int64_t batch_size_, batches_per_epoch_;
  uint64_t seed_;
  BatchOptions options_;
  // With tokens: where the batches begin among all examples by length, and where the last one ends.
  std::vector<int64_t> cuts_;
  int64_t position_ = 0, last_size_ = 0;
  int64_t ordered_epoch_ = -1;                // the epoch that order_ belongs to
  std::vector<int64_t> order_, batch_order_;  // of examples; with tokens, of batches
};

// All examples once, the longest first: little padding, and a lack of memory shows at once.
// The last batch may be smaller.
//   for (int64_t i = 0; i < batches.count(); ++i) score(batches[i]);
class EvaluationBatches {
 public:
  // Keeps the pointer: the examples must outlive the batches.
  EvaluationBatches(const InputFormat& format, const std::vector<Example>* examples,
                    int64_t batch_size);

  int64_t count() const;
  Batch operator[](int64_t i) const;
  std::span<const int64_t> indices(int64_t i) const;  // the examples of batch i

 private:
  InputFormat format_;
  const std::vector<Example>* examples_;
  int64_t batch_size_;
  std::vector<int64_t> order_;
};

}  // namespace skiff
