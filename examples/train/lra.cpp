#include "examples/train/lra.h"

#include <omp.h>

#include <cmath>
#include <cstdio>
#include <sstream>
#include <tuple>

#include "autograd/ops.h"
#include "core/blas.h"
#include "core/fft/fft.h"
#include "core/memory.h"
#include "data/fingerprint.h"
#include "data/tasks.h"
#include "examples/train/config_file.h"
#include "examples/train/open_run.h"
#include "examples/train/profile_table.h"
#include "examples/train/recipes.h"

namespace skiff {

LraRun::LraRun(const CommandLine& command, bool only_best_test)
    : options_(command.options),
      session_(command.session),
      only_best_test_(only_best_test),
      folder_(options_.run.out),
      device_(device_named(session_.device, device_note_)) {
  use_ = use_of_folder<Options>(command, folder_, [&] {
    return recipe_named(options_.train.recipe, options_.data.task).options;
  });
}

std::optional<Result> LraRun::operator()() {
  Display display(progressing(session_.progress), session_.quiet);
  display_ = &display;
  if (session_.resume && has_result()) return result_;
  display.begin("reading " + options_.data.task + " from '" + options_.data.folder + "'",
                "when the data is read");
  load_data();
  if (stop_signal != 0) throw Stopped();
  build(display);
  describe();
  if (session_.resume) {
    if (folder_.has("result.json")) peak_before_ = peak_from(folder_.read("result.json"));
    trainer_->resume(use_.other_steps);
  } else if (!options_.train.init.empty()) {
    parameters_->load(safetensors::read(options_.train.init), {"optimizer."});
  }
  trainer_->begin(use_.clears);
  if (trainer_->train(config_text(options_))) {
    finish();
    write_result();
  }
  return result_;
}

// Whether the run had finished; then this is its result, and nothing is computed again.
bool LraRun::has_result() {
  if (use_.other_steps || session_.profile || !folder_.has("result.json")) return false;
  result_ = result_from(folder_.read("result.json"), only_best_test_);
  if (!result_) return false;
  result_->folder = options_.run.out;
  display_->note("'" + options_.run.out + "' holds a finished run; this is its result");
  return true;
}

void LraRun::load_data() {
  const auto& [model, data, train, run] = options_;
  data_ = task_named(data.task).load(data);
  for (const auto& [name, examples] :
       {std::pair{"training", &data_.train}, {"validation", &data_.val}, {"test", &data_.test}})
    check<DataError>(!examples->empty(), data.task, ": the ", name, " split in '", data.folder,
                     "' is empty");
  check<UsageError>(int64_t(data_.train.size()) >= train.batch_size,
                    "--batch-size: ", train.batch_size, " is more than the ", data_.train.size(),
                    " training examples in '", data.folder, "'");
  const int64_t all = all_test_examples_ = int64_t(data_.test.size());
  if (train.eval_limit > 0) watched_ = evenly_spread(data_.val, train.eval_limit);
  if (train.test_limit > 0) data_.test = evenly_spread(data_.test, train.test_limit);
  if (const int64_t left = int64_t(data_.test.size()); left < all)
    data_.note += (data_.note.empty() ? "" : "; ") + ("tested on " + std::to_string(left)) +
                  " of " + std::to_string(all) + " examples";
  memory::trim(Device::CPU);  // returns memory that reading needed
}

void LraRun::build(Display& display) {
  const auto& [model, data, train, run] = options_;
  parameters_.emplace(train.seed, model.dtype, device_);
  card_ = {model, input_shape(data_, data.max_length), data.task, data_.vocabulary};
  model_.emplace(parameters_->root(), card_.options, card_.shape);
  train_data_ = fingerprint(data_.train);
  val_data_ = fingerprint(data_.val);
  batches_.emplace(data_, &data_.train, train.batch_size, train.seed,
                   BatchOptions{.bucket_by_length = train.bucket});
  Objective& objective = *this;
  trainer_.emplace(train, run, session_, objective, *parameters_, folder_, display);
  if (only_best_test_) trainer_->always_validate();
  memory::reset_peak(device_);
}

void LraRun::describe() const {
  const auto& [model, data, train, run] = options_;
  const int64_t steps = trainer_->steps();
  std::ostringstream text;
  text << data.task << ", " << model.mixer << ", recipe " << train.recipe << ": "
       << parameters_->trained_count() << " parameters, " << data_.train.size()
       << " training examples, " << steps << " steps of " << train.batch_size << "; "
       << value_text(model.dtype) << ", " << omp_get_max_threads() << " threads, "
       << blas::description() << ", " << fft::description()
       << (device_ == Device::CUDA ? ", on cuda" : "") << "; run folder " << run.out;
  display_->note(text.str());
  if (!device_note_.empty()) display_->note(device_note_);
  if (!data_.note.empty()) display_->note("note: " + data_.note);
  if (const int64_t cut = count_cut(data_.train); cut > 0)
    display_->note("note: " + std::to_string(cut) + " of " + std::to_string(data_.train.size()) +
                   " training examples are longer than --max-length " +
                   std::to_string(data.max_length) + " and are cut");
  if (steps < train.warmup) {
    std::ostringstream note;
    note << "note: " << steps << " steps are less than the " << train.warmup
         << " of --warmup: the learning rate only rises, to " << trainer_->rate(steps - 1) << " of "
         << train.lr;
    display_->note(note.str());
  }
  if (!trainer_->validates())
    display_->note(
        "note: with --profile nothing is validated or tested, unless --eval-every is given");
}

// ---- the objective of the trainer ----

Forward LraRun::forward() {
  const Variable logits = (*model_)(batch_.input.to(device_), batch_.lengths.to(device_));
  Evaluation counts(logits.size(1));
  counts.add(predicted_classes(logits.value()), batch_.labels);
  return {cross_entropy(logits, batch_.labels.to(device_)), counts.correct(), batch_.size()};
}

std::optional<Evaluation> LraRun::evaluate_on(const std::vector<Example>& examples,
                                              const std::string& doing) {
  const std::string count = std::to_string(examples.size());
  display_->begin(doing + " on " + count + " examples", "after this batch");
  parameters_->set_training(false);
  const Clock::time_point start = Clock::now();
  return evaluate(*model_, data_, examples, options_.train.batch_size, device_, [&](int64_t done) {
    if (done > 0)
      display_->show(doing + ": " + std::to_string(done) + " of " + count + " examples, " +
                     Display::clock(seconds_since(start) / double(done) *
                                    double(int64_t(examples.size()) - done)) +
                     " left");
    return stop_signal == 0;
  });
}

std::optional<Scores> LraRun::validate() {
  const std::optional<Evaluation> e = evaluate_on(watched(), "validating");
  if (!e) return std::nullopt;
  return Scores{e->loss, e->accuracy(), e->remark()};
}

double LraRun::validations_after_training() const {
  const double tests = test_is_validation() ? 0 : only_best_test_ ? 1 : 2;  // best and last weights
  return tests * double(data_.test.size()) / double(watched().size());
}

std::map<std::string, std::string> LraRun::metadata() const {
  Metadata metadata = run_metadata(card_, data_, options_);
  metadata["train_data"] = train_data_;
  metadata["val_data"] = val_data_;
  return metadata;
}

void LraRun::check_resumable(const safetensors::File& file) const {
  const auto then = [&](const char* key) {
    const auto at = file.metadata.find(key);
    return at == file.metadata.end() ? "" : at->second;
  };
  if (then("train_data").empty()) {
    display_->note(
        "note: the checkpoint does not name the data it was trained on; that it is the same is "
        "not checked");
    return;
  }
  for (const auto& [split, key, now] :
       {std::tuple{"training", "train_data", &train_data_}, {"validation", "val_data", &val_data_}})
    check<DataError>(then(key) == *now, "--resume: '", options_.run.out,
                     "' was started on other data: the ", split, " split in '",
                     options_.data.folder, "' has ", *now, "; it had ", then(key));
}

std::string LraRun::title() const { return options_.data.task + ", " + options_.model.mixer; }

void LraRun::write_result() {
  const PeakMemory peak = peak_memory(device_, peak_before_);
  trainer_->write_or_warn(
      [&] { folder_.write("result.json", result_file(result_, peak, only_best_test_)); });
}

// ---- the result ----

const MetricsRow& LraRun::row_of(int64_t step) const {
  static const MetricsRow nothing;
  for (const MetricsRow& row : folder_.rows())
    if (row.step == step) return row;
  return nothing;
}

// Then the scores of validation are those of the test, and nothing has to be computed twice.
bool LraRun::test_is_validation() const {
  return data_.val_is_test && watched_.empty() && int64_t(data_.test.size()) == all_test_examples_;
}

// The last checkpoint is saved by now: a signal stops at once, and --resume comes back here.
Scores LraRun::test(const std::string& weights, int64_t step) {
  if (test_is_validation()) return {row_of(step).val_loss, row_of(step).val_accuracy, ""};
  const std::optional<Evaluation> e =
      evaluate_on(data_.test, "testing the " + weights + " weights");
  if (!e) trainer_->stopped();
  return {e->loss, e->accuracy(), e->remark()};
}

void LraRun::finish() {
  const Progress end = trainer_->at();
  const bool evaluated = trainer_->validates();
  const MetricsRow &last_row = row_of(end.step), &best_row = row_of(end.best_step);
  Scores last{NAN, NAN, ""}, best{NAN, NAN, ""};
  if (evaluated) {
    const bool last_is_best = end.best_step == end.step;
    if (last_is_best || !only_best_test_) best = last = test("last", end.step);
    if (!last_is_best) {
      trainer_->load_weights("best.safetensors");
      best = test("best", end.best_step);
    }
    if (!best.remark.empty()) display_->note("note: test: " + best.remark);
  }
  result_ = {.task = options_.data.task,
             .mixer = options_.model.mixer,
             .recipe = options_.train.recipe,
             .folder = options_.run.out,
             .seed = options_.train.seed,
             .parameters = parameters_->trained_count(),
             .steps = end.step,
             .best_step = end.best_step,
             .best_val = evaluated ? end.best_score : NAN,
             .best_test = best.accuracy,
             .last_val = last_row.val_accuracy,
             .last_test = last.accuracy,
             .train_loss = last_row.train_loss,
             .best_val_loss = best_row.val_loss,
             .last_val_loss = last_row.val_loss,
             .best_test_loss = best.loss,
             .last_test_loss = last.loss,
             .majority_val = majority_rate(watched()),
             .majority_test = majority_rate(data_.test),
             .val_examples = evaluated ? int64_t(watched().size()) : 0,
             .all_val_examples = int64_t(data_.val.size()),
             .test_examples = evaluated ? int64_t(data_.test.size()) : 0,
             .all_test_examples = all_test_examples_,
             .threads = omp_get_max_threads(),
             .seconds = std::round(trainer_->train_seconds() * 10) / 10,
             .tokens_per_second = std::round(trainer_->tokens_per_second()),
             .peak = peak_memory(device_, peak_before_),
             .profile = session_.profile ? profile_table(trainer_->profile()) : "",
             .evaluated = evaluated};
}

}  // namespace skiff
