#include "data/tasks/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <sstream>
#include <utility>

#include "core/check.h"
#include "core/random.h"
#include "data/files/archive.h"
#include "data/files/binary_file.h"
#include "data/split.h"

namespace skiff::text {

namespace fs = std::filesystem;

namespace {

const std::vector<const char*> kPlaces = {"",     "aclImdb",     "imdb", "imdb/aclImdb",
                                          "text", "text/aclImdb"};
const std::vector<const char*> kArchives = {"aclImdb_v1.tar.gz", "aclImdb_v1.tgz", "aclImdb_v1.tar",
                                            "aclImdb.tar.gz", "aclImdb.tar"};
constexpr const char* kHint =
    "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz is the original";
constexpr int64_t kLongestReview = int64_t(1) << 20;  // bytes; the longest of IMDB has 14,000
constexpr int64_t kReviewsOfClass = 12500;            // in each split

// One of the four parts, in the order of the examples.
struct Part {
  const char* folder;
  const char* split;
  int32_t label;
};
constexpr std::array<Part, 4> kParts = {{{"train/neg", "train", 0},
                                         {"train/pos", "train", 1},
                                         {"test/neg", "test", 0},
                                         {"test/pos", "test", 1}}};

// A review's file, and none that a system or an archiver puts beside it.
bool is_review(const std::string& name) { return name.ends_with(".txt") && name[0] != '.'; }

std::vector<std::string> reviews_in(const fs::path& folder) {
  if (!is_folder(folder)) return {};
  std::vector<std::string> names = names_in(folder);
  std::erase_if(names, [](const std::string& name) { return !is_review(name); });
  return names;
}

// The number and file name of "<any folders>/train/neg/<name>"; 4 if it is no review.
size_t part_of(const std::string& path, std::string* name) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return kParts.size();
  *name = path.substr(slash + 1);
  if (!is_review(*name)) return kParts.size();
  const std::string folder = '/' + path.substr(0, slash);
  size_t i = 0;
  while (i < kParts.size() && !folder.ends_with(std::string("/") + kParts[i].folder)) ++i;
  return i;
}

using Counts = std::array<int64_t, 4>;  // of reviews in each part

// Calls use(i, text) for each review of part i, the parts in order and the names sorted, and
// refuse() for what cannot be read or used. Of an archive that is damaged, uses what comes before
// the damage.
template <class Use>
Counts read_reviews(const std::string& place, const Refuse& refuse, const Use& use, bool* damaged) {
  Counts counts{};
  const auto take = [&](size_t i, const std::string& file, const auto& text_of_file) {
    try {
      const std::string text = text_of_file();
      check<DataError>(!text.empty(), "the review is empty");
      use(i, text);
      ++counts[i];
    } catch (const DataError& error) {
      refuse(kParts[i].split, file, 0, error.what());
    }
  };
  std::map<std::pair<size_t, std::string>, std::string> texts;  // of an archive
  try {
    if (is_folder(place)) {
      for (size_t i = 0; i < kParts.size(); ++i) {
        const fs::path folder = fs::path(place) / kParts[i].folder;
        for (const std::string& name : reviews_in(folder)) {
          const std::string file = (folder / name).string();
          take(i, file, [&] { return read_file(file, kLongestReview); });
        }
      }
    } else {
      ArchiveReader archive(place);
      std::string name;
      while (archive.next()) {
        const size_t i = part_of(archive.name(), &name);
        if (i == kParts.size()) continue;
        try {
          texts[{i, name}] = archive.read_all(kLongestReview);
        } catch (const DataError& error) {  // too long; a damaged archive fails at next(), too
          refuse(kParts[i].split, archive.place(), 0, error.what());
        }
      }
    }
  } catch (const DataError& error) {
    refuse("train", place, 0, error.what());
    *damaged = true;
  }
  for (auto& [key, text] : texts) {
    const auto& [i, name] = key;
    std::string& content = text;
    take(i, place + ": " + kParts[i].folder + '/' + name,
         [&] { return std::exchange(content, {}); });
  }
  return counts;
}

// Empty when the counts are those of the published data.
std::string warning_of(const Counts& counts) {
  if (std::all_of(counts.begin(), counts.end(), [](int64_t n) { return n == kReviewsOfClass; })) {
    return "";
  }
  std::ostringstream text;
  text << "not the whole data set: " << counts[0] + counts[1] << " training and "
       << counts[2] + counts[3] << " test reviews instead of 25000 each";
  return text.str();
}

void hold_out(TaskData* data, double share) {
  const int64_t n = int64_t(data->train.size()), held = std::llround(share * double(n));
  check<UsageError>(held >= 1 && held < n, "text: val_split must leave reviews on both sides, got ",
                    share, " of ", n);
  std::vector<std::vector<int64_t>> parts = random_split({n - held, held});
  std::vector<Example> kept;
  for (auto& part : parts) std::sort(part.begin(), part.end());
  for (const int64_t i : parts[0]) kept.push_back(std::move(data->train[size_t(i)]));
  for (const int64_t i : parts[1]) data->val.push_back(std::move(data->train[size_t(i)]));
  data->train = std::move(kept);
}

}  // namespace

