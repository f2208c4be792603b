#include "data/language/corpus.h"

#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <numeric>
#include <utility>

#include "core/check.h"
#include "data/files/text_file.h"
#include "data/language/text_source.h"

namespace skiff {

using Kind = Vocabulary::Kind;
using Names = std::vector<std::string>;

namespace {

Kind kind_for(Units units, const TextLayout& layout) {
  check<UsageError>(units == Units::Auto || layout.kind != Kind::Ids,
                    "--units: token files have "
                    "ids, so it must be auto, got ",
                    word_for(units));
  return units == Units::Bytes        ? Kind::Bytes
         : units == Units::Characters ? Kind::Characters
         : units == Units::Words      ? Kind::Words
                                      : layout.kind;
}

// Cuts the files of each folder by shares; the first one is of training in any case. `names` must
// be sorted.
std::array<Names, 3> cut_folders(const Names& names, const Shares& shares) {
  std::array<Names, 3> parts;
  for (auto begin = names.begin(); begin != names.end();) {
    const std::string folder = begin->substr(0, begin->rfind('/') + 1);
    const auto end = std::find_if(begin, names.end(), [&](const std::string& name) {
      return name.substr(0, name.rfind('/') + 1) != folder;
    });
    auto [val, test] = borders(shares, end - begin);
    val = std::max<int64_t>(val, 1);
    test = std::max(test, val);
    parts[0].insert(parts[0].end(), begin, begin + val);
    parts[1].insert(parts[1].end(), begin + val, begin + test);
    parts[2].insert(parts[2].end(), begin + test, end);
    begin = end;
  }
  return parts;
}

// What was read: where each split ends, in tokens and in bytes of the text.
struct Ends {
  std::array<int64_t, 3> tokens{}, bytes{};
};

// Among the files of one text empty ones are left out; one that is a split of its own is an error.
Ends read_files(const TextSource& source, const std::array<Names, 3>& parts, TokenReader* reader) {
  Names all;
  for (const Names& names : parts) all.insert(all.end(), names.begin(), names.end());
  Ends ends;
  size_t count = 0;
  const bool join = all.size() > 1;
  const bool one_text = join && source.layout.split != TextLayout::Split::Files;
  source.files.read(all, join, reader, [&] {
    check<DataError>(one_text || reader->empty_files() == 0, source.files.path_of(all[count]),
                     ": the file is empty");
    ++count;
    size_t border = 0;
    for (size_t split = 0; split < parts.size(); ++split) {
      border += parts[split].size();
      if (count > border) continue;
      ends.tokens[split] = reader->size();
      ends.bytes[split] = reader->text_bytes();
    }
  });
  return ends;
}

// Bytes of a split whose text is not a whole file: those that decode() writes.
int64_t text_bytes_of(const TokenSpan& split, const Vocabulary& vocabulary) {
  if (vocabulary.kind() == Kind::Bytes) return split.size();
  std::vector<int64_t> bytes;
  for (int64_t id = 0; id < vocabulary.size(); ++id) {
    bytes.push_back(int64_t(vocabulary.token(int32_t(id)).size()));
  }
  const bool words = vocabulary.kind() == Kind::Words;
  int64_t total = 0;
  for (int64_t i = 0; i < split.size(); ++i) {
    const int32_t id = split[i];
    total += words && id == vocabulary.eos() ? 1 : bytes[size_t(id)];
    if (words && i > 0 && blank_between(vocabulary, split[i - 1], id)) ++total;
  }
  return total;
}

void add_notes(const TokenReader& reader, const TextLayout& layout, Corpus* corpus) {
  const auto note = [&](const char* text, int64_t count) {
    if (count > 0) corpus->notes.push_back(text + std::to_string(count));
  };
  note("byte order marks left out: ", reader.marks());
  note("empty files left out: ", reader.empty_files());
  note("carriage returns, which Windows writes at line ends: ", reader.carriage_returns());
  note("words outside training that became <unk>: ", reader.replaced());
  if (layout.published_bytes > 0 && reader.text_bytes() != layout.published_bytes) {
    corpus->notes.push_back("the published file has " + std::to_string(layout.published_bytes) +
                            " bytes, this one " + std::to_string(reader.text_bytes()));
  }
}

}  // namespace

Corpus load_corpus(const LanguageDataOptions& options) {
  TextSource source = find_text(options.place);
  TextLayout& layout = source.layout;
  const bool given = layout.split == TextLayout::Split::Files;
  check<UsageError>(!given || options.split.empty() || !options.own_vocabulary,
                    "--split: the splits of ", layout.name,
                    " are its files, so it must be empty, got ", options.split);
  const Kind kind = kind_for(options.units, layout);
  check<UsageError>(kind == Kind::Ids || options.vocab == 0, "--vocab: is for token files, but '",
                    options.place, "' is ", layout.name);
  const Shares shares = options.split.empty() ? layout.shares : parse_shares(options.split);
  if (options.whole && layout.split == TextLayout::Split::SharesOfFiles)
    layout.files = {layout.files[0], {}, {}};
  else if (layout.split == TextLayout::Split::SharesOfFiles) {
    const std::array<Names, 3> cut = cut_folders(layout.files[0], shares);
    const bool too_few = cut[1].empty() && shares[1] > 0;  // files for a validation
    if (too_few)
      layout.split = TextLayout::Split::Shares;
    else
      layout.files = cut;
  }

  TokenReader reader(kind, options.vocab);
  Ends ends = read_files(source, layout.files, &reader);
  if (layout.split == TextLayout::Split::Shares) {
    const auto [val, test] = borders(shares, reader.size());
    ends.tokens = {val, test, reader.size()};
  }
  if (options.whole) {
    ends.tokens.fill(reader.size());
    ends.bytes.fill(ends.bytes[2]);
  }
  Corpus corpus;
  corpus.place = source.files.place();
  if (layout.split == TextLayout::Split::Shares && layout.files[0].size() == 1) {
    corpus.place = source.files.path_of(layout.files[0][0]);
  }
  corpus.name = layout.name;
  corpus.notes = layout.notes;
  const auto tokens = std::make_shared<TokenArray>();
  try {
    corpus.vocabulary =
        reader.finish(options.own_vocabulary ? ends.tokens[0] : reader.size(), tokens.get());
  } catch (const DataError& error) {
    fail<DataError>(corpus.place, ": ", error.what());
  }
  TextSplit* splits[] = {&corpus.train, &corpus.val, &corpus.test};
  int64_t begin = 0, begin_bytes = 0;
  for (size_t i = 0; i < 3; ++i) {
    TextSplit& split = *splits[i];
    split = {{tokens, begin, ends.tokens[i] - begin}, ends.bytes[i] - begin_bytes};
    if (layout.split == TextLayout::Split::Shares && kind != Kind::Ids) {
      split.text_bytes = text_bytes_of(split, corpus.vocabulary);
    }
    begin = ends.tokens[i];
    begin_bytes = ends.bytes[i];
    check<DataError>(i == 2 || split.size() > 0 || (options.whole && i == 1), corpus.place,
                     ": the ", kSplitNames[i], " split has no tokens, the whole text has ",
                     tokens->size());
  }
  add_notes(reader, layout, &corpus);
  return corpus;
}

Corpus with_vocabulary(const Corpus& corpus, const Vocabulary& vocabulary) {
  const Vocabulary& own = corpus.vocabulary;
  check<DataError>(own.kind() == vocabulary.kind(), "'", corpus.place, "' is read as ", own.name(),
                   ", the model reads ", vocabulary.name());
  std::map<std::string, int32_t> id_of;
  for (int64_t id = 0; id < vocabulary.size(); ++id)
    id_of[vocabulary.token(int32_t(id))] = int32_t(id);
  std::vector<int32_t> new_ids;
  std::string unknown;
  int64_t missing = 0;
  for (int64_t id = 0; id < own.size(); ++id) {
    const auto found = id_of.find(own.token(int32_t(id)));
    new_ids.push_back(found != id_of.end() ? found->second : vocabulary.unk());
    if (new_ids.back() >= 0) continue;
    if (++missing <= 5) unknown += (missing > 1 ? ", " : "") + quoted(own.token(int32_t(id)));
  }
  check<DataError>(missing == 0, "'", corpus.place, "' has ", missing, " ", own.name(),
                   " that the model has never seen: ", unknown, missing > 5 ? ", .." : "");
  const auto tokens = std::make_shared<TokenArray>();
  int64_t unknown_tokens = 0;
  std::vector<int32_t> part;
  for (int64_t first = 0, all = corpus.train.tokens->size(); first < all;
       first += int64_t(part.size())) {
    part.resize(size_t(std::min<int64_t>(all - first, 1 << 16)));
    corpus.train.tokens->copy(first, part);
    for (int32_t& id : part) {
      const bool known = id == own.unk() || new_ids[size_t(id)] != vocabulary.unk();
      unknown_tokens += !known;
      id = new_ids[size_t(id)];
    }
    tokens->append(part);
  }
  Corpus same = corpus;
  same.vocabulary = vocabulary;
  for (TextSplit* split : {&same.train, &same.val, &same.test}) {
    split->tokens = tokens;
    if (unknown_tokens > 0) split->text_bytes = 0;  // <unk> is not the text
  }
  if (unknown_tokens > 0)
    same.notes.push_back(std::to_string(unknown_tokens) + " of " + std::to_string(tokens->size()) +
                         " words of the whole text are unknown to the model, and scored as <unk>");
  return same;
}

std::string fingerprint(const Corpus& corpus) {
  uLong crc = ::crc32_z(0, nullptr, 0);
  const auto add = [&](std::string_view bytes) {
    crc = ::crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  };
  add(corpus.vocabulary.text());
  const std::string sizes =
      std::to_string(corpus.train.size()) + " " + std::to_string(corpus.val.size());
  add(sizes);
  add(corpus.train.tokens->raw());
  char code[32];
  std::snprintf(code, sizeof code, ", CRC-32 %08lx", crc);
  return std::to_string(corpus.train.tokens->size()) + " tokens of " +
         std::to_string(corpus.vocabulary.size()) + " " + corpus.vocabulary.name() + code;
}

}  // namespace skiff
