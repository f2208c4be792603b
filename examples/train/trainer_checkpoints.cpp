// What a Trainer keeps in its run folder, and how it goes on from there.
#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/processes.h"
#include "core/version.h"
#include "data/files/text_file.h"
#include "examples/train/trainer.h"

namespace skiff {

// In the metadata of best.safetensors, where its weights are the average.
constexpr const char *kWeights = "weights", *kAverage = "average";

// Then the file has the raw weights in place of the average. Older files do not say so; of those,
// best.safetensors alone can be one.
static bool has_average_as_weights(const safetensors::File& file) {
  if (const auto weights = file.metadata.find(kWeights); weights != file.metadata.end())
    return weights->second == kAverage;
  const Progress then = to_progress(file);
  return then.best_averaged && then.best_step == then.step &&
         file.path.ends_with("best.safetensors");
}

std::string Trainer::bits() const {
  const Device device = parameters_.all().front().variable.value().device();
  return bits_description() + (device == Device::CUDA ? ", on cuda" : "");
}

Trainer::State Trainer::state() const {
  State now{parameters_.values(), to_metadata(at_)};
  for (const safetensors::Entry& e : adam_ ? adam_->state() : sgd_->state())
    now.tensors.push_back(e);
  if (average_)
    for (const safetensors::Entry& e : average_->state()) now.tensors.push_back(e);
  now.metadata.merge(objective_.metadata());
  now.metadata["build"] = bits();
  return now;
}

void Trainer::write(const std::string& name, const State& state) const {
  safetensors::write(folder_.file(name), state.tensors, state.metadata);
}

// The best weights go first, so best.safetensors is never older than what an existing checkpoint
// refers to. It may be newer: a better validation writes it at once.
void Trainer::save_checkpoint() {
  if (unsaved_best_) write("best.safetensors", *unsaved_best_);
  unsaved_best_.reset();
  if (processes().rank() > 0) return;  // process 0 has the run folder, and the state is the same
  write(RunFolder::checkpoint_name(at_.step), state());
  saved_ = at_.step;
  write_or_warn([&] { folder_.remove_old_checkpoints(run_.keep); });
}

// When a file cannot be written now, the next save may succeed, and nothing is lost.
bool Trainer::saved(const std::function<void()>& save) {
  try {
    save();
    return true;
  } catch (const IoError& e) {
    display_.warn(e.what() + std::string("; the run goes on, and tries again at the next save"));
    return false;
  }
}

void Trainer::save_best(bool averaged) {
  unsaved_best_.reset();
  State best = state();
  if (averaged) best.metadata[kWeights] = kAverage;
  if (saved([&] { write("best.safetensors", best); })) return;
  unsaved_best_ = std::move(best);
  for (safetensors::Entry& e : unsaved_best_->tensors) e.tensor = e.tensor.clone();
}

void Trainer::load_weights(const std::string& file) {
  const Progress end = at_;
  load(safetensors::read(folder_.file(file)));
  at_ = end;
}

void Trainer::load(const safetensors::File& file) {
  const Progress progress = to_progress(file);
  parameters_.load(file, {"optimizer."});
  adam_ ? adam_->load(file) : sgd_->load(file);
  if (average_) average_->load(file);
  at_ = progress;
}

void Trainer::take_optimizer(const safetensors::File& file) {
  check<UsageError>(!file.tensors.empty(),
                    "--init-moments: a pretraining has another model than a classifier");
  adam_ ? adam_->load(file) : sgd_->load(file);
  if (average_ && file.find("optimizer.average_steps") && !has_average_as_weights(file))
    average_->load(file);
}

// `damaged` gets the newer ones: name, and what is wrong.
safetensors::File Trainer::newest_whole(
    std::vector<std::pair<std::string, std::string>>& damaged) const {
  const std::vector<std::string> names = folder_.checkpoints();
  check<DataError>(!names.empty(), "--resume: '", folder_.path(), "' holds no checkpoint");
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    check<DataError>(std::ifstream(folder_.file(*name)).good(), "--resume: cannot open '",
                     folder_.file(*name), "': ", std::strerror(errno));
    try {
      return safetensors::read(folder_.file(*name));
    } catch (const DataError& e) {
      damaged.emplace_back(*name, e.what());
    }
  }
  fail<DataError>("--resume: no checkpoint is whole: ", damaged.front().second);
}

void Trainer::resume(bool other_steps) {
  other_steps_ = other_steps;
  std::vector<std::pair<std::string, std::string>> damaged;
  const safetensors::File file = newest_whole(damaged);
  objective_.check_resumable(file);
  load(file);
  saved_ = at_.step;
  const auto then = file.metadata.find("build");
  const bool other_build = then != file.metadata.end() && then->second != bits();
  if (other_build)
    display_.note(
        "note: the checkpoint is of another build or processor (" + printable(then->second) +
        "; this is " + bits() +
        "), so the last bits from here on may differ from those of one run without a stop");
  check<UsageError>(at_.step < steps_ || (at_.step == steps_ && !other_steps),
                    "--steps: the run in '", folder_.path(), "' has taken ", at_.step,
                    " steps already, got ", steps_);
  for (const auto& [name, reason] : damaged)
    display_.warn(reason + "; kept as " + folder_.set_aside(name) + ", and the steps since step " +
                  std::to_string(at_.step) + " are taken again");
  objective_.set_position(at_.position);
  display_.note("resumed at step " + std::to_string(at_.step));
  if (other_steps)
    display_.note("note: the run has " + std::to_string(steps_) +
                  " steps now; from here on its learning rate, and what happens every so many "
                  "steps, are those of a run of this length");
  keep_best(other_steps || other_build);
}

// Without best.safetensors the best is chosen among the remaining validations, this step's
// included. So it is where the file is of a step after this checkpoint, unless the run comes to
// those weights again: `otherwise` says that its steps from here on are others.
void Trainer::keep_best(bool otherwise) {
  if (at_.best_step == 0) return;
  const std::string chosen_anew =
      "; the best weights so far are lost, and are chosen anew from this step on";
  try {
    const Progress best = to_progress(safetensors::read(folder_.file("best.safetensors")));
    if (!otherwise || (best.best_step == at_.best_step && best.best_averaged == at_.best_averaged))
      return;
    if (best.best_step == at_.step) {  // of these weights, whose validation came after the save
      at_.best_score = best.best_score;
      at_.best_loss = best.best_loss;
      at_.best_average_accuracy = best.best_average_accuracy;
      at_.best_step = best.best_step;
      at_.best_averaged = best.best_averaged;
      return;
    }
    display_.warn("'" + folder_.file("best.safetensors") + "' is of step " +
                  std::to_string(best.best_step) + ", after this checkpoint" + chosen_anew);
  } catch (const DataError& e) {
    display_.warn(e.what() + chosen_anew);
    if (folder_.has("best.safetensors")) folder_.set_aside("best.safetensors");
  }
  at_.best_score = -1;
  at_.best_step = 0;
  at_.best_averaged = false;
  at_.best_average_accuracy = NAN;
  best_is_lost_ = true;
}

}  // namespace skiff
