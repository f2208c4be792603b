// examples/train: what programs that train or use models share: command line and configuration
// files, recipes, the run folder, progress, evaluation, and the loop itself. What draws belongs in
// examples/charts, what reads data sets in data.
//
// The training loop, for every program that trains: optimizer, schedule, clipping, validations,
// checkpoints and their resumption, metrics.csv and curves, progress, signals.
//
// What is trained is an Objective: it makes batches and losses and validates. The Trainer decides
// when, and owns everything else:
//
//   MyObjective objective(..);
//   Trainer trainer(options.train, options.run, session, objective, parameters, folder, display);
//   if (session.resume) trainer.resume(/*other_steps=*/false);
//   trainer.begin(/*clears=*/session.force);
//   if (trainer.train(config_text(options))) ..      // all steps were taken
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/profile.h"
#include "examples/train/display.h"
#include "examples/train/gradients.h"
#include "examples/train/objective.h"
#include "examples/train/progress.h"
#include "examples/train/run_folder.h"
#include "examples/train/run_options.h"
#include "layers/parameters.h"
#include "optim/adam.h"
#include "optim/average.h"
#include "optim/schedule.h"

namespace skiff {

// What a program may set beside the options that all training programs have.
struct TrainerDetails {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;      // of adam and adamw
  std::function<bool(const Parameter&)> decays = {};  // which parameters; empty: all
  double warmup_start = 0, floor = 0;                 // shares of --lr (optim/schedule.h)
  bool sync_norm = false;                             // as in BatchGradients
};

class Trainer {
 public:
  // Keeps references to all but the details.
  Trainer(const TrainOptions& train, const RunOptions& run, const SessionOptions& session,
          Objective& objective, Parameters& parameters, RunFolder& folder, Display& display,
          const TrainerDetails& details = {});

  int64_t steps() const { return steps_; }            // of the whole run
  int64_t eval_every() const { return eval_every_; }  // steps between validations
  double rate(int64_t step) const;                    // learning rate
  bool validates() const { return validates_; }
  void always_validate() { validates_ = true; }  // also with --profile

  // Goes to the newest checkpoint that is whole; damaged newer ones get another name.
  // other_steps: the run had another number of steps.
  void resume(bool other_steps);
  // What an optimizer and an average keep, from a file that holds it; instead of resume().
  void take_optimizer(const safetensors::File& file);
  // Prepares the folder; `clears`: removes the files of an earlier run.
  void begin(bool clears);
  // Trains to the last step. False when --stop-at stopped it before; throws Stopped after a signal.
  bool train(const std::string& config);

  const Progress& at() const { return at_; }
  bool best_is_last() const { return at_.best_step == at_.step && !at_.best_averaged; }
  void load_weights(const std::string& file);  // and of the optimizer; the position stays
  void note_warmup() const;                    // says so if the run ends before its warm-up
  // Everything is saved: says so, and throws Stopped if a signal was the reason.
  void stopped() const;

  // For files that the run can do without: the first failure is reported; the run goes on.
  template <class Write>
  void write_or_warn(const Write& write);
  const std::string& write_error() const { return write_error_; }  // empty: none

  double train_seconds() const { return train_seconds_; }
  double tokens_per_second() const { return tokens_per_second_; }
  const Profile& profile() const { return profile_; }

 private:
  struct State {
    std::vector<safetensors::Entry> tensors;
    std::map<std::string, std::string> metadata;
  };
  std::string bits() const;  // what decides the last bits here
  State state() const;
  void write(const std::string& name, const State& state) const;
  void save_checkpoint();
  bool saved(const std::function<void()>& save);
  void save_best(bool averaged);
  void load(const safetensors::File& file);
  safetensors::File newest_whole(std::vector<std::pair<std::string, std::string>>& damaged) const;
  void keep_best(bool otherwise);

  bool validates_here() const;
  bool validation_is_due() const;
  bool beyond_stop() const;  // of --stop-at
  bool finish_step(MetricsRow row);
  MetricsRow one_step();
  void update(double norm, double lr);
  MetricsRow row_of_step() const;
  void take_sums(MetricsRow& row);
  bool validate(MetricsRow& row);
  void keep_if_best(const Scores& scores, bool averaged);
  [[noreturn]] void explain_non_finite(double loss);

  double seconds_so_far() const;
  double speed() const;
  double seconds_left(bool validates) const;
  void show(const MetricsRow& row, bool logs, bool validates) const;
  void write_curves();

  const TrainOptions& train_;
  const RunOptions& run_;
  const SessionOptions& session_;
  Objective& objective_;
  Parameters& parameters_;
  RunFolder& folder_;
  Display& display_;

  BatchGradients gradients_;
  std::optional<Adam> adam_;
  std::optional<Sgd> sgd_;
  std::optional<Average> average_;
  Schedule schedule_;
  int64_t steps_ = 0, eval_every_ = 0, save_every_ = 0, log_every_ = 0;
  bool validates_ = true;
  bool other_steps_ = false;
  bool best_is_lost_ = false;  // best.safetensors was not there, or damaged
  Progress at_;
  std::optional<State> unsaved_best_;
  int64_t saved_ = -1;  // process 0: step of the last checkpoint; -1: there is none
  std::string write_error_;

  int64_t first_ = 0, tokens_ = 0;  // the step this program began at; what it has trained on
  Clock::time_point start_;
  double seconds_before_ = 0;  // of training, before this program began
  double not_training_ = 0;    // seconds of validation and saving
  double validation_seconds_ = 0;
  int64_t validations_ = 0;
  double train_seconds_ = 0, tokens_per_second_ = 0;
  Profile profile_;
};

template <class Write>
void Trainer::write_or_warn(const Write& write) {
  try {
    write();
  } catch (const IoError& e) {
    if (write_error_.empty()) display_.warn(e.what() + std::string("; the run goes on"));
    write_error_ = e.what();
  }
}

}  // namespace skiff
