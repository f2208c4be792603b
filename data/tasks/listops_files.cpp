// The files of ListOps: written, read as tokens and as ids, checked.
#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>

#include "core/check.h"
#include "core/io/atomic_file.h"
#include "data/cache.h"
#include "data/files/archive.h"
#include "data/files/binary_file.h"
#include "data/files/text_file.h"
#include "data/tasks/listops.h"
#include "data/tasks/split_files.h"

namespace skiff::listops {

namespace fs = std::filesystem;

namespace {

const SplitFiles& split_files() {
  static const SplitFiles files = {
      {{{"train", "basic_train.tsv"}, {"val", "basic_val.tsv"}, {"test", "basic_test.tsv"}}},
      {"", "listops", "lra_release/lra_release/listops-1000", "lra_release/listops-1000",
       "listops-1000"},
      "'lra_data generate listops --out DIR' writes the files",
      /*deepest=*/true};
  return files;
}

int parse_label(std::string_view text) {
  int label = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, label);
  check<DataError>(!text.empty() && error == std::errc() && rest == end,
                   "the target must be an integer, got ", quoted(text));
  check<DataError>(label >= 0 && label < kClasses, "the target must be in 0..9, got ",
                   quoted(text));
  return label;
}

void check_value(const Record& row, std::string_view source) {
  const int value = evaluate(row.tokens);
  const std::string original = to_source(row.tokens);
  if (original != source) {
    const size_t column =
        size_t(std::mismatch(source.begin(), source.end(), original.begin(), original.end()).first -
               source.begin());
    fail<DataError>("the parentheses do not match the operators, at character ", column + 1, ": ",
                    quoted(source.substr(column)));
  }
  check<DataError>(value == row.label, "the target must be the value ", value,
                   " of the source, got '", row.label, "'");
}

Record parse_row(std::string_view line, int64_t number, bool check_values) {
  check<DataError>(!line.empty(), "the line is empty");
  const int64_t columns = 1 + std::count(line.begin(), line.end(), '\t');
  check<DataError>(columns == 2, "2 columns are needed, got ", columns, ": ", quoted(line));
  const std::string_view source = line.substr(0, line.find('\t'));
  Record row{number, parse(source), parse_label(line.substr(source.size() + 1))};
  if (check_values) check_value(row, source);
  return row;
}

// Calls take(Record&&) for each good line and refuse(line, reason) for each bad one.
template <class Take, class Refuse>
void scan(LineReader& reader, bool check_values, const Take& take, const Refuse& refuse) {
  std::string_view line;
  if (!reader.next(&line)) return refuse(int64_t(0), std::string("the file is empty"));
  if (line != "Source\tTarget") {
    return refuse(int64_t(1), "the header must be 'Source<TAB>Target', got " + quoted(line));
  }
  while (reader.next(&line)) {
    Record row;
    try {
      row = parse_row(line, reader.line(), check_values);
    } catch (const DataError& error) {
      refuse(reader.line(), error.what());
      continue;
    }
    take(std::move(row));
  }
  if (reader.line() == 1) refuse(int64_t(0), std::string("the file has a header but no rows"));
}

}  // namespace

std::vector<Record> read_tsv(const std::string& file, bool check_values) {
  return read_task("listops", [&] {
    check<DataError>(is_there(file), "cannot find '", file, "'; ", split_files().hint);
    std::vector<Record> rows;
    LineReader reader(file);
    scan(
        reader, check_values, [&](Record&& row) { rows.push_back(std::move(row)); },
        [&](int64_t line, const std::string& reason) { throw_problem("", file, line, reason); });
    return rows;
  });
}

std::string find(const std::string& folder) { return split_files().find(folder); }

