// Runs and checkpoints of train_lm, opened again for use. A checkpoint is enough by itself: it
// holds the model, its options and the vocabulary.
#pragma once

#include <optional>
#include <string>

#include "data/language/corpus.h"
#include "examples/language/options.h"
#include "layers/model_file.h"

namespace skiff {

// What a checkpoint of train_lm says besides the position of the run. Not the number of steps: a
// run can be made longer. `fingerprint` is that of the text (data/language/corpus.h).
Metadata lm_run_metadata(const ModelCard& card, const Vocabulary& vocabulary,
                         const LmOptions& options, const std::string& fingerprint);
// Nothing for a file without a vocabulary. DataError for one that cannot be read.
std::optional<Vocabulary> vocabulary_of(const Metadata& metadata, const std::string& file);

struct OpenedLmRun {
  std::string checkpoint;  // path of the file
  std::string folder;      // that it lies in
  LmOptions options;       // as far as they shape the result
  OpenedLanguageModel opened;
  Vocabulary vocabulary;

  LanguageModel& model() const { return *opened.model; }
};

// `path`: a run folder, whose best weights are taken, or a checkpoint.
OpenedLmRun open_lm_run(const std::string& path, Device device = Device::CPU);
// NumericalError that names the first parameter which holds a NaN or an infinity.
void check_finite(const OpenedLmRun& run);

// The text of a run's options; DataError if its vocabulary or its tokens are not those of the run.
// Or the text of `place`, if that is not empty, in the units and ids of the run (with_vocabulary).
// whole: without splits, as `train`, in the ids of the run.
Corpus corpus_of(const OpenedLmRun& run, const std::string& place, bool whole = false);

}  // namespace skiff
