#include "data/language/windows.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/check.h"
#include "core/random.h"
#include "data/batch.h"

namespace skiff {

int64_t TokenBatch::targets() const {
  const int32_t* t = target.data<int32_t>();
  return std::count_if(t, t + target.size(), [](int32_t token) { return token >= 0; });
}

TokenBatch part_of(const TokenBatch& batch, Range windows) {
  return {rows_of(batch.input, windows, false), rows_of(batch.target, windows, false)};
}

WindowBatches::WindowBatches(TokenSpan split, const WindowOptions& options, int64_t batch_size,
                             uint64_t seed)
    : split_(std::move(split)), options_(options), batch_size_(batch_size), seed_(seed) {
  const int64_t n = options.length, count = split_.size();
  check<UsageError>(n >= 1, "windows: the length must be at least 1, got ", n);
  check<UsageError>(batch_size >= 1, "windows: the batch size must be at least 1, got ",
                    batch_size);
  check<UsageError>(count > n, "windows: a window of ", n, " tokens and the token after it need ",
                    n + 1, " tokens, but the split has ", count, "; use a smaller --length");
  if (options.order == WindowOrder::Blocks) {
    const int64_t blocks = (count - n) / n;  // with the largest offset
    batches_per_epoch_ = blocks / batch_size;
    check<UsageError>(batches_per_epoch_ > 0, "windows: a batch needs ", batch_size, " blocks of ",
                      n, " tokens, but the split has ", blocks,
                      "; use a smaller --length or --batch-size, or --windows random");
  } else if (options.order == WindowOrder::Random) {
    batches_per_epoch_ = std::max<int64_t>(1, (count - 1) / n / batch_size);
  } else {
    batches_per_epoch_ = (count / batch_size - 1) / n;
    check<UsageError>(batches_per_epoch_ > 0, "windows: ", batch_size, " streams of ",
                      count / batch_size, " tokens are too short for windows of ", n,
                      "; use a smaller --length or --batch-size");
  }
}

void WindowBatches::set_position(int64_t position) {
  check(position >= 0, "windows: the position must be at least 0, got ", position);
  position_ = position;
}

std::vector<int64_t> WindowBatches::begins_of_epoch(int64_t epoch) const {
  Random random(seed_, hash_name("language blocks") + uint64_t(epoch));
  const int64_t n = options_.length, offset = random.below(n);
  std::vector<int64_t> begins(size_t((split_.size() - 1 - offset) / n));
  for (size_t w = 0; w < begins.size(); ++w) begins[w] = offset + int64_t(w) * n;
  for (int64_t i = int64_t(begins.size()) - 1; i > 0; --i) {  // Fisher-Yates
    std::swap(begins[size_t(i)], begins[size_t(random.below(i + 1))]);
  }
  return begins;
}

std::vector<int64_t> WindowBatches::begins(int64_t p) const {
  const int64_t n = options_.length;
  std::vector<int64_t> begins(size_t(batch_size_), 0);
  if (options_.order == WindowOrder::Random) {
    Random random(seed_, hash_name("language windows") + uint64_t(p));
    for (int64_t& begin : begins) begin = random.below(split_.size() - n);
  } else if (options_.order == WindowOrder::Streams) {
    const int64_t stream = split_.size() / batch_size_;
    for (int64_t b = 0; b < batch_size_; ++b) {
      begins[size_t(b)] = b * stream + p % batches_per_epoch_ * n;
    }
  } else {
    if (ordered_epoch_ != p / batches_per_epoch_) {
      ordered_epoch_ = p / batches_per_epoch_;
      order_ = begins_of_epoch(ordered_epoch_);
    }
    const auto first = order_.begin() + p % batches_per_epoch_ * batch_size_;
    std::copy(first, first + batch_size_, begins.begin());
  }
  return begins;
}

TokenBatch WindowBatches::next() {
  const int64_t n = options_.length;
  TokenBatch batch{Tensor({batch_size_, n}, DType::Int32), Tensor({batch_size_, n}, DType::Int32)};
  int32_t* input = batch.input.data<int32_t>();
  int32_t* target = batch.target.data<int32_t>();
  for (const int64_t begin : begins(position_)) {
    split_.copy(begin, {input, size_t(n)});
    split_.copy(begin + 1, {target, size_t(n)});
    input += n;
    target += n;
  }
  ++position_;
  return batch;
}

}  // namespace skiff
