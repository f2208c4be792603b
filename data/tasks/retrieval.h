// Retrieval: pairs of papers of the ACL Anthology Network (AAN) as in the Long Range Arena; class
// 1: one cites the other. Files new_aan_pairs.{train,eval,test}.tsv without a header: label 0.0
// or 1.0, two ids, and two texts in the printed form of Python byte strings, b'...' or b"...".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data/characters.h"
#include "data/tasks.h"

namespace skiff::retrieval {

inline constexpr int64_t kClasses = 2;

// The folder that holds new_aan_pairs.train.tsv: `folder` itself, or in it aan, retrieval,
// lra_release/lra_release/tsv_data, lra_release/tsv_data, tsv_data. Else the archive of
// find_release(). Empty if there is none. A path of one of the files or of an archive is found as
// it is.
std::string find(const std::string& folder);

// b'a\n\xc3\xa9' without quotes and escapes, as bytes. DataError if it is no such literal.
std::string unescape(std::string_view literal);
// The literal of these bytes, as Python prints it.
std::string literal_of(std::string_view bytes);

struct LoadOptions {
  int64_t max_length = 4000;  // longer documents lose their end; end mark included
  int64_t min_frequency = 1;  // of a character in the vocabulary (Encoding::Characters)
  Encoding encoding = Encoding::Characters;
  // The text as the authors wrote it. Published results are on the printed form, b' and escapes
  // included. Bytes that are not UTF-8 become U+FFFD.
  bool decode = false;
  bool cache = true;                         // keep what was read from an archive (data/cache.h)
  std::vector<std::string> vocabulary = {};  // in place of that of the training split
};

// Documents are Example::tokens (left) and second (right). The published loader calls the split
// `eval` validation. An archive is read as a stream.
TaskData load(const std::string& folder, const LoadOptions& options = {});

// Reads every row of the three files, and goes on after a bad one.
TaskReport check_files(const std::string& folder);

Task task();  // its row in the table of tasks

}  // namespace skiff::retrieval
