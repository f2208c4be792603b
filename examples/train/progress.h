// The position of a run, besides parameters and optimizer state, as a checkpoint keeps it.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/io/safetensors.h"

namespace skiff {

// The number in a text of digits alone, up to 10^15; no count of a run reaches that.
std::optional<int64_t> whole_number(std::string_view text);

struct Progress {
  int64_t step = 0;        // steps taken
  int64_t position = 0;    // batches handed out
  double best_score = -1;  // of all validations; 0 to 1 after the first
  int64_t best_step = 0;
  bool best_averaged = false;          // the average of the weights was better than the weights
  double best_loss = 0;                // at best_step; 0 where an older checkpoint does not have it
  double best_average_accuracy = NAN;  // of the average at best_step, where it has one
  int64_t validated = 0;               // the last step whose validation is in best_score
  // Sums since the last row of metrics.csv, so that a resumed run writes the same rows.
  double loss_sum = 0, norm_sum = 0;
  int64_t correct = 0, seen = 0, summed = 0;
};

std::map<std::string, std::string> to_metadata(const Progress& p);
// DataError for a file whose metadata no run can have written.
Progress to_progress(const safetensors::File& file);

}  // namespace skiff