namespace {

// Of an expression: the place of its root among these; 0: a digit, without any operator.
constexpr std::string_view kRoots = "0nxds";
uint16_t group_of(const Tokens& tokens) {
  const size_t root = kRoots.find(tokens[0]);
  return uint16_t(root == std::string_view::npos ? 0 : root);
}

// The codes of an expression and the end mark: an example that has no ids yet.
Example to_codes(const Tokens& tokens, int label, int64_t max_length, bool eos) {
  const size_t size = std::min(tokens.size(), size_t(max_length - eos));
  std::vector<uint8_t> codes(tokens.begin(), tokens.begin() + int64_t(size));
  if (eos) codes.push_back(kEosId);
  return {Elements(codes), {}, label, size < tokens.size(), group_of(tokens)};
}

// By code, and for the end mark.
std::vector<uint16_t> ids_of_codes(const std::vector<std::string>& vocabulary) {
  std::vector<uint16_t> ids(128, kUnknownId);
  ids[kEosId] = kEosId;
  for (const char code : kCodes) {
    const auto entry = std::find(vocabulary.begin(), vocabulary.end(), name_of(code));
    if (entry != vocabulary.end()) ids[size_t(code)] = uint16_t(entry - vocabulary.begin());
  }
  return ids;
}

TaskData read(const std::string& place, const LoadOptions& options) {
  TaskData data;
  std::vector<Example>* const examples_of_split[] = {&data.train, &data.val, &data.test};
  split_files().read(
      place, [&](size_t i, LineReader& reader, const SplitFiles::RefuseLine& refuse) {
        examples_of_split[i]->clear();
        const auto take = [&](Record&& row) {
          examples_of_split[i]->push_back(
              to_codes(row.tokens, row.label, options.max_length, options.append_eos));
        };
        scan(reader, options.check_values, take, refuse);
      });

  std::array<int64_t, 128> count_of_code{};
  for (const Example& example : data.train) {
    for (const uint16_t code : example.tokens.values()) ++count_of_code[code];
  }
  std::map<std::string, int64_t> counts;
  for (const char code : kCodes) counts[std::string(name_of(code))] = count_of_code[size_t(code)];
  data.vocabulary = options.vocabulary.empty() ? make_vocabulary(counts, options.min_frequency)
                                               : options.vocabulary;

  const std::vector<uint16_t> ids = ids_of_codes(data.vocabulary);
  for (auto* examples : {&data.train, &data.val, &data.test}) {
    for (Example& example : *examples) example.tokens = example.tokens.mapped(ids);
  }
  data.vocab = int64_t(data.vocabulary.size());
  data.classes = kClasses;
  data.max_length = options.max_length;
  data.pad_to = options.padded ? options.max_length : 0;
  return data;
}

}  // namespace

TaskData load(const std::string& folder, const LoadOptions& options) {
  check<UsageError>(options.max_length >= 2, "listops: the max length must be at least 2, got ",
                    options.max_length);
  return read_task("listops", [&] {
    const std::string place = split_files().find_or_fail(folder);
    std::ostringstream all_options;
    all_options << options.max_length << ' ' << options.min_frequency << ' ' << options.append_eos
                << ' ' << options.padded;
    return cached(options.cache && !options.check_values && is_file(place),
                  {place, "listops", all_options.str()}, options.vocabulary,
                  [&] { return read(place, options); });
  });
}

TaskReport check_files(const std::string& folder) {
  const std::string place = find(folder);
  if (place.empty()) return {};
  ReportBuilder report(place, kClasses);
  const auto check = [&](size_t i, LineReader& reader, const SplitFiles::RefuseLine& refuse) {
    const auto take = [&](Record&& row) {
      report.add_row(split_files().files[i].split, row.label, {int64_t(row.tokens.size())},
                     hash_name(row.tokens));
    };
    scan(reader, true, take, refuse);
  };
  if (!split_files().check(place, check, &report)) return {};  // an archive of other tasks
  return report.finish();
}

namespace {

// Removes a folder that was made for nothing: what it is for has failed before the first file.
struct NewFolder {
  const std::string& folder;
  bool made;
  ~NewFolder() {
    std::error_code ignored;
    if (made) fs::remove(folder, ignored);  // only an empty one
  }
};

}  // namespace

