#include "data/language/text_source.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "core/check.h"
#include "core/options.h"
#include "data/files/text_file.h"

namespace skiff {

namespace {

using Kind = Vocabulary::Kind;
using Names = std::vector<std::string>;

constexpr const char* kAccepted =
    "expected wiki.{train,valid,test}.tokens or .raw, train.bin and val.bin, enwik8, text8, "
    "input.txt, folders train and test of .txt files, .txt files, or else files such as .md, .tex, "
    ".html or .py, there or one level below, or an archive of them";

// What is text in a folder without .txt files.
constexpr const char* kTexts[] = {
    ".md", ".rst", ".tex", ".html", ".htm",  ".xml",  ".json", ".csv",  ".tsv",  ".log",   ".c",
    ".h",  ".cc",  ".cpp", ".hpp",  ".cu",   ".py",   ".rs",   ".go",   ".java", ".js",    ".ts",
    ".sh", ".rb",  ".pl",  ".lua",  ".toml", ".yaml", ".yml",  ".conf", ".el",   ".tokens"};

struct Single {
  const char* name;
  Kind kind;
  Shares shares;
  int64_t published_bytes;
};
// tinyshakespeare: the rule of nanoGPT, data/shakespeare_char/prepare.py. enwik8 and text8: 90, 5
// and 5 million (transformer-xl, prep_text8.py; awd-lstm-lm, prep_enwik8.py).
const Single kSingles[] = {
    {"enwik8", Kind::Bytes, {0.9, 0.05, 0.05}, 100000000},
    {"text8", Kind::Characters, {0.9, 0.05, 0.05}, 100000000},
    {"input.txt", Kind::Characters, {0.9, 0.1, 0}, 0},
    {"tinyshakespeare.txt", Kind::Characters, {0.9, 0.1, 0}, 1115394},
    {"tiny_shakespeare.txt", Kind::Characters, {0.9, 0.1, 0}, 1115394},
};

constexpr const char* kArchives[] = {
    "aclImdb_v1.tar.gz",
    "aclImdb_v1.tgz",
    "aclImdb_v1.tar",
    "enwik8.zip",
    "text8.zip",
    "wikitext-2-v1.zip",
    "wikitext-103-v1.zip",
    "wikitext-2-raw-v1.zip",
    "wikitext-103-raw-v1.zip",
};

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }
std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

const Single* single_of(const std::string& path) {
  std::string name = file_name(path);
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  for (const Single& single : kSingles)
    if (name == single.name) return &single;
  return nullptr;
}

// One text in one file.
TextLayout layout_of_file(const std::string& path) {
  TextLayout layout;
  layout.name = "text";
  layout.files[0] = {path};
  if (const Single* single = single_of(path)) {
    layout.name = single->name;
    layout.kind = single->kind;
    layout.shares = single->shares;
    layout.published_bytes = single->published_bytes;
  } else if (path.ends_with(".bin")) {
    layout.name = "token file";
    layout.kind = Kind::Ids;
  } else if (path.ends_with(".tokens")) {
    layout.kind = Kind::Words;
  }
  return layout;
}

// A data set whose files are its splits, some of which may be missing.
TextLayout split_files(const char* name, Kind kind, std::array<Names, 3> files,
                       const std::string& where, const char* const (&expected)[3]) {
  std::string present;
  for (const Names& names : files)
    if (present.empty() && !names.empty()) present = file_name(names[0]);
  for (const size_t split : {0, 1}) {
    check<DataError>(!files[split].empty(), where, ": ", name, ": there is no ", expected[split],
                     " beside ", present);
  }
  TextLayout layout;
  layout.name = name;
  layout.kind = kind;
  layout.split = TextLayout::Split::Files;
  if (files[2].empty()) layout.notes.push_back(std::string("there is no ") + expected[2]);
  layout.files = std::move(files);
  return layout;
}

// The data sets whose files are directly in `root` ("" or a folder with '/').
std::vector<TextLayout> layouts_in(const TextFiles& files, const std::string& root) {
  const std::string where = root.empty() ? files.place() : files.path_of(root);
  Names direct;
  for (const std::string& name : files.names())
    if (folder_of(name) == root) direct.push_back(name);
  const auto with = [&](const std::string& part, const std::string& ending) {
    Names found;
    for (const std::string& path : direct) {
      const std::string name = file_name(path);
      if (name.ends_with(ending) && name.find(part) != std::string::npos) found.push_back(path);
    }
    return found;
  };
  const auto wiki = [&](const std::string& ending) {
    return std::array{with("wiki.train", ending), with("wiki.valid", ending),
                      with("wiki.test", ending)};
  };
  const auto any = [](const std::array<Names, 3>& parts) {
    return !parts[0].empty() || !parts[1].empty() || !parts[2].empty();
  };
  if (const auto parts = wiki(".tokens"); any(parts)) {
    return {split_files("WikiText, words", Kind::Words, parts, where,
                        {"wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"})};
  }
  if (const auto parts = wiki(".raw"); any(parts)) {
    return {split_files("WikiText, raw", Kind::Bytes, parts, where,
                        {"wiki.train.raw", "wiki.valid.raw", "wiki.test.raw"})};
  }
  std::vector<TextLayout> layouts;
  for (const std::string& path : direct)
    if (single_of(path) != nullptr) layouts.push_back(layout_of_file(path));
  if (!layouts.empty()) return layouts;
  if (const std::array bins{with("train", ".bin"), with("val", ".bin"), with("test", ".bin")};
      any(bins)) {
    return {
        split_files("token files", Kind::Ids, bins, where, {"train.bin", "val.bin", "test.bin"})};
  }
  return {};
}

// Many small files below train and test: all of them are one corpus, and the last 5 % of each
// folder are for validation. Files beside folders (aclImdb's train/urls_pos.txt) are no texts.
std::vector<TextLayout> tree_in(const TextFiles& files, const std::string& root) {
  TextLayout layout;
  for (const char* split : {"train/", "test/"}) {
    Names flat, below;
    for (const std::string& name : files.names()) {
      if (!name.starts_with(root + split) || !name.ends_with(".txt")) continue;
      (folder_of(name) == root + split ? flat : below).push_back(name);
    }
    const Names& found = below.empty() ? flat : below;
    layout.files[0].insert(layout.files[0].end(), found.begin(), found.end());
  }
  if (layout.files[0].empty()) return {};
  std::sort(layout.files[0].begin(), layout.files[0].end());
  std::set<std::string> folders;
  for (const std::string& name : layout.files[0]) folders.insert(folder_of(name));
  layout.name = std::to_string(layout.files[0].size()) + " text files in " +
                std::to_string(folders.size()) + " folders";
  layout.split = TextLayout::Split::SharesOfFiles;
  layout.shares = {0.95, 0.05, 0};
  return {layout};
}

// nullptr when there is no layout; DataError when there are several to choose from.
const TextLayout* only_one(const TextFiles& files, const std::vector<TextLayout>& layouts) {
  if (layouts.empty()) return nullptr;
  std::string list;
  for (const TextLayout& layout : layouts) {
    const std::string& first = layout.files[0][0];
    const bool whole = layout.split == TextLayout::Split::Shares;
    list += (list.empty() ? "" : ", ") + files.path_of(whole ? first : folder_of(first)) + " (" +
            layout.name + ")";
  }
  check<DataError>(layouts.size() == 1, files.place(), ": there are ", layouts.size(),
                   " data sets: ", list, "; name one of them");
  return &layouts[0];
}

// The folders one level below, each with '/'.
Names folders_in(const TextFiles& files) {
  std::set<std::string> folders;
  for (const std::string& name : files.names()) {
    const size_t slash = name.find('/');
    if (slash != std::string::npos) folders.insert(name.substr(0, slash + 1));
  }
  return {folders.begin(), folders.end()};
}

std::string known_archive_in(const TextFiles& files) {
  Names found;
  for (const std::string& name : files.names()) {
    const bool known = std::find(std::begin(kArchives), std::end(kArchives), file_name(name)) !=
                       std::end(kArchives);
    if (known && std::count(name.begin(), name.end(), '/') <= 1) found.push_back(name);
  }
  if (found.empty()) return "";
  check<DataError>(found.size() == 1, files.place(), ": there are ", found.size(),
                   " archives of texts, such as ", found[0], " and ", found.back(),
                   "; name one of them");
  return files.path_of(found[0]);
}

TextLayout text_files_in(const TextFiles& files) {
  TextLayout layout;
  Names texts, others;
  for (const std::string& name : files.names()) {
    const bool text = std::any_of(std::begin(kTexts), std::end(kTexts),
                                  [&](const char* ending) { return name.ends_with(ending); });
    if (name.ends_with(".txt"))
      texts.push_back(name);
    else if (text)
      others.push_back(name);
  }
  if (texts.empty())
    texts.swap(others);
  else if (!others.empty())
    layout.notes.push_back(std::to_string(others.size()) +
                           " other texts beside the .txt files are left out, such as " + others[0]);
  if (files.kind() == TextFiles::Kind::Archive && files.names().size() == 1) texts = files.names();
  check<DataError>(!texts.empty(), files.place(), ": no text found; ", kAccepted);
  if (texts.size() == 1) {
    TextLayout one = layout_of_file(texts[0]);
    one.notes.insert(one.notes.end(), layout.notes.begin(), layout.notes.end());
    return one;
  }
  layout.name = std::to_string(texts.size()) + " text files";
  layout.files[0] = std::move(texts);
  return layout;
}

}  // namespace

