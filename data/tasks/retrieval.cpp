#include "data/tasks/retrieval.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <sstream>
#include <utility>

#include "core/check.h"
#include "core/random.h"
#include "data/cache.h"
#include "data/files/archive.h"
#include "data/files/binary_file.h"
#include "data/files/text_file.h"
#include "data/tasks/split_files.h"

namespace skiff::retrieval {

namespace {

const SplitFiles& split_files() {
  static const SplitFiles files = {{{{"train", "new_aan_pairs.train.tsv"},
                                     {"val", "new_aan_pairs.eval.tsv"},
                                     {"test", "new_aan_pairs.test.tsv"}}},
                                   {"", "aan", "retrieval", "lra_release/lra_release/tsv_data",
                                    "lra_release/tsv_data", "tsv_data"},
                                   "the files are in the folder tsv_data of lra_release.gz "
                                   "(https://storage.googleapis.com/long-range-arena/"
                                   "lra_release.gz)"};
  return files;
}

// ---- Rows

struct Row {
  int32_t label = 0;
  std::string_view texts[2];
};

int32_t parse_label(std::string_view text) {
  double label = -1;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, label);
  check<DataError>(error == std::errc() && rest == end && (label == 0 || label == 1),
                   "the label must be 0.0 or 1.0, got ", quoted(text));
  return int32_t(label);
}

bool begins_literal(std::string_view text) {
  return text.starts_with("b'") || text.starts_with("b\"");
}

// A literal that begins has to end: else the line was cut.
void check_text(std::string_view text, const char* side) {
  check<DataError>(!text.empty(), "the ", side, " text is empty");
  check<DataError>(!begins_literal(text) || (text.size() >= 3 && text.back() == text[1]), "the ",
                   side, " text has no end quote, it ends with ",
                   quoted(text.substr(text.size() - std::min<size_t>(text.size(), 20))));
}

Row parse_row(std::string_view line) {
  check<DataError>(!line.empty(), "the line is empty");
  const int64_t columns = 1 + std::count(line.begin(), line.end(), '\t');
  check<DataError>(columns == 5, "5 columns are needed, got ", columns, ": ", quoted(line));
  std::string_view fields[5];
  for (std::string_view& field : fields) {
    field = line.substr(0, line.find('\t'));
    line.remove_prefix(std::min(field.size() + 1, line.size()));
  }
  Row row{parse_label(fields[0]), {fields[3], fields[4]}};
  check_text(row.texts[0], "left");
  check_text(row.texts[1], "right");
  return row;
}

// Calls take(row) for each good line and refuse(line, reason) for each bad one; what take() finds
// wrong makes the line a bad one, too.
template <class Take, class Refuse>
void scan(LineReader& reader, const Take& take, const Refuse& refuse) {
  std::string_view line;
  while (reader.next(&line)) {
    try {
      take(parse_row(line));
    } catch (const DataError& error) {
      refuse(reader.line(), error.what());
    }
  }
  if (reader.line() == 0) refuse(int64_t(0), "the file is empty");
}

}  // namespace

std::string find(const std::string& folder) { return split_files().find(folder); }

// ---- Byte literals

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// The byte after a backslash at text[*at]; moves behind it.
char escaped(std::string_view text, size_t* at) {
  constexpr std::string_view kNames = "nrt\\'\"", kBytes = "\n\r\t\\'\"";
  const size_t begin = *at;
  const char name = begin + 1 < text.size() ? text[begin + 1] : '\0';
  *at = begin + 2;
  if (const size_t i = kNames.find(name); i != kNames.npos) return kBytes[i];
  if (name == 'x' && begin + 3 < text.size()) {
    const int high = hex_digit(text[begin + 2]), low = hex_digit(text[begin + 3]);
    *at = begin + 4;
    if (high >= 0 && low >= 0) return char(high * 16 + low);
  }
  fail<DataError>("unknown escape ", quoted(text.substr(begin, 4)), " at character ", begin + 1);
}

// Bytes that are not UTF-8 become U+FFFD, one for each.
std::string valid_utf8(const std::string& bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    const size_t begin = at;
    try {
      next_character(bytes, &at);
      text.append(bytes, begin, at - begin);
    } catch (const DataError&) {
      text += "\xEF\xBF\xBD";
      at = begin + 1;
    }
  }
  return text;
}

}  // namespace

std::string unescape(std::string_view literal) {
  check<DataError>(begins_literal(literal) && literal.size() >= 3 && literal.back() == literal[1],
                   "a text must be a byte literal b'...', got ", quoted(literal));
  const std::string_view text = literal.substr(2, literal.size() - 3);
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    check<DataError>(text[at] != literal[1], "the byte literal ends before character ", at + 1);
    if (text[at] == '\\') {
      bytes += escaped(text, &at);
    } else {
      bytes += text[at++];
    }
  }
  return bytes;
}

