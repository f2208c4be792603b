// examples/language: what train_lm, evaluate_lm and lm_data are made of: options and recipes, a
// run, streams, evaluation and extrapolation, the text that a model writes. What train_lra needs as
// well belongs in examples/train, what reads texts in data/language.
//
// One run of train_lm: a causal or a masked language model on a text.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "data/language/corpus.h"
#include "data/language/masking.h"
#include "data/language/windows.h"
#include "examples/language/evaluation.h"
#include "examples/language/options.h"
#include "examples/language/result.h"
#include "examples/train/trainer.h"
#include "layers/model_file.h"

namespace skiff {

class LmRun : private Objective {
 public:
  explicit LmRun(const LmCommand& command);  // takes the run folder

  // The result, or nothing when the run was stopped before its end.
  std::optional<LmResult> operator()();
  // What could not be written though the run went on; empty: nothing.
  std::string write_error() const { return trainer_ ? trainer_->write_error() : ""; }

 private:
  void next_batch() override;
  Forward forward(Range windows) override;
  int64_t terms() const override { return batch_.targets(); }
  int64_t tokens() const override { return batch_.input.size(); }
  int64_t position() const override { return batches_->position(); }
  void set_position(int64_t position) override { batches_->set_position(position); }
  int64_t batches_per_epoch() const override { return batches_->batches_per_epoch(); }
  std::optional<Scores> validate() override;
  void after_step(int64_t step) override;
  double validations_after_training() const override;
  std::map<std::string, std::string> metadata() const override;
  void check_resumable(const safetensors::File& checkpoint) const override;
  std::string title() const override;
  Baseline baseline() const override { return {.name = "n-grams", .loss = counting_.val}; }
  void write_result() override;

  bool has_result();
  void load_data();
  void count_ngrams();
  void build();
  void describe() const;
  void start_from(const std::string& checkpoint);
  int64_t batch_tokens() const;
  int64_t sample_every() const;
  std::optional<LanguageEvaluation> evaluate_on(const ScoredText& text, EvaluationRule rule,
                                                const std::string& doing);
  EvaluationProgress showing(const std::string& doing, int64_t targets);
  std::string write_text();
  LmResult facts() const;
  void finish();

  LmOptions options_;
  SessionOptions session_;
  RunFolder folder_;
  std::string device_note_;  // why the CPU is used
  Device device_;
  FolderUse use_;
  bool other_data_ = false;    // --data names another place than the run began with
  bool other_report_ = false;  // something else is to be reported of the same weights
  Corpus corpus_;
  std::string text_;                 // its fingerprint
  ScoredText watched_, val_, test_;  // of validations; of the end
  Counting counting_;
  MaskOptions mask_;
  std::optional<Parameters> parameters_;
  ModelCard card_;
  std::optional<LanguageModel> model_;
  std::optional<WindowBatches> batches_;
  TokenBatch batch_;
  Display* display_ = nullptr;
  std::optional<Trainer> trainer_;
  PeakMemory peak_before_;  // before this program resumed the run
  std::optional<LmResult> result_;
};

}  // namespace skiff
