// Text: the Large Movie Review Dataset (IMDB; Maas et al., 2011) character by character, as in the
// Long Range Arena. Class 0 is a negative review, 1 a positive one. Reads the archive that users
// download, aclImdb_v1.tar.gz, or the folder in it: {train,test}/{neg,pos}/<id>_<stars>.txt.
#pragma once

#include <cstdint>
#include <string>

#include "data/characters.h"
#include "data/tasks.h"

namespace skiff::text {

inline constexpr int64_t kClasses = 2;

// The folder that holds train and test: `folder` itself, or in it aclImdb, imdb, imdb/aclImdb,
// text, text/aclImdb. Else an archive there: aclImdb_v1.tar.gz, aclImdb.tar.gz or the like. Empty
// if there is none. A path of an archive is found as it is.
std::string find(const std::string& folder);

struct LoadOptions {
  int64_t max_length = 4096;   // longer reviews lose their end; end mark included
  int64_t min_frequency = 15;  // of a character in the vocabulary (Encoding::Characters)
  Encoding encoding =
      Encoding::Characters;  // Original: max_length is 1000 there, 4000 in the paper
  double val_split =
      0;  // share of the training reviews for validation; 0: the test split, as published
  std::vector<std::string> vocabulary = {};  // in place of that of the training split
};

// Reviews are in the order of their names, train/neg before train/pos, whatever the source. The
// held-out reviews are drawn by random_split with seed 42; they count in the vocabulary.
TaskData load(const std::string& folder, const LoadOptions& options = {});

// Reads every review of both splits, and goes on after a bad one.
TaskReport check_files(const std::string& folder);

Task task();  // its row in the table of tasks

}  // namespace skiff::text
