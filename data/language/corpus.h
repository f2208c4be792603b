// data/language: text for language models. What belongs here: finding and reading texts and token
// files (text_files, text_source, token_reader), tokens and vocabularies, windows for training and
// for evaluation, masks, and the n-gram baseline. Nothing here knows layers.
//
// Corpus: a text as tokens, in three splits.
//   const Corpus corpus = load_corpus({.place = "data/enwik8.zip"});
//   WindowBatches batches(corpus.train, {.length = 256}, 64, seed);      // windows.h
//   const EvaluationWindows windows(corpus.val, corpus.start(), {.length = 256});  // evaluation.h
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "data/language/options.h"
#include "data/language/tokens.h"
#include "data/language/vocabulary.h"

namespace skiff {

struct TextSplit : TokenSpan {
  int64_t text_bytes = 0;  // of the same text; 0: not known (token files)
};

struct Corpus {
  std::string place;  // where it was found
  std::string name;   // what it is
  Vocabulary vocabulary;
  TextSplit train, val, test;      // parts of one array; test may be empty
  std::vector<std::string> notes;  // what is unusual, but can be used

  // The token in front of a text that is evaluated, so that its first token is predicted as well:
  // <eos> for words; -1: none, and the first token is not predicted.
  int32_t start() const { return vocabulary.eos(); }
};

// DataError, with the place and the reason, for what cannot be read. UsageError for options that
// do not fit the data.
Corpus load_corpus(const LanguageDataOptions& options);

// The same text in the ids of another vocabulary of the same kind. Words that it lacks become
// <unk>, which a note counts; how many bytes of text were scored is then not known. DataError,
// which names some of them, for characters that it lacks, and words where it has no <unk>.
Corpus with_vocabulary(const Corpus& corpus, const Vocabulary& vocabulary);

// A short text that tells corpora apart, so that a run is not resumed on other data:
//   "1115394 tokens of 65 characters, CRC-32 1a2b3c4d"
std::string fingerprint(const Corpus& corpus);

}  // namespace skiff
