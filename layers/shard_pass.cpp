#include "layers/shard_pass.h"

#include "core/memory.h"

namespace skiff {
namespace {

// running += momentum (value - running)
void move_towards(const std::vector<double>& value, Tensor running) {
  std::vector<double> moved = to_vector(running);
  for (size_t d = 0; d < moved.size(); ++d) moved[d] += kNormMomentum * (value[d] - moved[d]);
  const Tensor result = tensor_of(moved, running.shape()).to(running.dtype());
  memory::copy(running.device(), running.raw(), Device::CPU, result.raw(), size_t(result.bytes()));
}

}  // namespace

ShardPass::ShardPass(Parameters& parameters, Range examples, int64_t batch_size)
    : rows{examples.first, examples.size(), batch_size}, parameters_(parameters) {
  if (examples.size() < batch_size) parameters.set_shard(this);
}

ShardPass::~ShardPass() { parameters_.set_shard(nullptr); }

void move_running_statistics(const std::vector<Tensor>& running,
                             const std::vector<std::vector<double>>& found) {
  size_t at = 0;  // of the norm's N in each list of `found`
  for (size_t norm = 0; norm < running.size(); norm += 2) {
    const size_t D = size_t(running[norm].size());
    double N = 0;
    std::vector<double> m(D, 0), v(D, 0);
    for (const std::vector<double>& shard : found) {
      check(shard.size() >= at + 1 + 2 * D, "running statistics: a shard found only ", shard.size(),
            " numbers");
      N += shard[at];
    }
    for (const std::vector<double>& shard : found)
      for (size_t d = 0; d < D; ++d) m[d] += shard[at] * shard[at + 1 + d] / N;
    for (const std::vector<double>& shard : found)
      for (size_t d = 0; d < D; ++d) {
        const double apart = shard[at + 1 + d] - m[d];
        v[d] += shard[at] * (shard[at + 1 + D + d] + apart * apart) / N;
      }
    if (N > 1)
      for (double& variance : v) variance *= N / (N - 1);
    move_towards(m, running[norm]);
    move_towards(v, running[norm + 1]);
    at += 1 + 2 * D;
  }
}

}  // namespace skiff
