#include "examples/train/in_turn.h"

#include <exception>
#include <utility>

#include "autograd/profile.h"
#include "core/processes.h"
#include "optim/exchange.h"

namespace skiff {

ShardsInTurn::ShardsInTurn(Parameters& parameters, int64_t examples, int64_t shards,
                           const Compute& compute, OnError on_error)
    : parameters_(parameters), shards_(shards), on_error_(on_error) {
  const Range own = shards_of(processes().rank(), processes().size(), shards);
  for (int64_t s = own.first; s < own.end; ++s) {
    turns_.push_back(std::unique_ptr<Turn>(
        new Turn{.pass = ShardPass(parameters, examples_of(s, shards, examples), examples)}));
    Turn& turn = *turns_.back();
    turn.coroutine = std::make_unique<Coroutine>(
        [compute, s](Coroutine& self) { compute(s, [&] { self.pause(); }); });
    turn.pass.sum_over_shards = [&turn](const Tensor& sums) {
      turn.sums = sums.clone().reshape({sums.size()});  // the tree adds to it
      turn.coroutine->pause();
      return std::exchange(turn.sums, {}).reshape(sums.shape());
    };
  }
  parameters_.set_shard(nullptr);
}

bool ShardsInTurn::go_on() {
  for (;;) {
    bool needs_sums = false;
    std::exception_ptr error;
    try {
      needs_sums = run_round();
    } catch (...) {
      if (on_error_ == OnError::End) throw;
      error = std::current_exception();
    }
    if (on_error_ == OnError::Tell) {
      const auto failed = gather(processes(), error ? "failed" : "");
      if (error) std::rethrow_exception(error);
      for (const std::string& word : failed)
        if (!word.empty()) return false;
    }
    if (!needs_sums) return true;
    measured("sums of norms", [&] { add_sums(); });
  }
}

// Whether the shards now wait for the total of their sums.
bool ShardsInTurn::run_round() {
  size_t waiting = 0;
  for (const std::unique_ptr<Turn>& turn : turns_) {
    parameters_.set_gradients(std::move(turn->gradients));
    parameters_.set_shard(&turn->pass);
    const bool paused = turn->coroutine->resume();
    parameters_.set_shard(nullptr);
    if (paused) turn->gradients = parameters_.take_gradients();
    waiting += bool(turn->sums);
  }
  check(waiting == 0 || waiting == turns_.size(),
        "--sync-norm: all shards must have as many batch norms, but ", waiting, " of ",
        turns_.size(), " wait at one");
  return waiting > 0;
}

void ShardsInTurn::add_sums() {
  const Range own = shards_of(processes().rank(), processes().size(), shards_);
  TreeSum sum(shards_);
  for (size_t i = 0; i < turns_.size(); ++i) sum.add(own.first + int64_t(i), turns_[i]->sums);
  const Tensor total = Exchange(processes(), shards_)(sum);
  for (const std::unique_ptr<Turn>& turn : turns_) turn->sums = total;
}

}  // namespace skiff
