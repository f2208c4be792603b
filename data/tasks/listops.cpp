// The expressions of ListOps, and the trees drawn at random.
#include "data/tasks/listops.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "core/check.h"
#include "data/files/text_file.h"

namespace skiff::listops {

// ---- Expressions

namespace {

constexpr std::array<std::string_view, 15> kNames = {
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "[MIN", "[MAX", "[MED", "[SM", "X"};
constexpr std::string_view kOperators = "nxds";

bool is_digit(char code) { return code >= '0' && code <= '9'; }

// Values of the arguments of one operator; may reorder them.
int apply_operator(char code, int* first, int* last) {
  switch (code) {
    case 'n':
      return *std::min_element(first, last);
    case 'x':
      return *std::max_element(first, last);
    case 's': {
      int sum = 0;
      for (const int* value = first; value != last; ++value) sum += *value;
      return sum % 10;
    }
    default: {  // median; of an even number of values, the mean of the middle two, fraction cut
      std::sort(first, last);
      const int64_t n = last - first;
      return (first[(n - 1) / 2] + first[n / 2]) / 2;
    }
  }
}

// 0 when the text has a token that is none of ListOps.
char code_of(std::string_view token) {
  if (token.size() == 1) {
    if (is_digit(token[0])) return token[0];
    return token[0] == ']' || token[0] == 'X' ? ']' : '\0';
  }
  for (size_t i = 10; i < 14; ++i) {
    if (kNames[i] == token) return kCodes[i];
  }
  return '\0';
}

}  // namespace

std::string_view name_of(char code) {
  const size_t index = kCodes.find(code);
  check(index != std::string_view::npos, "listops: a token code is one of ", kCodes, ", got ",
        int(code));
  return kNames[index];
}

std::string to_text(const Tokens& tokens) {
  std::string text;
  for (const char code : tokens) {
    if (!text.empty()) text += ' ';
    text += name_of(code);
  }
  return text;
}

Tokens parse(std::string_view text) {
  Tokens tokens;
  while (!text.empty()) {
    const size_t blank = std::min(text.find(' '), text.size());
    const std::string_view token = text.substr(0, blank);
    text.remove_prefix(std::min(blank + 1, text.size()));
    if (token.empty() || token == "(" || token == ")") continue;
    const char code = code_of(token);
    if (code == '\0') fail<DataError>("unknown token ", quoted(token));
    tokens += code;
  }
  check<DataError>(!tokens.empty(), "the expression is empty");
  return tokens;
}

std::string to_source(const Tokens& tokens) {
  std::vector<int64_t> arguments(tokens.size(), 0);  // of the operator at that place
  std::vector<size_t> open;
  for (size_t i = 0; i < tokens.size(); ++i) {
    check(tokens[i] != ']' || !open.empty(), "listops: token ", i, " ends no operator");
    if (tokens[i] == ']') {
      open.pop_back();
    } else {
      if (!open.empty()) ++arguments[open.back()];
      if (!is_digit(tokens[i])) open.push_back(i);
    }
  }
  check(open.empty(), "listops: ", open.size(), " operators have no end");

  std::string source;
  int64_t depth = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const char code = tokens[i];
    if (i > 0) source += ' ';
    if (is_digit(code)) {
      source += code;
    } else if (code == ']') {
      source += "] )";
      --depth;
    } else {
      for (int64_t pair = 0; pair <= arguments[i]; ++pair) source += "( ";
      source += name_of(code);
      ++depth;
      continue;
    }
    if (depth > 0) source += " )";  // the pair of the operator around it with this argument
  }
  return source;
}

int evaluate(const Tokens& tokens) {
  struct Open {
    char code;
    size_t first;  // of its arguments in `values`
  };
  std::vector<Open> open;
  std::vector<int> values;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const char code = tokens[i];
    check<DataError>(i == 0 || !open.empty(), "the expression ends before token ", i + 1, " of ",
                     tokens.size());
    if (is_digit(code)) {
      values.push_back(code - '0');
    } else if (code != ']') {
      open.push_back({code, values.size()});
    } else {
      check<DataError>(!open.empty(), "token ", i + 1, " ends no operator");
      const auto [operation, first] = open.back();
      check<DataError>(values.size() > first, name_of(operation), " has no arguments at token ",
                       i + 1);
      const int value =
          apply_operator(operation, values.data() + first, values.data() + values.size());
      values.resize(first);
      values.push_back(value);
      open.pop_back();
    }
  }
  check<DataError>(!tokens.empty(), "the expression is empty");
  check<DataError>(open.empty(), "the expression is not complete: ", open.size(),
                   open.size() == 1 ? " operator" : " operators", " without end");
  return values.front();
}

