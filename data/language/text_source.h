// Which data set is at a place, found by the names of its files (the table in data/README.md), and
// which files are training, validation and test.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "data/language/text_files.h"
#include "data/language/vocabulary.h"

namespace skiff {

inline constexpr const char* kSplitNames[3] = {"train", "val", "test"};
using Shares = std::array<double, 3>;

struct TextLayout {
  std::string name;                                 // "WikiText, words"
  Vocabulary::Kind kind = Vocabulary::Kind::Bytes;  // the usual units
  enum class Split {
    Files,          // files[0..2] are the splits
    Shares,         // files[0] are one text, cut by shares
    SharesOfFiles,  // the files of each folder of files[0] are cut by shares
  };
  Split split = Split::Shares;
  std::array<std::vector<std::string>, 3> files;
  Shares shares = {0.9, 0.05, 0.05};  // the usual ones
  int64_t published_bytes = 0;        // 0: not known
  std::vector<std::string> notes;
};

struct TextSource {
  TextFiles files;
  TextLayout layout;
};

// DataError when no text is found, when there are several data sets to choose from, or when one
// lacks a file.
TextSource find_text(const std::string& place);

// "0.9,0.05,0.05", or two shares when there is no test. UsageError unless they sum to 1.
Shares parse_shares(const std::string& text);

// Where validation and test begin among n tokens or files: share by share, rounded down.
std::array<int64_t, 2> borders(const Shares& shares, int64_t n);

}  // namespace skiff
