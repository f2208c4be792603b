#include "examples/train/task_run.h"

#include <omp.h>

#include <cmath>
#include <sstream>
#include <tuple>

#include "core/blas.h"
#include "core/fft/fft.h"
#include "core/memory.h"
#include "core/processes.h"
#include "data/fingerprint.h"
#include "data/tasks.h"
#include "examples/train/agreement.h"
#include "examples/train/config_file.h"
#include "examples/train/evaluation.h"
#include "examples/train/init.h"
#include "examples/train/lra.h"
#include "examples/train/open_run.h"
#include "examples/train/parameter_groups.h"
#include "examples/train/pretrain.h"
#include "examples/train/profile_table.h"
#include "examples/train/recipes.h"

namespace skiff {

TaskRun::TaskRun(const CommandLine& command)
    : options_(command.options),
      session_(command.session),
      folder_(options_.run.out),
      device_(device_named(session_.device, device_note_)) {
  other_data_ = contains(command.given, "data") &&
                known_config(options_.run.out)["data"] != options_.data.folder;
  use_ = use_of_folder<Options>(command, folder_, [&] {
    return recipe_named(options_.train.recipe, options_.data.task).options;
  });
}

std::optional<Result> TaskRun::operator()() {
  Display display(progressing(session_.progress), session_.quiet);
  display_ = &display;
  if (session_.resume && has_result()) return result_;
  display.begin("reading " + options_.data.task + " from '" + options_.data.folder + "'",
                "when the data is read");
  processes().set_place("while data is read, on each host by one process, then by the others");
  together_by_host([&] { load_data(); });
  processes().set_place("");
  if (!goes_on()) throw Stopped();
  together(processes(), [&] { build(); });
  check_same("data", train_data_ + ", " + val_data_);
  describe();
  if (session_.resume) {
    if (folder_.has("result.json")) peak_before_ = peak_from(folder_.read("result.json"));
    together(processes(), [&] { trainer_->resume(use_.other_steps); });
  } else if (!options_.train.init.empty()) {
    together(processes(), [&] {
      safetensors::File file;
      const std::string taken = start_from(options_.train.init, card_, *parameters_, &file);
      if (options_.train.init_moments) trainer_->take_optimizer(file);
      if (!taken.empty()) display.note(taken);
    });
  }
  trainer_->begin(use_.clears);
  if (trainer_->train(config_text(options_))) {
    result_ = result_at_end();
    result_->peak = largest_peak(peak_memory(device_, peak_before_));
    write_result();
  }
  return result_;
}

// Whether the run had finished; then this is its result, and nothing is computed again.
bool TaskRun::has_result() {
  if (use_.other_steps || !folder_.has("result.json")) return false;
  result_ = result_from(folder_.read("result.json"), only_best_test());
  if (!result_ || other_data_) {
    result_.reset();
    return false;
  }
  result_->folder = options_.run.out;
  display_->note("'" + options_.run.out + "' holds a finished run; this is its result" +
                 (session_.profile ? ", and no step is left to measure" : ""));
  return true;
}

void TaskRun::load_data() {
  const auto& [model, data, train, pretrain, run] = options_;
  DataOptions asked = data;
  asked.say = [this](const std::string& message) { display_->note("note: " + message); };
  data_ = task_named(data.task).load(asked);
  chosen_on_test_ = data_.val_is_test;
  for (const auto& [name, examples] :
       {std::pair{"training", &data_.train}, {"validation", &data_.val}, {"test", &data_.test}})
    check<DataError>(!examples->empty(), data.task, ": the ", name, " split in '", data.folder,
                     "' is empty");
  keep_lengths();
  if (train.eval_limit > 0) watched_ = evenly_spread(data_.val, train.eval_limit);
  prepare_data();
  check<UsageError>(
      train.batch_tokens > 0 || int64_t(data_.train.size()) >= train.batch_size,
      "--batch-size: ", train.batch_size, " is more than the ", data_.train.size(),
      " training examples ",
      pretrain.train_examples > 0 ? "that --train-examples leaves" : "in '" + data.folder + "'");
  memory::trim(Device::CPU);  // returns memory that reading needed
}

// --shortest, --longest.
void TaskRun::keep_lengths() {
  const int64_t least = options_.pretrain.shortest, most = options_.pretrain.longest;
  if (least == 0 && most == 0) return;
  check<UsageError>(most == 0 || least <= most, "--longest: must be at least the ", least,
                    " of --shortest, got ", most);
  for (const auto& [name, examples] :
       {std::pair{"training", &data_.train}, {"validation", &data_.val}}) {
    const size_t all = examples->size();
    std::erase_if(*examples, [&](const Example& e) {
      const int64_t length = int64_t(std::max(e.tokens.size(), e.second.size()));
      return length < least || (most > 0 && length > most);
    });
    check<UsageError>(!examples->empty(), "--shortest, --longest: none of the ", all, " ", name,
                      " examples has a length of at least ", least,
                      most > 0 ? " and at most " + std::to_string(most) : "");
    data_.note += (data_.note.empty() ? "" : "; ") + std::to_string(examples->size()) + " of " +
                  std::to_string(all) + " " + name + " examples have the asked lengths";
  }
  data_.val_is_test = false;
}

void TaskRun::build() {
  const auto& [model, data, train, pretrain, run] = options_;
  parameters_.emplace(train.seed, model.dtype, device_);
  card_ = card();
  build_model();
  train_data_ = fingerprint(data_.train);
  val_data_ = fingerprint(data_.val);
  batches_.emplace(data_, &data_.train, train.batch_size, train.seed,
                   BatchOptions{.bucket_by_length = train.bucket, .tokens = train.batch_tokens});
  check<UsageError>(train.batch_tokens == 0 || batches_->smallest() >= train.shards,
                    "--batch-tokens: a batch of the longest examples needs at least ", train.shards,
                    " of them, one per shard; it has ", batches_->smallest(), " with ",
                    train.batch_tokens);
  Objective& objective = *this;
  const std::string embedding = data_.vocab > 0 ? "encoder.weight" : "";
  const TrainerDetails details{.beta2 = train.beta2,
                               .decays = decaying_of(train.decaying, embedding),
                               .sync_norm = train.sync_norm && model.norm == NormKind::Batch};
  trainer_.emplace(train, run, session_, objective, *parameters_, folder_, *display_, details);
  if (only_best_test() || !session_.outer.empty()) trainer_->always_validate();
  memory::reset_peak(device_);
}

void TaskRun::describe() const {
  const auto& [model, data, train, pretrain, run] = options_;
  const int64_t steps = trainer_->steps();
  std::ostringstream text;
  text << title() << ", recipe " << train.recipe << ": " << parameters_->trained_count()
       << " parameters, " << data_.train.size() << " training examples, " << steps << " steps of "
       << (train.batch_tokens > 0 ? std::to_string(train.batch_tokens) + " tokens"
                                  : std::to_string(train.batch_size))
       << train.shards_text() << "; " << value_text(model.dtype) << ", " << omp_get_max_threads()
       << " threads, " << blas::description() << ", " << fft::description()
       << (device_ == Device::CUDA ? ", on cuda" : "") << "; run folder " << run.out;
  display_->note(text.str());
  if (!device_note_.empty()) display_->note(device_note_);
  if (train.has_small_shards(model.norm, batches_->smallest())) display_->note(kSmallShards);
  if (!data_.note.empty()) display_->note("note: " + data_.note);
  if (const int64_t cut = count_cut(data_.train); cut > 0)
    display_->note("note: " + std::to_string(cut) + " of " + std::to_string(data_.train.size()) +
                   " training examples are longer than --max-length " +
                   std::to_string(data.max_length) + " and are cut");
  trainer_->note_warmup();
  if (!trainer_->validates())
    display_->note(
        "note: with --profile nothing is validated or tested, unless --eval-every is given");
}

std::function<bool(int64_t)> TaskRun::showing(const std::string& doing, int64_t examples) {
  const std::string count = std::to_string(examples);
  display_->begin(doing + " on " + count + " examples", "after this batch");
  parameters_->set_training(false);
  return [this, doing, count, examples, start = Clock::now()](int64_t done) {
    if (done > 0)
      display_->show(doing + ": " + std::to_string(done) + " of " + count + " examples, " +
                     Display::clock(seconds_since(start) / double(done) * double(examples - done)) +
                     " left");
    return goes_on();
  };
}

// ---- the objective of the trainer ----

std::map<std::string, std::string> TaskRun::metadata() const {
  Metadata metadata = run_metadata(card_, data_, options_);
  metadata["train_data"] = train_data_;
  metadata["val_data"] = val_data_;
  return metadata;
}

void TaskRun::check_resumable(const safetensors::File& file) const {
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

void TaskRun::write_result() {
  const PeakMemory peak = peak_memory(device_, peak_before_);
  trainer_->write_or_warn(
      [&] { folder_.write("result.json", result_file(result_, peak, only_best_test())); });
}

// ---- the result ----

const MetricsRow& TaskRun::row_of(int64_t step) const {
  static const MetricsRow nothing;
  for (const MetricsRow& row : folder_.rows())
    if (row.step == step) return row;
  return nothing;
}

Result TaskRun::facts() const {
  const Progress end = trainer_->at();
  const bool evaluated = trainer_->validates();
  const MetricsRow &last_row = row_of(end.step), &best_row = row_of(end.best_step);
  return {.task = options_.data.task,
          .mixer = options_.model.mixer,
          .recipe = options_.train.recipe,
          .folder = options_.run.out,
          .seed = options_.train.seed,
          .parameters = parameters_->trained_count(),
          .steps = end.step,
          .best_step = end.best_step,
          .best_averaged = end.best_averaged,
          .best_val = std::isnan(end.best_average_accuracy) ? best_row.val_accuracy
                                                            : end.best_average_accuracy,
          .last_val = last_row.val_accuracy,
          .train_loss = last_row.train_loss,
          .best_val_loss = end.best_loss != 0 ? end.best_loss : best_row.val_loss,
          .last_val_loss = last_row.val_loss,
          .val_examples = evaluated ? int64_t(watched().size()) : 0,
          .all_val_examples = int64_t(data_.val.size()),
          .val_is_test = chosen_on_test_,
          .threads = omp_get_max_threads(),
          .seconds = std::round(trainer_->train_seconds() * 10) / 10,
          .tokens_per_second = std::round(trainer_->tokens_per_second()),
          .profile = session_.profile ? profile_table(trainer_->profile()) : "",
          .evaluated = evaluated};
}

std::unique_ptr<TaskRun> make_task_run(const CommandLine& command) {
  if (pretrains(command.options)) return std::make_unique<PretrainRun>(command);
  return std::make_unique<LraRun>(command);
}

}  // namespace skiff
