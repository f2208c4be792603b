// The expressions of ListOps, and the trees drawn at random.
#include "data/tasks/listops.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/check.h"

using namespace skiff;
using namespace skiff::listops;

namespace {

const Limits kSmall = {4, 4, 5, 40};  // depth, arguments, length
const std::string kPaperSource = "( ( ( ( [MAX 4 ) ( ( ( [MIN 3 ) 7 ) ] ) ) 0 ) ] )";

// The message contains the words.
void check_holds(const std::string& message, const std::string& words) {
  CAPTURE(message);
  CAPTURE(words);
  CHECK(message.find(words) != std::string::npos);
}

int value_of(const char* text) { return evaluate(parse(text)); }

}  // namespace

// ---- Expressions

TEST_CASE("listops: the example of the paper has its tokens, value and source") {
  const Tokens tokens = parse(kPaperSource);
  CHECK(tokens == "x4n37]0]");
  CHECK(to_text(tokens) == "[MAX 4 [MIN 3 7 X 0 X");
  CHECK(evaluate(tokens) == 4);
  CHECK(to_source(tokens) == kPaperSource);
  CHECK(parse(to_text(tokens)) == tokens);
}

TEST_CASE("listops: values of the operators") {
  CHECK(value_of("7") == 7);
  CHECK(value_of("[MIN 3 1 2 X") == 1);
  CHECK(value_of("[MAX 3 9 2 X") == 9);
  CHECK(value_of("[SM 9 9 9 X") == 7);
  CHECK(value_of("[SM 5 5 X") == 0);
  CHECK(value_of("[MED 9 1 5 X") == 5);
  CHECK(value_of("[MED 1 2 X") == 1);      // 1.5, fraction cut
  CHECK(value_of("[MED 9 0 3 4 X") == 3);  // 3.5
  CHECK(value_of("[MED 8 2 4 4 X") == 4);
  CHECK(value_of("[MED 0 9 X") == 4);                              // 4.5
  CHECK(value_of("[SM [MED 4 7 X [MAX 1 [MIN 6 8 X X 9 X") == 0);  // 5 + 6 + 9
}

TEST_CASE("listops: evaluation refuses tokens that are not one expression") {
  for (const char* text : {"", "( )", "]", "[MAX", "[MAX X", "[MAX 1", "1 2", "[MAX 1 2 X 3",
                           "[MAX 1 2 X X", "[MAX 1 [MIN 2 X", "( ( ) ) ]"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(value_of(text), DataError);
  }
}

TEST_CASE("listops: a deep expression needs no deep stack") {
  const size_t depth = 200000;
  Tokens tokens;
  for (size_t i = 0; i < depth; ++i) tokens += 's';
  for (size_t i = 0; i < depth; ++i) tokens += "1]";
  CHECK(evaluate(tokens) == depth % 10);
  CHECK(parse(to_source(tokens)) == tokens);
}

// ---- Generator

TEST_CASE("listops: 2000 trees of the full size have the statistics of the benchmark") {
  Generator generator(1);
  std::vector<int64_t> values(10, 0), operators(4, 0);
  double length = 0;
  const int64_t count = 2000;
  for (int64_t i = 0; i < count; ++i) {
    const Tokens& tree = generator.next();
    REQUIRE(tree.size() > 500);
    REQUIRE(tree.size() < 2000);
    length += double(tree.size());
    ++values[size_t(evaluate(tree))];
    for (const char code : tree) {
      if (const size_t place = std::string("nxds").find(code); place < 4) ++operators[place];
    }
  }
  // Tolerances are four standard deviations of the estimate. Expected values: a simulation of
  // 12,000 trees independent of this code; deviation of a length 394, of a rate sqrt(p (1-p) / n).
  CHECK(double(count) / double(generator.attempts()) == doctest::Approx(0.0825).epsilon(0.087));
  CHECK(length / double(count) == doctest::Approx(1036).epsilon(35.0 / 1036));
  CHECK(std::abs(double(values[0]) / double(count) - 0.17) < 0.034);
  CHECK(std::abs(double(values[9]) / double(count) - 0.165) < 0.034);
  for (int value = 1; value <= 8; ++value) {
    CHECK(std::abs(double(values[size_t(value)]) / double(count) - 0.0835) < 0.034);
  }
  const double all = double(std::accumulate(operators.begin(), operators.end(), int64_t(0)));
  for (const int64_t of_one : operators) CHECK(std::abs(double(of_one) / all - 0.25) < 0.005);
}

TEST_CASE("listops: trees keep the limits of depth, arguments and length") {
  Generator generator(3, kSmall);
  int64_t deepest = 0, most = 0;
  for (int i = 0; i < 2000; ++i) {
    const Tokens& tree = generator.next();
    CHECK(tree.size() > 5);
    CHECK(tree.size() < 40);
    CHECK_NOTHROW(evaluate(tree));
    std::vector<int64_t> arguments = {0};
    for (const char code : tree) {
      if (code == ']') {
        CHECK(arguments.back() >= 2);
        most = std::max(most, arguments.back());
        arguments.pop_back();
      } else {
        ++arguments.back();
        deepest = std::max(deepest, int64_t(arguments.size()));
        if (code > '9') arguments.push_back(0);
      }
    }
  }
  CHECK(deepest == 4);
  CHECK(most == 4);
}

TEST_CASE("listops: leaving long trees early does not change the accepted ones") {
  // The trees below 40 tokens of a generator that may go on to 400 are those of the short one.
  Generator narrow(3, {4, 4, 5, 40}), wide(3, {4, 4, 5, 400});
  std::vector<Tokens> expected, got;
  for (int i = 0; i < 300; ++i) expected.push_back(narrow.next());
  while (got.size() < 300) {
    if (const Tokens& tree = wide.next(); tree.size() < 40) got.push_back(tree);
  }
  CHECK(got == expected);
}

TEST_CASE("listops: no tree comes twice, also when there are few") {
  Generator generator(1, {2, 2, 3, 5});  // 4 operators, 2 digits: 400 trees
  std::set<Tokens> seen;
  for (int i = 0; i < 400; ++i) seen.insert(generator.next());
  CHECK(seen.size() == 400);
  CHECK(generator.duplicates() > 0);
  CHECK_THROWS_WITH_AS(generator.next(), doctest::Contains("hardly more than 400 different trees"),
                       UsageError);
}

TEST_CASE("listops: impossible limits end with an error that names the limit") {
  const auto message = [](const Limits& limits) -> std::string {
    try {
      Generator(1, limits).next();
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  check_holds(message({3, 10, 500, 2000}), "not above the min length 500; raise the max depth");
  check_holds(message({10, 10, 500, 501}), "min length 500 and max length 501");
  check_holds(message({10, 2, 500, 2000}), "too rare: lower the min length");
  check_holds(message({10, 10, 1, 4}), "widen min length");
  check_holds(message({0, 10, 1, 40}), "max depth must be in 1..1000, got 0");
  check_holds(message({10, 1, 1, 40}), "max args must be in 2..1000, got 1");
  check_holds(message({10, 10, -1, 40}), "min length must be in");
  check_holds(message({10, 10, 1, int64_t(1) << 40}), "max length must be in");
}
