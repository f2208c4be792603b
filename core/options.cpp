#include "core/options.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>

namespace skiff {

int edit_distance(std::string_view a, std::string_view b) {
  const size_t n = a.size(), m = b.size();
  std::vector<std::vector<int>> steps(n + 1, std::vector<int>(m + 1));
  for (size_t i = 0; i <= n; ++i) steps[i][0] = int(i);
  for (size_t j = 0; j <= m; ++j) steps[0][j] = int(j);
  for (size_t i = 1; i <= n; ++i) {
    for (size_t j = 1; j <= m; ++j) {
      steps[i][j] = std::min({steps[i - 1][j] + 1, steps[i][j - 1] + 1,
                              steps[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        steps[i][j] = std::min(steps[i][j], steps[i - 2][j - 2] + 1);
      }
    }
  }
  return steps[n][m];
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  int best_distance = 3;
  for (const std::string& candidate : known) {
    // Two steps turn a word of two letters into any other: nothing of it would be left.
    const int distance = edit_distance(word, candidate);
    if (distance < best_distance && distance < int(word.size())) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const std::string best = nearest(word, known);
  return best.empty() ? "" : "; did you mean '" + best + "'?";
}

void check_word(const char* name, std::string_view text, const std::vector<std::string>& words) {
  if (std::find(words.begin(), words.end(), text) != words.end()) return;
  std::string known;
  for (const std::string& w : words) known += (known.empty() ? "" : ", ") + w;
  fail<UsageError>("--", name, ": must be one of ", known, ", got '", text, "'",
                   suggestion(text, words));
}

double parse_number(const Field& field, std::string_view text, bool integer) {
  const std::string copy(text);
  char* end = nullptr;
  errno = 0;
  const double value = std::strtod(copy.c_str(), &end);
  check<UsageError>(value != 0 || errno != ERANGE, "--", field.name,
                    ": must be 0 or a number that a double has, got '", text, "'");
  const bool whole = end != copy.c_str() && *end == '\0';
  // A double has every whole number up to here, so that no other one is taken for it.
  constexpr double kMost = 0x1p53 - 1;
  const double low = integer ? std::max(field.low, -kMost) : field.low;
  const double high = integer ? std::min(field.high, kMost) : field.high;
  check<UsageError>(whole && value >= low && value <= high, "--", field.name,
                    ": must be a number from ", number_text(low), " to ", number_text(high),
                    ", got '", text, "'");
  check<UsageError>(!integer || value == std::floor(value), "--", field.name,
                    ": must be a whole number, got '", text, "'");
  return value;
}

std::string number_text(double value) {
  char text[40];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

}  // namespace skiff
