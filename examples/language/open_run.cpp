#include "examples/language/open_run.h"

#include "examples/train/checkpoint.h"
#include "examples/train/open_run.h"
#include "layers/model_file.h"

namespace skiff {

namespace {

constexpr const char* kVocabularyKey = "text.vocabulary";
constexpr const char* kFingerprintKey = "text.fingerprint";

// A text that cannot be read as the model reads it.
Corpus load_for_model(const LanguageDataOptions& options, const Vocabulary& vocabulary) {
  try {
    return load_corpus(options);
  } catch (const UsageError& e) {  // of options that were chosen here, not by the user
    fail<DataError>("'", options.place, "' cannot be read as ", vocabulary.name(),
                    ", which the model reads: ", e.what());
  }
}

// f(prefix, group) for the groups of options that a checkpoint keeps beside those of its model.
template <class O, class F>
void for_each_group(O& o, const F& f) {
  f("data", o.data), f("windows", o.windows), f("train", o.train), f("evaluation", o.evaluation);
}

}  // namespace

Metadata lm_run_metadata(const ModelCard& card, const Vocabulary& vocabulary,
                         const LmOptions& options, const std::string& fingerprint) {
  Metadata metadata;
  add_card(metadata, card);
  metadata[kVocabularyKey] = vocabulary.text();
  for_each_group(options, [&](const char* prefix, const auto& group) {
    add_options(metadata, prefix, group);
  });
  metadata[kFingerprintKey] = fingerprint;
  metadata["text.place"] = to_metadata_text(options.data.place);
  metadata.erase("train.steps");
  leave_out_defaults(metadata);
  return metadata;
}

std::optional<Vocabulary> vocabulary_of(const Metadata& metadata, const std::string& file) {
  const auto found = metadata.find(kVocabularyKey);
  if (found == metadata.end()) return std::nullopt;
  return Vocabulary::from_text(found->second, file + ": the vocabulary");
}

OpenedLmRun open_lm_run(const std::string& path, Device device) {
  const CheckpointPlace place = checkpoint_at(path);
  OpenedLmRun run{place.file, place.folder, {}, open_language_model(place.file, device), {}};
  const Metadata& metadata = run.opened.metadata;
  const std::optional<Vocabulary> vocabulary = vocabulary_of(metadata, place.file);
  check<DataError>(vocabulary.has_value(), place.file,
                   ": a checkpoint of train_lm is needed; this one holds no vocabulary");
  run.vocabulary = *vocabulary;
  for_each_group(run.options, [&](const char* prefix, auto& group) {
    read_options(metadata, place.file, prefix, group);
  });
  if (const auto found = metadata.find("text.place"); found != metadata.end())
    run.options.data.place = from_metadata_text(found->second);
  static_cast<ModelOptions&>(run.options.model) = run.opened.card.options;
  run.options.language = *run.opened.card.language;
  return run;
}

void check_finite(const OpenedLmRun& run) {
  for (const Parameter& p : run.opened.parameters->all())
    check<NumericalError>(all_finite(p.variable.value()), run.checkpoint, ": the parameter ",
                          p.name, " is not finite, so the model can write nothing");
}

Corpus corpus_of(const OpenedLmRun& run, const std::string& place, bool whole) {
  LanguageDataOptions options = run.options.data;
  options.whole = whole;
  if (whole) options.split.clear();
  // What the model has never seen is <unk> to it, or an error: text of its validation, too.
  const bool other = whole || !place.empty();
  if (other) options.own_vocabulary = false;
  if (place.empty()) {
    const std::string own = data_of_training(run.folder);
    if (!own.empty()) options.place = own;
  } else {
    using Kind = Vocabulary::Kind;
    const Kind kind = run.vocabulary.kind();
    options.place = place;
    options.vocab = kind == Kind::Ids ? run.vocabulary.size() : 0;
    if (kind != Kind::Ids)
      options.units = kind == Kind::Bytes   ? Units::Bytes
                      : kind == Kind::Words ? Units::Words
                                            : Units::Characters;
  }
  Corpus corpus = place.empty() ? load_corpus(options) : load_for_model(options, run.vocabulary);
  if (other && corpus.vocabulary.kind() != Vocabulary::Kind::Ids)
    corpus = with_vocabulary(corpus, run.vocabulary);
  check<DataError>(corpus.vocabulary == run.vocabulary, "the text in '", options.place,
                   "' gives other ids to its tokens than the text that '", run.checkpoint,
                   "' was trained on; it has ", corpus.vocabulary.size(), " ",
                   corpus.vocabulary.name(), ", that one had ", run.vocabulary.size(), " ",
                   run.vocabulary.name());
  if (other) return corpus;
  const auto then = run.opened.metadata.find(kFingerprintKey);
  const std::string now = fingerprint(corpus);
  check<DataError>(then == run.opened.metadata.end() || then->second == now, "'", options.place,
                   "' has changed since '", run.checkpoint, "' was trained on it: it has ", now,
                   ", and had ", then == run.opened.metadata.end() ? "" : then->second,
                   ". So its splits may hold text of the training; with --data it is scored as any "
                   "other text");
  return corpus;
}

}  // namespace skiff
