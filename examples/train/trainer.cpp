#include "examples/train/trainer.h"
#include "examples/program/program.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "core/processes.h"
#include "examples/train/agreement.h"
#include "examples/train/parameter_groups.h"
#include "examples/train/profile_table.h"
#include "optim/clip.h"

namespace skiff {

Trainer::Trainer(const TrainOptions& train, const RunOptions& run, const SessionOptions& session,
                 Objective& objective, Parameters& parameters, RunFolder& folder, Display& display,
                 const TrainerDetails& details)
    : train_(train),
      run_(run),
      session_(session),
      objective_(objective),
      parameters_(parameters),
      folder_(folder),
      display_(display),
      gradients_(objective, parameters, train.examples_at_least(), train.shards,
                 details.sync_norm) {
  if (train.optimizer == OptimizerKind::Sgd)
    sgd_.emplace(parameters, SgdOptions{.momentum = 0.9,
                                        .weight_decay = train.weight_decay,
                                        .rate = rates_of(train.kernel_lr)});
  else
    adam_.emplace(parameters, AdamOptions{.beta1 = details.beta1,
                                          .beta2 = details.beta2,
                                          .eps = details.eps,
                                          .weight_decay = train.weight_decay,
                                          .decoupled = train.optimizer == OptimizerKind::AdamW,
                                          .decays = details.decays,
                                          .rate = rates_of(train.kernel_lr)});
  if (train.average > 0) average_.emplace(parameters, train.average);
  steps_ = train.steps > 0 ? train.steps : train.epochs * objective.batches_per_epoch();
  check<UsageError>(steps_ > 0, "--steps or --epochs must be positive");
  const auto every = [&](int64_t asked, int64_t share) {
    return asked > 0 ? asked : std::max<int64_t>(1, steps_ / share);
  };
  eval_every_ = every(train.eval_every, steps_ < 40 ? 1 : 10);
  save_every_ = run.save_every > 0 ? run.save_every : eval_every_;
  log_every_ = every(run.log_every, 100);
  validates_ = !session.profile || train.eval_every > 0;
  schedule_ = {.kind = train.schedule,
               .warmup = train.warmup,
               .horizon = train.horizon > 0 ? train.horizon : steps_,
               .floor = details.floor,
               .start = details.warmup_start};
}

double Trainer::rate(int64_t step) const { return train_.lr * schedule_(step); }

void Trainer::begin(bool clears) {
  share_values(parameters_);
  MetricsRow unused;
  if (best_is_lost_ && at_.validated == at_.step && !validate(unused)) throw Stopped();
  if (average_ && average_->steps() == 0) average_->restart();
  objective_.next_batch();  // what can fail before the first step has failed by now
  objective_.set_position(at_.position);
  try {
    safetensors::check_metadata(folder_.path(), objective_.metadata());
  } catch (const Error& e) {
    fail<DataError>("what a checkpoint has to say of this run does not fit into its header: ",
                    e.what());
  }
  if (clears) folder_.clear();
  folder_.start_metrics(validation_is_due() ? at_.step - 1 : at_.step);
}

void Trainer::note_warmup() const {
  if (steps_ >= train_.warmup) return;
  std::ostringstream note;
  note << "note: " << steps_ << " steps are less than the " << train_.warmup
       << " of --warmup: the learning rate only rises, to " << rate(steps_ - 1) << " of "
       << train_.lr;
  display_.note(note.str());
}

void Trainer::stopped() const {
  const std::string run = session_.outer.empty() ? folder_.path() : session_.outer;
  display_.note("stopped at step " + std::to_string(session_.steps_before + at_.step) +
                ", saved; --out " + argument_for(run) + " --resume goes on");
  if (stop_signal != 0) throw Stopped();
}

// ---- the loop ----

bool Trainer::validates_here() const {
  return validates_ && (at_.step % eval_every_ == 0 || at_.step == steps_);
}

// Whether the run was stopped between a step and its validation.
bool Trainer::validation_is_due() const {
  return at_.step > 0 && validates_here() && at_.validated < at_.step && !other_steps_;
}

bool Trainer::beyond_stop() const { return session_.stop_at > 0 && at_.step >= session_.stop_at; }

bool Trainer::train(const std::string& config) {
  bool again = validation_is_due();
  if (session_.taken) session_.taken();
  // An earlier result is one of fewer steps, of other data, or of another report.
  objective_.write_result();
  folder_.write("config.toml", config);
  first_ = at_.step;
  seconds_before_ = folder_.rows().empty() ? 0 : folder_.rows().back().seconds;
  for (const std::string& note : folder_.take_notes()) display_.note("note: " + note);
  start_ = Clock::now();
  validation_seconds_ = 0;
  validations_ = 0;
  bool goes_on = true;
  if (beyond_stop() && at_.step < steps_ && !again) {
    display_.note("at step " + std::to_string(session_.steps_before + at_.step) +
                  " already: --stop-at " +
                  std::to_string(session_.steps_before + session_.stop_at) + " takes no step");
    goes_on = false;
  }
  for (; goes_on && (again || at_.step < steps_); again = false) {
    if (!again)
      display_.begin("step " + std::to_string(at_.step + 1) + "/" + std::to_string(steps_),
                     "after this step", /*aside=*/true);
    goes_on = finish_step(again ? row_of_step() : one_step());
  }
  train_seconds_ = seconds_so_far();
  tokens_per_second_ = speed();
  return at_.step == steps_;
}

// What follows a step: rows, validation, checkpoint. False when the run stops here.
bool Trainer::finish_step(MetricsRow row) {
  const bool last = at_.step == steps_;
  const bool logs = at_.step % log_every_ == 0 || last;
  const bool validates = validates_here();
  const bool saves = at_.step % save_every_ == 0 || last;
  const Progress before = at_;
  if (logs || validates || saves || stop_signal != 0 || beyond_stop())
    check_same_state(state().tensors, at_.step);
  row.seconds = seconds_so_far();
  row.tokens_per_second = speed();
  const Clock::time_point pause = Clock::now();
  if (validates && saves) saved([&] { save_checkpoint(); });  // a validation may take long
  if (logs) take_sums(row);
  show(row, logs, validates);
  const bool interrupted = validates && !validate(row);
  if (interrupted || (last && !validates_))
    at_ = before;  // --resume begins with this validation
  else if (!validates_)
    at_.validated = at_.step;  // left out for good
  if (!logs)
    row.train_loss = row.train_accuracy = row.gradient_norm = NAN;  // means belong to logged rows
  if (!interrupted && (logs || validates)) write_or_warn([&] { folder_.add_row(row); });
  const bool stops = stop_signal != 0 || beyond_stop();
  if (stops || last)
    save_checkpoint();
  else if (saves)
    saved([&] { save_checkpoint(); });
  if (!stops && !interrupted) objective_.after_step(at_.step);
  if (validates || stops || last) write_or_warn([&] { write_curves(); });
  not_training_ += seconds_since(pause);
  if (stops || last) objective_.write_result();
  if (!stops || (last && !interrupted)) return true;
  stopped();
  return false;
}

// Forward, backward and update; the gradients stay in the parameters until the next step.
MetricsRow Trainer::one_step() {
  std::optional<Profile::Step> measuring;
  if (session_.profile) measuring.emplace(profile_);
  measured("make batch", [&] { objective_.next_batch(); });
  const double lr = rate(at_.step);
  processes().set_place("at step " + std::to_string(at_.step + 1) +
                        (processes().rank() > 0 ? "; --resume goes on from the last checkpoint"
                         : saved_ < 0           ? "; no checkpoint has been saved"
                                      : "; --resume goes on from step " + std::to_string(saved_)));
  parameters_.set_training(true);
  parameters_.set_step(uint64_t(at_.step));
  const auto [loss, correct, seen] = gradients_.compute();
  at_.correct += correct;
  at_.seen += seen;
  double norm = 0;
  if (std::isfinite(loss))
    norm = measured("gradient norm", [&] { return gradient_norm(parameters_); });
  if (!std::isfinite(loss) || !std::isfinite(norm)) explain_non_finite(loss);
  update(norm, lr);

  ++at_.step;
  at_.position = objective_.position();
  at_.loss_sum += loss;
  at_.norm_sum += norm;
  ++at_.summed;
  tokens_ += objective_.tokens();
  MetricsRow row = row_of_step();
  row.train_loss = loss;
  row.train_accuracy = double(at_.correct) / double(at_.seen);
  row.gradient_norm = norm;
  return row;
}

void Trainer::update(double norm, double lr) {
  const double factor = clip_factor(norm, train_.clip);
  measured("optimizer", [&] { adam_ ? adam_->step(lr, factor) : sgd_->step(lr, factor); });
  if (average_) measured("average", [&] { average_->update(); });
}

// What one_step() reports of a step, without the means.
MetricsRow Trainer::row_of_step() const {
  MetricsRow row;
  row.step = at_.step;
  row.epoch = double(at_.position) / double(objective_.batches_per_epoch());
  row.lr = rate(at_.step - 1);
  return row;
}

// Means since the last row instead of the last step's values.
void Trainer::take_sums(MetricsRow& row) {
  row.train_loss = at_.loss_sum / double(at_.summed);
  row.train_accuracy = double(at_.correct) / double(at_.seen);
  row.gradient_norm = at_.norm_sum / double(at_.summed);
  at_.loss_sum = at_.norm_sum = 0;
  at_.correct = at_.seen = at_.summed = 0;
}

// Repeats the step with every result checked, to name the first bad one. Nothing of this step has
// reached a parameter or a file.
void Trainer::explain_non_finite(double loss) {
  std::string culprit = "the gradient norm overflowed";
  for (const Parameter& p : parameters_.all())
    if (!all_finite(p.variable.value())) culprit = "parameter " + p.name + " is not finite";
  try {
    together(processes(), [&] { gradients_.find_non_finite(); });
  } catch (const Error& e) {
    culprit = e.what();
  }
  const std::vector<std::string> saved = folder_.checkpoints();
  std::ostringstream text;
  text << "step " << at_.step + 1 << ": the " << (std::isfinite(loss) ? "gradient" : "loss")
       << " is not finite. " << culprit << ". "
       << (saved.empty() ? "No checkpoint was saved yet"
                         : "The last good checkpoint is " + folder_.file(saved.back()))
       << "; a smaller --lr, a longer --warmup or --clip may help";
  display_.note("");
  if (processes().size() == 1) throw NumericalError(text.str());
  throw AgreedError(text.str(), NumericalError("").exit_code());  // all have found the same
}

namespace {

// "loss 0.6931, accuracy 50.0 %; a remark"
std::string text_of(const Scores& scores) {
  char text[120];
  const int length =
      std::snprintf(text, sizeof text, "loss %.4f", std::isnan(scores.loss) ? NAN : scores.loss);
  if (!std::isnan(scores.accuracy))
    std::snprintf(text + length, sizeof text - size_t(length), ", accuracy %.1f %%",
                  100 * scores.accuracy);
  return text + (scores.remark.empty() ? "" : "; " + scores.remark);
}

}  // namespace

// False when a signal stopped it.
bool Trainer::validate(MetricsRow& row) {
  const Clock::time_point start = Clock::now();
  const std::optional<Scores> scores = objective_.validate();
  if (!scores) return false;
  std::optional<Scores> averaged;
  if (average_) {
    average_->swap();
    averaged = objective_.validate();
    average_->swap();
    if (!averaged) return false;
  }
  validation_seconds_ += seconds_since(start);
  ++validations_;
  at_.validated = at_.step;
  row.val_loss = scores->loss;
  row.val_accuracy = scores->accuracy;
  const std::string step = "step " + std::to_string(at_.step);
  display_.note(step + ": validation " + text_of(*scores));
  if (averaged) display_.note(step + ", average of the weights: validation " + text_of(*averaged));
  keep_if_best(*scores, /*averaged=*/false);
  if (averaged) keep_if_best(*averaged, /*averaged=*/true);
  return true;
}

void Trainer::keep_if_best(const Scores& scores, bool averaged) {
  if (scores.score() <= at_.best_score) return;
  at_.best_score = scores.score();
  at_.best_step = at_.step;
  at_.best_averaged = averaged;
  at_.best_loss = scores.loss;
  at_.best_average_accuracy = averaged ? scores.accuracy : NAN;
  if (averaged) average_->swap();  // the file has the better ones as the weights of the model
  save_best(averaged);
  if (averaged) average_->swap();
}

// ---- time and curves ----

double Trainer::seconds_so_far() const {
  return seconds_before_ + seconds_since(start_) - not_training_;
}

// Tokens per second.
double Trainer::speed() const {
  if (at_.step > first_) return double(tokens_) / (seconds_since(start_) - not_training_);
  return folder_.rows().empty() ? 0 : folder_.rows().back().tokens_per_second;
}

// Of steps and, as soon as one was timed, of validations and tests.
double Trainer::seconds_left(bool validates) const {
  const int64_t done = at_.step - first_, left = steps_ - at_.step;
  const double steps =
      done > 0 ? (seconds_since(start_) - validation_seconds_) / double(done) * double(left) : 0;
  if (!validates_ || validations_ == 0) return steps;
  const int64_t later =
      left == 0 ? 0 : steps_ / eval_every_ - at_.step / eval_every_ + (steps_ % eval_every_ != 0);
  // With an average of the weights a validation is two passes; what comes at the end is not.
  const double after = objective_.validations_after_training() / (average_ ? 2 : 1);
  return steps + (double(later + validates) + after) * validation_seconds_ / double(validations_);
}

void Trainer::show(const MetricsRow& row, bool logs, bool validates) const {
  char text[200], accuracy[32] = "";
  if (!std::isnan(row.train_accuracy))
    std::snprintf(accuracy, sizeof accuracy, "  acc %5.1f %%", 100 * row.train_accuracy);
  std::snprintf(text, sizeof text,
                "step %lld/%lld  %s left  loss %.4f%s  lr %.2e  |g| %.3f  %s tokens/s",
                (long long)row.step, (long long)steps_,
                Display::clock(seconds_left(validates)).c_str(), row.train_loss, accuracy, row.lr,
                row.gradient_norm, Display::thousands(row.tokens_per_second).c_str());
  display_.row(text, logs);
}

void Trainer::write_curves() {
  folder_.write("curves.svg",
                curves_svg(folder_.rows(), objective_.title(), objective_.baseline()));
  if (session_.profile) folder_.write("profile.csv", profile_csv(profile_));
}

}  // namespace skiff
