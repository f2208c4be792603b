// What is trained: batches, losses, validations. The Trainer decides when (trainer.h).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "autograd/tape.h"
#include "core/io/safetensors.h"
#include "core/range.h"
#include "examples/train/metrics.h"

namespace skiff {

struct Scores {
  double loss = NAN;
  double accuracy = NAN;  // NaN where there are no classes
  std::string remark;     // for the reader; may be empty
  bool by_loss = false;   // the lowest loss is the best, not the highest accuracy

  // In [0, 1]; the best weights are those with the highest: the accuracy or, by the loss and
  // without classes, 1 / perplexity, which is highest where the loss is lowest.
  double score() const {
    if (!by_loss && !std::isnan(accuracy)) return accuracy;
    return std::isfinite(loss) ? std::min(1.0, std::exp(-loss)) : 0;
  }
};

struct Forward {
  Variable loss;
  int64_t terms = 1;              // over which the loss is a mean; 0: it does not count
  int64_t correct = 0, seen = 0;  // accuracy of these examples; seen = 0: they have none
};

class Objective {
 public:
  virtual ~Objective() = default;

  // Training batches have numbers; the position of a run is how many it has taken.
  virtual void next_batch() = 0;
  // Of these examples of the last batch, recorded on the current tape: each example computes what
  // it would compute in the whole batch. Called again when a result is not finite.
  virtual Forward forward(Range examples) = 0;
  virtual int64_t examples() const { return 0; }  // of the last batch; 0: as --batch-size says
  virtual int64_t terms() const = 0;              // of the last batch: those of all its examples
  virtual int64_t tokens() const = 0;             // of the last batch, padding included
  virtual int64_t position() const = 0;
  virtual void set_position(int64_t position) = 0;
  virtual int64_t batches_per_epoch() const = 0;

  // Nothing when a signal stopped it.
  virtual std::optional<Scores> validate() = 0;
  // After every step, once its checkpoint is saved.
  virtual void after_step(int64_t) {}
  // How long the tests after the last step take, in validations; for the time that is left.
  virtual double validations_after_training() const = 0;

  // What a checkpoint says besides the position of the run: the model's options, the data.
  virtual std::map<std::string, std::string> metadata() const = 0;
  // Throws when a checkpoint belongs to other data or another model.
  virtual void check_resumable(const safetensors::File& checkpoint) const = 0;

  virtual std::string title() const = 0;  // of the curves
  virtual Baseline baseline() const = 0;  // lines in the curves
  // Keeps what is known about the run in result.json: when it begins, stops and ends.
  virtual void write_result() = 0;
};

}  // namespace skiff
