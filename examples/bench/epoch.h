// An epoch of training on real data: what somebody waits for, unlike a step of a full batch. How
// long it takes depends on the lengths of the examples and on which of them share a batch.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace skiff::bench {

// How the examples of an epoch come into batches. Every batch is padded to its longest example.
enum class Order { Shuffled, Bucketed };  // as published; of similar lengths, --bucket of train_lra
const char* word_for(Order order);

struct EpochSizes {
  std::string task, folder;      // as --task and --data of train_lra
  std::string recipe = "paper";  // model, optimiser and batch size
  std::string mixers = "tno,ski,fd";
  int64_t max_length = 0;  // 0: the recipe's
  int64_t batch = 0;       // examples per step; 0: the recipe's
  int64_t examples = 0;    // only so many of the training split; 0: all
  int64_t batches = 12;    // measured per epoch; 0: all
};

// One mixer in one order.
struct EpochCost {
  std::string task, recipe, mixer;
  Order order;
  int64_t examples = 0, batches = 0, measured = 0;
  int64_t tokens = 0, positions = 0;  // of the epoch: without and with padding
  int64_t parameters = 0, peak_bytes = 0;
  std::vector<double> seconds;  // of the whole epoch, one estimate per round
  double median() const;
  double padding() const { return 1 - double(tokens) / double(positions); }
};

// Epoch 0 of seed 1, with a step of the optimiser for each batch. Where fewer batches are measured
// than there are, the batches are sorted by their length and cut into so many groups of equal size;
// the middle one of each group stands for it. Mixers and orders take turns in every round.
// `save`, unless empty: the measured batches of the published order as a safetensors file, tensors
// "0.tokens" (B, n), "0.lengths" (B) and "0.labels" (B) of the first, with "batches", "tokens" and
// "positions" of the epoch as metadata.
std::vector<EpochCost> measure_epoch(const EpochSizes& sizes, int64_t rounds,
                                     const std::string& save,
                                     const std::function<void(const std::string&)>& say);
std::string table_of(const std::vector<EpochCost>& costs);
std::string json_line(const EpochCost& cost);

}  // namespace skiff::bench