TextSource find_text(const std::string& place) {
  TextFiles files(place);
  if (files.kind() == TextFiles::Kind::File) {
    TextLayout layout = layout_of_file(files.names()[0]);
    return {std::move(files), std::move(layout)};
  }
  for (const Names& roots : {Names{""}, folders_in(files)}) {
    std::vector<TextLayout> layouts;
    for (const std::string& root : roots) {
      std::vector<TextLayout> found = layouts_in(files, root);
      if (found.empty()) found = tree_in(files, root);
      layouts.insert(layouts.end(), found.begin(), found.end());
    }
    if (const TextLayout* layout = only_one(files, layouts)) return {std::move(files), *layout};
  }
  if (files.kind() == TextFiles::Kind::Folder) {
    const std::string archive = known_archive_in(files);
    if (!archive.empty()) return find_text(archive);
  }
  TextLayout layout = text_files_in(files);
  return {std::move(files), std::move(layout)};
}

Shares parse_shares(const std::string& text) {
  Shares shares{};
  size_t count = 0, at = 0;
  const Field field{.name = "split", .help = "", .low = 0, .high = 1};
  while (at <= text.size()) {
    const size_t end = std::min(text.find(',', at), text.size());
    check<UsageError>(count < shares.size(), "--split: at most three shares, got ", quoted(text));
    shares[count++] = parse_number(field, text.substr(at, end - at), false);
    at = end + 1;
  }
  const double sum = shares[0] + shares[1] + shares[2];
  check<UsageError>(count >= 2 && std::abs(sum - 1) < 1e-9 && shares[0] > 0 && shares[1] > 0,
                    "--split: shares of training, validation and test must sum to 1, and the "
                    "first two be above 0, got ",
                    quoted(text));
  return shares;
}

std::array<int64_t, 2> borders(const Shares& shares, int64_t n) {
  // A share such as 0.7 + 0.1 may be a rounding error below what was meant.
  const auto part = [&](double share) {
    return std::min(n, int64_t(std::floor(share * double(n) + 1e-6)));
  };
  return {part(shares[0]), shares[2] == 0 ? n : part(shares[0] + shares[1])};
}

}  // namespace skiff
