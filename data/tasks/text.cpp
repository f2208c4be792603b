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
#include "data/tasks.h"

namespace skiff::text {

namespace fs = std::filesystem;

namespace {

const std::vector<const char*> kPlaces = {"",     "aclImdb",     "imdb", "imdb/aclImdb",
                                          "text", "text/aclImdb"};
constexpr std::array<const char*, 5> kArchives = {
    "aclImdb_v1.tar.gz", "aclImdb_v1.tgz", "aclImdb_v1.tar", "aclImdb.tar.gz", "aclImdb.tar"};
constexpr const char* kHint =
    "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz is the original";
constexpr int64_t kLongestReview = int64_t(1) << 20;  // bytes; the longest of IMDB has 14,000
constexpr int64_t kReviewsOfClass = 12500;            // in each split

// One of the four parts, in the order of the examples.
struct Part {
  const char* folder;
  bool train;
  int32_t label;
};
constexpr std::array<Part, 4> kParts = {{{"train/neg", true, 0},
                                         {"train/pos", true, 1},
                                         {"test/neg", false, 0},
                                         {"test/pos", false, 1}}};

// A review's file, and none that a system or an archiver puts beside it.
bool is_review(const std::string& name) { return name.ends_with(".txt") && name[0] != '.'; }

std::vector<std::string> reviews_in(const fs::path& folder) {
  if (!is_folder(folder)) return {};
  std::vector<std::string> names = names_in(folder);
  std::erase_if(names, [](const std::string& name) { return !is_review(name); });
  return names;
}

// The part and file name of "<any folders>/train/neg/<name>"; nullptr if it is no review.
const Part* part_of(const std::string& path, std::string* name) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return nullptr;
  *name = path.substr(slash + 1);
  if (!is_review(*name)) return nullptr;
  const std::string folder = '/' + path.substr(0, slash);
  for (const Part& part : kParts) {
    if (folder.ends_with(std::string("/") + part.folder)) return &part;
  }
  return nullptr;
}

// Calls take(part, file, text) for each review, the parts in order and the names sorted, or
// refuse(part, file, reason) where it cannot be read. Of an archive that is damaged, calls
// damaged(error) and takes what comes before the damage.
template <class Take, class Refuse, class Damaged>
void for_each_review(const std::string& place, const Take& take, const Refuse& refuse,
                     const Damaged& damaged) {
  if (is_folder(place)) {
    for (const Part& part : kParts) {
      const fs::path folder = fs::path(place) / part.folder;
      for (const std::string& name : reviews_in(folder)) {
        const std::string file = (folder / name).string();
        std::string text;
        try {
          text = read_file(file, kLongestReview);
        } catch (const DataError& error) {
          refuse(part, file, error.what());
          continue;
        }
        take(part, file, text);
      }
    }
    return;
  }
  std::map<std::pair<const Part*, std::string>, std::string> texts;
  try {
    ArchiveReader archive(place);
    std::string name;
    while (archive.next()) {
      const Part* part = part_of(archive.name(), &name);
      if (part != nullptr) texts[{part, name}] = archive.read_all(kLongestReview);
    }
  } catch (const DataError& error) {
    damaged(error);
  }
  for (auto& [key, text] : texts) {
    take(*key.first, place + ": " + key.first->folder + '/' + key.second, std::exchange(text, {}));
  }
}

std::string find_or_fail(const std::string& folder) {
  const std::string place = find(folder);
  check<DataError>(!place.empty(), "text: cannot find train/neg in '", folder,
                   "', nor there in aclImdb, imdb, imdb/aclImdb, text or text/aclImdb, nor the "
                   "archive aclImdb_v1.tar.gz in one of them; ",
                   kHint);
  return place;
}

// Empty when the counts are those of the published data.
std::string warning_of(const std::array<int64_t, 4>& counts) {
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
  for (const char* place : kPlaces) {
    for (const char* archive : kArchives) {
      const fs::path path = fs::path(folder) / place / archive;
      if (is_file(path)) return path.string();
    }
  }
  return {};
}

TaskData load(const std::string& folder, const LoadOptions& options) {
  check<UsageError>(options.val_split >= 0 && options.val_split < 1,
                    "text: val_split must be in [0, 1), got ", options.val_split);
  const std::string place = find_or_fail(folder);
  TextEncoder encoder(options.encoding, options.max_length, options.min_frequency);
  TaskData data;
  std::array<int64_t, 4> counts{};
  const auto refuse = [](const Part&, const std::string& file, const std::string& reason) {
    fail<DataError>("text: ", file, ": ", reason);
  };
  const auto take = [&](const Part& part, const std::string& file, const std::string& text) {
    if (text.empty()) refuse(part, file, "the review is empty");
    Example example{{}, {}, part.label};
    try {
      example.tokens = encoder.read(text, part.train, &example.cut);
    } catch (const DataError& error) {
      refuse(part, file, error.what());
    }
    (part.train ? data.train : data.test).push_back(std::move(example));
    ++counts[size_t(&part - kParts.data())];
  };
  for_each_review(place, take, refuse, [](const DataError&) { throw; });
  for (size_t i = 0; i < kParts.size(); ++i) {
    check<DataError>(counts[i] > 0, "text: '", place, "' has no reviews in ", kParts[i].folder,
                     "; ", kHint);
  }
  encoder.finish(&data);
  data.classes = kClasses;
  std::ostringstream note;
  if (options.val_split > 0) {
    hold_out(&data, options.val_split);
    note << "validation is " << data.val.size() << " of the training reviews";
  } else {
    data.val = data.test;
    data.val_is_test = true;
    note << "validation is the test split";
  }
  if (const std::string warning = warning_of(counts); !warning.empty()) note << "; " << warning;
  data.note = note.str();
  return data;
}

TaskReport check_files(const std::string& folder) {
  const std::string place = find(folder);
  if (place.empty()) return {};
  ReportBuilder report(place, kClasses, {"train", "test"});
  std::array<int64_t, 4> counts{};
  const auto split_of = [](const Part& part) { return part.train ? "train" : "test"; };
  const auto refuse = [&](const Part& part, const std::string& file, const std::string& reason) {
    report.add_problem(split_of(part), file, 0, reason);
  };
  const auto take = [&](const Part& part, const std::string& file, const std::string& text) {
    if (text.empty()) return refuse(part, file, "the review is empty");
    try {
      report.add_row(split_of(part), part.label, {count_characters(text)}, hash_name(text));
    } catch (const DataError& error) {
      return refuse(part, file, error.what());
    }
    ++counts[size_t(&part - kParts.data())];
  };
  const auto damaged = [&](const DataError& error) { refuse(kParts[0], place, error.what()); };
  try {
    for_each_review(place, take, refuse, damaged);
    if (!report.any()) return {};  // an archive of other tasks
    for (size_t i = 0; i < kParts.size(); ++i) {
      if (counts[i] == 0) refuse(kParts[i], kParts[i].folder, "there are no reviews");
    }
  } catch (const DataError& error) {  // a folder that cannot be read
    damaged(error);
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
          .has_data = [](const std::string& folder) { return !find(folder).empty(); },
          .load =
              [](const DataOptions& o) {
                return load(o.folder, {.max_length = o.max_length,
                                       .encoding = encoding_of(o),
                                       .val_split = o.val_split});
              },
          .check_files = check_files,
          .encode = encode};
}

}  // namespace skiff::text