Generated generate(const std::string& folder, uint64_t seed, const Counts& counts,
                   const Limits& limits, bool overwrite,
                   const std::function<void(int64_t, int64_t)>& progress) {
  const std::array<int64_t, 3> sizes = {counts.train, counts.val, counts.test};
  for (size_t i = 0; i < sizes.size(); ++i) {
    check<UsageError>(sizes[i] >= 1 && sizes[i] <= 100000000, "listops: the number of ",
                      split_files().files[i].split, " examples must be in 1..100000000, got ",
                      sizes[i]);
  }
  Generator generator(seed, limits);
  std::error_code error;
  const bool made = fs::create_directories(folder, error);
  check<IoError>(!error, "cannot make the folder '", folder, "': ", error.message());
  const NewFolder unless_empty{folder, made};
  const FolderLock lock(folder);
  std::array<std::unique_ptr<AtomicFile>, 3> files;
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string path = (fs::path(folder) / split_files().files[i].name).string();
    check<UsageError>(overwrite || !is_there(path), "listops: '", path,
                      "' is there already; give --force to replace it");
    files[i] = std::make_unique<AtomicFile>(path);
  }

  Generated result;
  int64_t done = 0, tokens = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    files[i]->write("Source\tTarget\r\n");
    for (int64_t row = 0; row < sizes[i]; ++row) {
      const Tokens& tree = generator.next();
      files[i]->write(to_source(tree) + '\t' + std::to_string(evaluate(tree)) + "\r\n");
      tokens += int64_t(tree.size());
      if (progress) progress(++done, counts.total());
    }
    files[i]->finish();
  }
  // The training file is the one that find() looks for: an old one goes first and the new one comes
  // last, so that whatever ends this halfway does not leave a mixture that somebody trains on.
  fs::remove(fs::path(folder) / split_files().files[0].name, error);
  check<IoError>(!error, "cannot replace the files in '", folder, "': ", error.message());
  for (size_t i = files.size(); i-- > 0;) files[i]->publish();
  result.attempts = generator.attempts();
  result.accepted = generator.accepted();
  result.mean_length = double(tokens) / double(counts.total());
  return result;
}

// ---- The task

namespace {

// "MIN" for the root '[MIN'.
std::string name_of_root(int64_t group) {
  return group == 0 ? "digit" : std::string(name_of(kRoots[size_t(group)]).substr(1));
}

Example encode_one(std::string_view input, const std::vector<std::string>& vocabulary,
                   const DataOptions& options) {
  const Tokens tokens = parse(input);
  evaluate(tokens);  // throws unless it is one expression
  Example example = to_codes(tokens, 0, options.max_length, options.protocol == Protocol::S4);
  example.tokens = example.tokens.mapped(ids_of_codes(vocabulary));
  return example;
}

}  // namespace

Task task() {
  return {.name = "listops",
          .hint = "the value of nested minimum, maximum, median and sum modulo 10 of digits",
          .origin =
              "'lra_data generate listops --out DIR' writes it; the original is the folder "
              "listops-1000 of lra_release.gz",
          .shape = {.vocab = 18, .classes = kClasses, .max_length = 2048},
          .separator = " ",
          .reads = {"max-length", "protocol"},
          .has_data =
              [](const std::string& folder) {
                return !find(folder).empty() && !is_archive_of_others(folder, "lra_release");
              },
          .load =
              [](const DataOptions& o) {
                const bool original = o.protocol == Protocol::Original;
                return load(o.folder, {.max_length = o.max_length,
                                       .append_eos = !original,
                                       .padded = original,
                                       .vocabulary = o.vocabulary});
              },
          .check_files = check_files,
          .encode = encode_one,
          .group_name = name_of_root,
          .groups = "root operator",
          .mask_share = 0.1};
}

}  // namespace skiff::listops