std::string literal_of(std::string_view bytes) {
  const bool double_quotes = bytes.find('\'') != bytes.npos && bytes.find('"') == bytes.npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string text = std::string("b") + quote;
  for (const char c : bytes) {
    char code[8];
    std::snprintf(code, sizeof code, "\\x%02x", unsigned(uint8_t(c)));
    if (c == quote || c == '\\')
      text += {'\\', c};
    else if (c == '\n' || c == '\r' || c == '\t')
      text += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    else if (uint8_t(c) < 0x20 || uint8_t(c) >= 0x7f)
      text += code;
    else
      text += c;
  }
  return text + quote;
}

// ---- Loading

namespace {

// What is encoded of a literal: itself, or the text that it stands for.
std::string encoded_text(std::string_view literal, bool decode, Encoding encoding) {
  if (!decode) return std::string(literal);
  const std::string bytes = unescape(literal);
  return encoding == Encoding::Characters ? valid_utf8(bytes) : bytes;
}

TaskData read(const std::string& place, const LoadOptions& options) {
  TextEncoder encoder(options.encoding, options.max_length, options.min_frequency,
                      options.vocabulary);
  TaskData data;
  std::vector<Example>* const examples_of_split[] = {&data.train, &data.val, &data.test};
  split_files().read(place, [&](size_t i, LineReader& reader,
                                const SplitFiles::RefuseLine& refuse) {
    const auto take = [&](const Row& row) {
      Example example{{}, {}, row.label};
      const auto encode = [&](std::string_view text) {
        return encoder.read(encoded_text(text, options.decode, options.encoding), i == 0,
                            &example.cut);
      };
      example.tokens = encode(row.texts[0]);
      example.second = encode(row.texts[1]);
      check<DataError>(!example.tokens.empty() && !example.second.empty(), "a document is empty");
      examples_of_split[i]->push_back(std::move(example));
    };
    scan(reader, take, refuse);
  });
  encoder.finish(&data);
  data.pairs = true;
  data.classes = kClasses;
  return data;
}

}  // namespace

TaskData load(const std::string& folder, const LoadOptions& options) {
  return read_task("retrieval", [&] {
    const std::string place = split_files().find_or_fail(folder);
    std::ostringstream all_options;
    all_options << options.max_length << ' ' << options.min_frequency << ' '
                << int(options.encoding) << ' ' << options.decode;
    return cached(options.cache && is_file(place), {place, "retrieval", all_options.str()},
                  options.vocabulary, [&] { return read(place, options); });
  });
}

TaskReport check_files(const std::string& folder) {
  const std::string place = find(folder);
  if (place.empty()) return {};
  ReportBuilder report(place, kClasses);
  int64_t no_literals = 0;
  const auto check = [&](size_t i, LineReader& reader, const SplitFiles::RefuseLine& refuse) {
    const auto take = [&](const Row& row) {
      const auto& [left, right] = row.texts;
      report.add_row(split_files().files[i].split, row.label,
                     {count_characters(left), count_characters(right)},
                     hash_name(left) * 31 + hash_name(right));
      no_literals += !begins_literal(left) + !begins_literal(right);
    };
    scan(reader, take, refuse);
  };
  if (!split_files().check(place, check, &report)) return {};  // an archive of other tasks
  report.add_note("lengths are of single documents, in characters of the printed form");
  if (no_literals > 0) {
    report.add_note(std::to_string(no_literals) +
                    " texts are not byte literals b'...', as those of the published data");
  }
  return report.finish();
}

// ---- The task

namespace {

Encoding encoding_of(const DataOptions& o) {
  return o.protocol == Protocol::Original ? Encoding::Original : Encoding::Characters;
}

// A document in the form of the files, or as it is.
Example encode_one(std::string_view input, const std::vector<std::string>& vocabulary,
                   const DataOptions& o) {
  check<DataError>(!input.empty(), "the document is empty");
  const std::string literal = begins_literal(input) ? std::string(input) : literal_of(input);
  Example example;
  example.tokens = encode_text(encoded_text(literal, o.aan_decode, encoding_of(o)), encoding_of(o),
                               o.max_length, vocabulary, &example.cut);
  return example;
}

}  // namespace

Task task() {
  return {.name = "retrieval",
          .hint = "whether one of two papers cites the other, from their characters",
          .origin = "it is the folder tsv_data of lra_release.gz, which can be put there as it is",
          .shape = {.vocab = 98, .classes = kClasses, .max_length = 4000, .pairs = true},
          .class_names = {"different", "same"},
          .reads = {"max-length", "protocol", "aan-decode"},
          .has_data =
              [](const std::string& folder) {
                return !find(folder).empty() && !is_archive_of_others(folder, "lra_release");
              },
          .load =
              [](const DataOptions& o) {
                return load(o.folder, {.max_length = o.max_length,
                                       .encoding = encoding_of(o),
                                       .decode = o.aan_decode,
                                       .vocabulary = o.vocabulary});
              },
          .check_files = check_files,
          .encode = encode_one,
          .mask_share = 0.15};
}

}  // namespace skiff::retrieval