// ---- Generator

namespace {

// Draws without a new tree after which the limits are taken to be impossible.
constexpr int64_t kMostAttempts = 1000000;
constexpr int64_t kMostTokens = 1000000000;

// Length of the longest tree: every operator full, down to the last level.
int64_t longest_tree(const Limits& limits) {
  int64_t length = 1;
  for (int64_t depth = limits.max_depth; depth > 1 && length <= limits.min_length; --depth) {
    length = 2 + limits.max_args * length;
  }
  return length;
}

}  // namespace

Generator::Generator(uint64_t seed, Limits limits) : seed_(seed), limits_(limits) {
  const auto between = [](int64_t value, int64_t low, int64_t high, const char* name) {
    check<UsageError>(value >= low && value <= high, "listops: the ", name, " must be in ", low,
                      "..", high, ", got ", value);
  };
  between(limits.max_depth, 1, 1000, "max depth");
  between(limits.max_args, 2, 1000, "max args");
  between(limits.min_length, 0, 1000000, "min length");
  between(limits.max_length, 2, 1000000, "max length");
  check<UsageError>(limits.max_length - limits.min_length >= 2,
                    "listops: some length must be above the min length and below the max length, "
                    "got min length ",
                    limits.min_length, " and max length ", limits.max_length);
  check<UsageError>(longest_tree(limits) > limits.min_length,
                    "listops: the longest tree of max "
                    "depth ",
                    limits.max_depth, " and max args ", limits.max_args, " has ",
                    longest_tree(limits), " tokens, which is not above the min length ",
                    limits.min_length, "; raise the max depth or the max args");
}

bool Generator::grow(Random& random, int64_t depth) {
  if (depth >= limits_.max_depth || random.uniform() > 0.25) {
    tokens_ += char('0' + random.below(10));
    return int64_t(tokens_.size()) < limits_.max_length;
  }
  const size_t place = tokens_.size();
  tokens_ += kOperators[0];
  const int64_t arguments = 2 + random.below(limits_.max_args - 1);
  for (int64_t i = 0; i < arguments; ++i) {
    if (!grow(random, depth + 1)) return false;
  }
  tokens_[place] = kOperators[size_t(random.below(4))];  // drawn after its arguments
  tokens_ += ']';
  return int64_t(tokens_.size()) < limits_.max_length;
}

const Tokens& Generator::next() {
  int64_t drawn = 0;
  for (int64_t tries = 0; tries < kMostAttempts && drawn < kMostTokens; ++tries) {
    Random random(seed_, hash_name("listops") + uint64_t(attempts()));
    tokens_.clear();
    const bool complete = grow(random, 1);
    drawn += int64_t(tokens_.size());
    if (!complete) {
      ++too_long_;
    } else if (int64_t(tokens_.size()) <= limits_.min_length) {
      ++too_short_;
    } else if (const auto [place, added] = seen_.insert(tokens_); added) {
      return *place;
    } else {
      ++duplicates_;
    }
  }
  give_up(attempts());
}

void Generator::give_up(int64_t attempts) const {
  std::ostringstream cure;
  if (accepted() > 0 && duplicates_ > 0) {
    cure << "hardly more than " << accepted() << " different trees have more than "
         << limits_.min_length << " and fewer than " << limits_.max_length
         << " tokens: raise the max length or ask for fewer";
  } else if (too_long_ == 0) {
    cure << "trees of more than " << limits_.min_length
         << " tokens are too rare: lower the min length, or raise the max depth or the max args";
  } else if (too_short_ == 0) {
    cure << "trees of fewer than " << limits_.max_length
         << " tokens are too rare: raise the max length";
  } else {
    cure << "trees of more than " << limits_.min_length << " and fewer than " << limits_.max_length
         << " tokens are too rare: widen min length .. max length";
  }
  fail<UsageError>("listops: gave up after ", accepted(), " trees; of ", attempts, " draws ",
                   too_short_, " were too short, ", too_long_, " too long, ", duplicates_,
                   " there before; ", cure.str());
}

}  // namespace skiff::listops
