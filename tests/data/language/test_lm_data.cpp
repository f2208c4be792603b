#include <doctest/doctest.h>

#include "tests/data/language/zip.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff::testing;

TEST_CASE("lm_data: check says what a text is, what is unusual, and the n-gram baseline") {
  const Place place;
  std::string text = "\xEF\xBB\xBF";
  for (int i = 0; i < 300; ++i) text += "to be or not to be\x1b\r\n";
  spill(place / "input.txt", text);
  const Outcome o = place.run("lm_data check " + place / "input.txt --ngram 3");
  CAPTURE(o.out);
  CHECK(o.code == 0);
  CHECK(o.err.empty());
  CHECK(contains(o.out, "input.txt: input.txt\n  units: characters, 10 ids, kept in 8 bits each"));
  CHECK(contains(o.out, "  train           5670  90.00 %            5670\n"));
  CHECK(contains(o.out, "  test               none\n"));
  CHECK(contains(o.out, "  train begins: to be or not to be\\x1b\\x0d\\nto be"));
  CHECK(contains(o.out, "note: byte order marks left out: 1"));
  CHECK(contains(o.out, "at line ends: 300"));
  CHECK(contains(o.out, "            0      2.3026      3.3219      10.000     3.3219  (all ids"));
  CHECK_FALSE(contains(o.out, "\x1b"));

  const Outcome bytes =
      place.run("lm_data check " + place / "input.txt --units bytes --split .8,.1,.1");
  CHECK(bytes.code == 0);
  CHECK(contains(bytes.out, "  test             630  10.00 %             630\n"));
}

TEST_CASE("lm_data: exit code 2 for a wrong command line, 3 for a text that cannot be used") {
  const Place place;
  spill(place / "x.txt", std::string(100, 'x'));
  spill(place / "x.zip", zip_of({{"../x.txt", "x"}}));
  struct Case {
    std::string arguments;
    int code;
    const char* message;
  };
  const Case cases[] = {
      {"check " + place / "none", 3, "error: cannot find '"},
      {"check " + place / "x.zip", 3, "leads out of the archive"},
      {"check " + place / "x.txt --units word", 2, "did you mean 'words'?"},
      {"check " + place / "x.txt --unit words", 2,
       "unknown option '--unit'; did you mean '--units'?"},
      {"check " + place / "x.txt --split 0.5,0.6", 2, "must sum to 1"},
      {"check " + place / "x.txt --ngram 17", 2, "--ngram"},
      {"check " + place / "x.txt --vocab -1", 2, "--vocab: must be a number from 0"},
      {"chek x", 2, "did you mean 'check'?"},
      {"check", 2, "place is required"},
      {"", 2, "subcommand is required"},
  };
  for (const Case& c : cases) {
    const Outcome o = place.run("lm_data " + c.arguments);
    CAPTURE(c.arguments);
    CAPTURE(o.err);
    CHECK(o.code == c.code);
    CHECK(contains(o.err, c.message));
  }
  const Outcome help = place.run("lm_data check --help");
  CHECK(help.code == 0);
  CHECK(contains(help.out, "--split"));
  CHECK(contains(help.out, "Example"));
}