std::string find(const std::string& folder) {
  if (is_file(folder) && is_archive_name(folder)) return folder;
  const std::string found = first_place(folder, kPlaces, [](const fs::path& path) {
    return is_folder(path / "train/neg") || is_folder(path / "train/pos");
  });
  if (!found.empty()) return found;
  return first_file(folder, kPlaces, kArchives);
}

namespace {

TaskData read(const std::string& folder, const LoadOptions& options) {
  const std::string place = find(folder);
  check_found(place, "train/neg", folder, kPlaces,
              "nor the archive aclImdb_v1.tar.gz in one of them", kHint);
  TextEncoder encoder(options.encoding, options.max_length, options.min_frequency,
                      options.vocabulary);
  TaskData data;
  const auto use = [&](size_t i, const std::string& text) {
    const bool train = i < 2;
    Example example{{}, {}, kParts[i].label};
    example.tokens = encoder.read(text, train, &example.cut);
    (train ? data.train : data.test).push_back(std::move(example));
  };
  bool damaged = false;
  const Counts counts = read_reviews(place, throw_problem, use, &damaged);
  for (size_t i = 0; i < kParts.size(); ++i) {
    check<DataError>(counts[i] > 0, "'", place, "' has no reviews in ", kParts[i].folder, "; ",
                     kHint);
  }
  encoder.finish(&data);
  data.classes = kClasses;
  if (options.val_split > 0) {
    hold_out(&data, options.val_split);
    data.note = "validation is " + std::to_string(data.val.size()) + " of the training reviews";
  } else {
    data.val = data.test;
    data.val_is_test = true;
    data.note = "validation is the test split";
  }
  if (const std::string warning = warning_of(counts); !warning.empty()) data.note += "; " + warning;
  return data;
}

}  // namespace

TaskData load(const std::string& folder, const LoadOptions& options) {
  check<UsageError>(options.val_split >= 0 && options.val_split < 1,
                    "text: val_split must be in [0, 1), got ", options.val_split);
  return read_task("text", [&] { return read(folder, options); });
}

TaskReport check_files(const std::string& folder) {
  const std::string place = find(folder);
  if (place.empty()) return {};
  ReportBuilder report(place, kClasses, {"train", "test"});
  const Refuse refuse = report.refuse();
  bool damaged = false;
  const auto use = [&](size_t i, const std::string& text) {
    report.add_row(kParts[i].split, kParts[i].label, {count_characters(text)}, hash_name(text));
  };
  const Counts counts = read_reviews(place, refuse, use, &damaged);
  if (!report.any()) return {};  // an archive of other tasks
  for (size_t i = 0; i < kParts.size(); ++i) {
    if (counts[i] == 0 && !damaged)
      refuse(kParts[i].split, place + ": " + kParts[i].folder, 0, "there are no reviews");
  }
  report.add_note("validation is the test split, unless training reviews are held out");
  if (const std::string warning = warning_of(counts); !warning.empty()) report.add_note(warning);
  return report.finish();
}

// ---- The task

namespace {

Encoding encoding_of(const DataOptions& o) {
  return o.protocol == Protocol::Original ? Encoding::Original
         : o.bytes                        ? Encoding::Bytes
                                          : Encoding::Characters;
}

Example encode(std::string_view input, const std::vector<std::string>& vocabulary,
               const DataOptions& o) {
  check<DataError>(!input.empty(), "the review is empty");
  Example example;
  example.tokens = encode_text(input, encoding_of(o), o.max_length, vocabulary, &example.cut);
  return example;
}

}  // namespace

Task task() {
  return {.name = "text",
          .hint = "whether a film review is positive, from its characters",
          .origin =
              "put https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz there, as "
              "it is",
          .shape = {.vocab = 135, .classes = kClasses, .max_length = 4096},
          .class_names = {"negative", "positive"},
          .reads = {"max-length", "protocol", "bytes", "val-split"},
          .has_data =
              [](const std::string& folder) {
                return !find(folder).empty() && !is_archive_of_others(folder, "aclImdb");
              },
          .load =
              [](const DataOptions& o) {
                return load(o.folder, {.max_length = o.max_length,
                                       .encoding = encoding_of(o),
                                       .val_split = o.val_split,
                                       .vocabulary = o.vocabulary});
              },
          .check_files = check_files,
          .encode = encode,
          .mask_share = 0.15};
}

}  // namespace skiff::text
