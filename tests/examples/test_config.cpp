// Configuration files: what is written is what is read, and what cannot be read is named.
#include "examples/program/flags.h"
#include "examples/train/config_file.h"
#include "tests/support/folder.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

std::string value_of(const std::string& line) {
  const std::vector<ConfigEntry> entries = parse_config(line, "file");
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].key == "out");
  return entries[0].value;
}

std::string problem_of(const std::string& text) {
  try {
    parse_config(text, "file");
  } catch (const UsageError& error) {
    return error.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("config: every text without a NUL comes back as it was, on one line") {
  std::vector<std::string> texts = {
      "",     "a",   "#",   "a#b",  "'",     "\"",     "'\"", "\\",   "\\n",      "a\nb",
      "\r\n", "\t",  " a ", "=",    "[]",    "[a, b]", "a,b", "true", "false",    "nan",
      "inf",  "1e5", "-",   "0x1f", "1.2.3", "+-+",    "e",   "\x7f", "\xff\xfe", "日本 語"};
  std::string all;
  for (int c = 1; c < 256; ++c) all += char(c);
  texts.push_back(all);
  for (const std::string& text : texts) {
    CAPTURE(text);
    const std::string value = config_value(text);
    CHECK(value.find('\n') == std::string::npos);
    CHECK(value_of("out=" + value) == text);
    CHECK(value_of(" out = " + value + "  # a comment\r\n") == text);
  }
}

TEST_CASE("config: numbers, words and texts as programs and people write them") {
  CHECK(config_value("800") == "800");
  CHECK(config_value("-1.5e-3") == "-1.5e-3");
  CHECK(config_value("true") == "true");
  CHECK(config_value("ski") == "\"ski\"");
  CHECK(value_of("out=runs/a-1") == "runs/a-1");
  CHECK(value_of("out='C:\\new \"x\"'") == "C:\\new \"x\"");
  CHECK(value_of("out = \"\\u00e9\\u0041\"") ==
        "\xC3\xA9"
        "A");
  const std::vector<ConfigEntry> entries =
      parse_config("# first\n\nsteps=7\nlr = 0.5 # half", "file");
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].key == "steps");
  CHECK(entries[0].place == "file:3");
  CHECK(entries[1].value == "0.5");
  CHECK(entries[1].place == "file:4");
}

TEST_CASE("config: what cannot be read is refused with file, line and column") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"steps=7\nfoo", "file:2:4: '=' must follow the key 'foo'"},
      {"task=[]", "file:1:6: a value must be"},
      {"steps=", "file:1:7: a value must be"},
      {"=7", "file:1:1: a line must be key = value, got '=7'"},
      {"[model]", "file:1:1: a line must be key = value"},
      {"out=\"a", "file:1:5: the text has no closing \""},
      {"out='a", "file:1:5: the text has no closing '"},
      {"out=\"a\" b", "file:1:9: nothing but a comment"},
      {"steps=7,8", "file:1:8: nothing but a comment"},
      {"out=\"\\d\"", "file:1:6: after \\ must follow"},
      {"out=\"\\u00g0\"", "file:1:6: after \\ must follow"},
      {"out=\"\\u0000\"", "file:1:6: after \\ must follow"},
      {"out=\"\\", "file:1:6: after \\ must follow"},
      {"steps=7\n\nsteps=8", "file:3: 'steps' must occur once, but it is set at file:1"}};
  for (const auto& c : cases) {
    CAPTURE(c.first);
    CHECK(contains(problem_of(c.first), c.second));
  }
  const Folder folder;
  CHECK_THROWS_AS(read_config(folder.name()), UsageError);
  CHECK_THROWS_AS(read_config(folder.file("none")), UsageError);
  CHECK_THROWS_AS(read_config("/dev/zero"), UsageError);
  CHECK(read_config(folder.write("most", std::string((1 << 20) - 4, '\n') + "a=1\n")).size() == 1);
  CHECK_THROWS_AS(read_config(folder.write("more", std::string(1 << 20, '\n') + "a=1\n")),
                  UsageError);
}

namespace {

struct Numbers {
  int64_t steps = 1, rank = 2;
  double rate = 3;
  bool flag = true;
  static constexpr const char* kTitle = "Numbers";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "steps", .help = "", .low = 0}, o.steps);
    field({.name = "rank", .help = ""}, o.rank);
    field({.name = "rate", .help = "", .old_name = "speed"}, o.rate);
    field({.name = "flag", .help = ""}, o.flag);
  }
};

struct Parsed {
  explicit Parsed(Numbers& numbers, std::vector<std::string> words) : flags("", "test") {
    flags.add(numbers);
    std::vector<char*> arguments = {program.data()};
    for (std::string& word : words) arguments.push_back(word.data());
    flags.parse(int(arguments.size()), arguments.data());
  }
  std::string program = "test";
  Flags flags;
};

}  // namespace

TEST_CASE("config: a file gives defaults, which the command line overrides") {
  Numbers n;
  apply_config(n, parse_config("steps=7\nspeed=0.123456789012\nflag=false\n", "file"));
  CHECK(n.steps == 7);
  CHECK(n.rate == 0.123456789012);
  CHECK_FALSE(n.flag);
  CHECK(config_text(n) == "steps=7\nrank=2\nrate=0.123456789012\nflag=false\n");
  const Parsed parsed(n, {"--steps", "8", "--steps=9", "--flag"});
  CHECK(n.steps == 9);
  CHECK(n.rate == 0.123456789012);
  CHECK(parsed.flags.given() == std::vector<std::string>{"steps", "flag"});
  CHECK_FALSE(parsed.flags.given("rate"));
  CHECK(config_text(n) == "steps=9\nrank=2\nrate=0.123456789012\nflag=true\n");
  Parsed(n, {"--no-flag", "--speed", "0.5"});
  CHECK_FALSE(n.flag);
  CHECK(n.rate == 0.5);
  CHECK_THROWS_WITH_AS(Parsed(n, {"--steps", "-1"}), doctest::Contains("--steps: must be a number"),
                       UsageError);
  const auto refused = [&](const std::string& text, const std::string& part) {
    try {
      apply_config(n, parse_config(text, "file"), {"resume"});
      FAIL("taken: " << text);
    } catch (const UsageError& error) {
      CAPTURE(error.what());
      CHECK(contains(error.what(), part));
    }
  };
  refused("\nstepz=7", "file:2: unknown option 'stepz'; did you mean 'steps'?");
  refused("steps=ten", "file:1: --steps: ");
  refused("flag=maybe", "file:1: --flag: ");
  refused("resume=true", "file:1: 'resume' belongs on the command line");
}

TEST_CASE("flags: a first look takes what is right and passes over the rest") {
  Numbers n;
  Flags look("", "test");
  look.add(n);
  std::string words[] = {"test", "--rank=5", "--steps", "ten", "--unknown", "--help", "word"};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  look.parse_what_is_right(int(arguments.size()), arguments.data());
  CHECK(n.rank == 5);
  CHECK(n.steps == 1);
}
