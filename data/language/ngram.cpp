#include "data/language/ngram.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/check.h"

namespace skiff {

namespace {

struct Entry {
  uint64_t key = 0;    // 0: the place is free
  uint32_t count = 0;  // occurrences of the n-gram
  uint32_t types = 0;  // different tokens that follow it
};

// The keys of the n-grams that end at a token, shortest first: each adds the token before.
// Multiplying by an odd number and shifting are one to one, so no bit of an n-gram is lost before
// the 64 bits are full.
uint64_t longer(uint64_t key, int32_t token) {
  key = (key + uint64_t(token) + 1) * 0x9E3779B97F4A7C15;
  return (key ^ (key >> 32)) * 0xD6E8FEB86659FD93;
}

}  // namespace

struct NgramModel::Table {
  std::vector<Entry> places = std::vector<Entry>(size_t(1) << 12);
  int64_t used = 0;
  int64_t tokens = 0, types = 0;  // of the context without tokens
  std::vector<uint64_t> ends;     // keys of the n-grams at the end: no token follows them

  int64_t room() const { return int64_t(places.size() / 4 * 3); }
  bool is_full() const { return used + kHighestOrder > room(); }

  size_t place_of(uint64_t key) const {
    const size_t mask = places.size() - 1;
    size_t at = size_t(key >> 20) & mask;
    while (places[at].key != 0 && places[at].key != key) at = (at + 1) & mask;
    return at;
  }

  void grow() {
    std::vector<Entry> old(2 * places.size());
    old.swap(places);
    for (const Entry& entry : old)
      if (entry.key != 0) places[place_of(entry.key)] = entry;
  }

  const Entry* find(uint64_t key) const {
    const Entry& entry = places[place_of(key)];
    return entry.key == 0 ? nullptr : &entry;
  }

  // Counts an n-gram; true if it is a new one.
  bool count(uint64_t key) {
    Entry& entry = places[place_of(key)];
    ++entry.count;
    if (entry.key != 0) return false;
    entry.key = key;
    ++used;
    return true;
  }

  // How often a token follows an n-gram.
  int64_t followed(const Entry& entry) const {
    return int64_t(entry.count) - (std::find(ends.begin(), ends.end(), entry.key) != ends.end());
  }
};

namespace {

using Keys = std::array<uint64_t, kHighestOrder>;

// Fills in the keys of the n-grams that end at token i of a text: keys[L-1] has L tokens. Returns
// how many there are, at most `order`.
int64_t keys_at(const std::vector<int32_t>& history, int64_t i, int64_t order, uint64_t* keys) {
  const int64_t count = std::min(order, i + 1);
  uint64_t key = 0;
  for (int64_t length = 0; length < count; ++length) {
    key = longer(key, history[size_t(i - length)]);
    keys[length] = std::max<uint64_t>(key, 1);
  }
  return count;
}

// A token and its n-grams: keys[L-1] is the key of the one that begins L-1 tokens earlier and ends
// here; previous[L-1] ends at the token before.
struct Position {
  int64_t index;  // in the text
  Keys keys{}, previous{};
  int64_t count = 0, previous_count = 0;
};

// Calls f(Position) for every token of a text. reach: contexts may begin before the text.
template <class F>
void for_each_position(const TokenSpan& text, int64_t order, bool reach, F&& f) {
  constexpr int64_t kPiece = int64_t(1) << 16;
  const int64_t before = reach ? std::min(order, text.begin) : 0;
  std::vector<int32_t> tokens(size_t(before), 0);  // those before the piece, then the piece
  text.copy(-before, tokens);
  Position position;
  if (before > 0) position.count = keys_at(tokens, before - 1, order, position.keys.data());
  for (int64_t begin = 0; begin < text.size(); begin += kPiece) {
    const int64_t kept = std::min(int64_t(tokens.size()), order);
    tokens.erase(tokens.begin(), tokens.end() - kept);
    tokens.resize(size_t(kept + std::min(kPiece, text.size() - begin)));
    text.copy(begin, std::span(tokens).subspan(size_t(kept)));
    for (int64_t i = kept; i < int64_t(tokens.size()); ++i) {
      position.index = begin + i - kept;
      std::swap(position.keys, position.previous);
      position.previous_count = position.count;
      position.count = keys_at(tokens, i, order, position.keys.data());
      f(position);
    }
  }
}

}  // namespace

NgramModel::NgramModel(const TokenSpan& train, const NgramOptions& options)
    : options_(options), table_(std::make_unique<Table>()) {
  check<UsageError>(options.order >= 1 && options.order <= kHighestOrder,
                    "n-gram: the order must be 1 to ", kHighestOrder, ", got ", options.order);
  check<UsageError>(train.size() < (int64_t(1) << 32), "n-gram: at most 2^32 tokens, got ",
                    train.size());
  check<DataError>(train.size() > 0, "n-gram: there are no training tokens");
  Table& table = *table_;
  table.tokens = train.size();
  for_each_position(train, options.order, false, [&](const Position& at) {
    if (table.is_full()) {
      check<UsageError>(table.room() < options.most_ngrams, "n-gram: the first ", at.index, " of ",
                        train.size(), " tokens have more than ", table.used,
                        " different n-grams; choose an order below ", options.order);
      table.grow();
    }
    for (int64_t length = 0; length < at.count; ++length) {
      if (!table.count(at.keys[size_t(length)])) continue;
      if (length == 0) {
        ++table.types;
      } else {
        ++table.places[table.place_of(at.previous[size_t(length - 1)])].types;
      }
    }
    if (at.index + 1 == train.size()) {
      table.ends.assign(at.keys.begin(), at.keys.begin() + at.count);
    }
  });
}

NgramModel::~NgramModel() = default;
NgramModel::NgramModel(NgramModel&&) noexcept = default;

int64_t NgramModel::ngrams() const { return table_->used; }

std::vector<double> NgramModel::losses(const TokenSpan& text) const {
  const Table& table = *table_;
  check<DataError>(text.size() > 0, "n-gram: the text has no tokens");
  std::vector<double> sums(size_t(options_.order), 0);
  for_each_position(text, options_.order, true, [&](const Position& at) {
    double p = 1 / double(options_.vocab);
    for (int64_t length = 0; length < options_.order; ++length) {  // of the context
      int64_t followed = 0, types = 0, count = 0;
      if (length == 0) {
        followed = table.tokens;
        types = table.types;
      } else if (length <= at.previous_count) {
        if (const Entry* context = table.find(at.previous[size_t(length - 1)])) {
          followed = table.followed(*context);
          types = context->types;
        }
      }
      if (followed > 0) {
        const Entry* found = table.find(at.keys[size_t(length)]);
        if (found != nullptr) count = found->count;
        p = (double(count) + double(types) * p) / double(followed + types);
      }
      sums[size_t(length)] -= std::log(p);
    }
  });
  for (double& sum : sums) sum /= double(text.size());
  return sums;
}

}  // namespace skiff
