// lra_data: what it generates, and what it says of data that is there.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "data/tasks/fashion.h"
#include "tests/support/programs.h"
#include "tests/support/tar.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

TEST_CASE(
    "lra_data: check counts what is there and exits with 3 when it cannot be used; show prints "
    "it") {
  const Place place;
  const std::string data = place / "data";
  for (const char* part : {"train/neg", "train/pos", "test/neg", "test/pos"})
    fs::create_directories(data + "/aclImdb/" + part);
  spill(data + "/aclImdb/train/neg/0_1.txt", "bad \x1b\n film");
  spill(data + "/aclImdb/train/pos/0_9.txt", "good film");
  spill(data + "/aclImdb/test/neg/0_1.txt", "bad");
  const Outcome missing = place.run("lra_data check " + data);
  CHECK(missing.code == 3);
  CHECK(contains(missing.out, "test/pos: there are no reviews"));
  CHECK(contains(missing.out, "listops: not found; 'lra_data generate listops"));
  spill(data + "/aclImdb/test/pos/0_9.txt", "good");
  const Outcome good = place.run("lra_data check " + data);
  CHECK(good.code == 0);
  CHECK(contains(good.out, "2 training and 2 test reviews instead of 25000 each"));
  CHECK(place.run("lra_data check " + place / "nowhere").code == 3);

  const Outcome shown = place.run("lra_data show text " + data + " --count 1");
  CHECK(shown.code == 0);
  CHECK(contains(shown.out,
                 "text: 2 train examples, 2 classes, 3 ids; validation is the test split"));
  CHECK(contains(shown.out, "example 0: class 0, 12 tokens\n<unk>"));
  CHECK(!contains(shown.out, "example 1"));
  const Outcome unknown = place.run("lra_data show tekst " + data);
  CHECK(unknown.code == 2);
  CHECK(contains(unknown.err, "show: unknown task 'tekst'; did you mean 'text'?"));
  CHECK(place.run("lra_data show retrieval " + data).code == 3);
  CHECK(place.run("lra_data show text " + data + " --split all").code == 2);
  const Outcome sheet = place.run("lra_data show text " + data + " --png " + place / "x.png");
  CHECK(sheet.code == 2);
  CHECK(contains(sheet.err, "text has no images that --png could write"));
}

TEST_CASE("lra_data: numbers are those of the other programs, and none is cut") {
  const Place place;
  const std::string small =
      "lra_data generate listops --val 1 --test 1 --min-length 2 --max-length 20 --force --out " +
      place / "small";
  const auto rows = [&](const std::string& number) {
    const Outcome o = place.run(small + " --train " + number);
    CAPTURE(o.err);
    CHECK(o.code == 0);
    const std::string text = slurp(place / "small/basic_train.tsv");
    return std::count(text.begin(), text.end(), '\n') - 1;
  };
  CHECK(rows("010") == 10);
  CHECK(rows("2e1") == 20);
  for (const char* number : {"1e-400", "-1e-400"}) {
    const Outcome o = place.run(small + " --train 2 --seed " + number);
    CHECK(o.code == 2);
    CHECK(contains(o.err, "seed: must be"));
  }
  const std::string none = " --min-length 1 --max-length 4 --max-args 2 --out ";
  CHECK(place.run("lra_data generate listops" + none + place / "none").code == 2);
  CHECK_FALSE(std::filesystem::exists(place / "none"));
  for (const char* seed : {"18446744073709551616", "9007199254740992", "1.5", "x"}) {
    const Outcome o = place.run(small + " --train 2 --seed " + seed);
    CHECK(o.code == 2);
    CHECK(contains(o.err, "must be a whole number from 0 to 9007199254740991"));
  }
}

TEST_CASE("lra_data: names from an archive reach the terminal without control characters") {
  const Place place;
  const std::string name = "train/neg/\x1b]0;title\x07\x1b[31m\xC2\x9B_1.txt";
  spill(place / "aclImdb_v1.tar", tar_of({{name, "bad \xFF"}}));
  for (const char* command : {"check ", "show text "}) {
    const Outcome o = place.run("lra_data " + std::string(command) + place / "aclImdb_v1.tar");
    CAPTURE(o.out);
    CHECK(o.code == 3);
    for (const char* code : {"\x1b", "\x07", "\xC2\x9B"})
      CHECK_FALSE(contains(o.out + o.err, code));
  }
  const Outcome o = place.run("lra_data check '" + place / "none\x1b[31m" + "'");
  CHECK(contains(o.err, "none\\x1b[31m'"));
}

TEST_CASE("lra_data: check prints no table of zeros for data that cannot be read") {
  const Place place;
  fs::create_directories(place / "data");
  spill(place / "data/aclImdb_v1.tar.gz", "no archive");
  spill(place / "data/cifar-10-binary.tar.gz", "no archive");
  spill(place / "data/train-images-idx3-ubyte", "no images");
  const Outcome o = place.run("lra_data check " + place / "data");
  CAPTURE(o.out);
  CHECK(o.code == 3);
  CHECK_FALSE(contains(o.out, "majority class"));
  CHECK_FALSE(contains(o.out, "share of each class"));
  CHECK_FALSE(contains(o.out, "0 / 0"));
  size_t count = 0;
  for (size_t at = 0; (at = o.out.find("no row could be read", at)) != o.out.npos; ++at) ++count;
  CHECK(count == 3);
}

TEST_CASE("lra_data: check finds Fashion-MNIST where train_lra finds it") {
  if (fashion::find(fashion::kSystemFolder).empty()) return;  // the package is not installed
  const Place place;
  const Outcome o = place.run("lra_data check " + place / "");
  CHECK(contains(o.out, std::string("fashion: ") + fashion::kSystemFolder + "\n"));
  CHECK(o.code == 3);  // the folder itself is empty
}

TEST_CASE("lra_data: an image that cannot be written is named with the reason") {
  const Place place;  // the limit on the size of files does not hold for a pipe
  const std::string command = "(trap '' XFSZ; ulimit -f 2; " + programs() +
                              "/lra_data generate pathfinder --size 256 --count 1 --out " +
                              place / "data" + " 2>&1; echo $?) | cat >" + place / "out";
  REQUIRE(std::system(command.c_str()) == 0);
  const std::string out = slurp(place / "out");
  CAPTURE(out);
  CHECK(contains(out, "imgs/0/sample_0.png': File too large\n5\n"));
}

TEST_CASE("lra_data: curves of other lengths alone, a level that train_lra takes as its data") {
  const Place place;
  REQUIRE(place
              .run("lra_data generate pathfinder --out " + place / "data" +
                   " --contour 4 --distractors 0 --count 40")
              .code == 0);
  const std::string level = place / "data/pathfinder32/curv_contour_length_4";
  CHECK(contains(slurp(level + "/metadata/0.npy"), " 1.0 4 1 "));
  REQUIRE(place.run("lra_data generate pathfinder --out " + place / "more --contour 4 --count 40")
              .code == 0);
  CHECK(slurp(level + "/imgs/0/sample_0.png") !=
        slurp(place / "more/pathfinder32/curv_contour_length_4/imgs/0/sample_0.png"));
  const std::string fair = place / "fair/pathfinder32/curv_contour_length_4";
  const Outcome told = place.run("lra_data generate pathfinder --out " +
                                 place / "fair --contour 4 --count 40 --fair-places");
  CHECK(contains(told.out, " distractors per image\n"));
  CHECK(contains(slurp(fair + "/settings.txt"), "(--fair-places)"));
  CHECK_FALSE(contains(slurp(level + "/settings.txt"), "(--fair-places)"));
  const Outcome o = place.run(
      "train_lra --task pathfinder32 --recipe tiny --layers 1 --dim 8 --batch-size 4 --steps 1 "
      "--quiet --json --data " +
      level + " --out " + place / "run");
  CAPTURE(o.err);
  CHECK(o.code == 0);
  CHECK(contains(o.out, "\"task\":\"pathfinder32\""));
  REQUIRE(place
              .run("lra_data generate pathfinder --out " +
                   place / "mixed --contour 3,4 --distractors 0,1 --count 4")
              .code == 0);
  const std::string rows = slurp(place / "mixed/pathfinder32/curv_mixed/metadata/0.npy");
  const size_t second =
      rows.find('\n', rows.find('\n') + 1);  // the images have 3, 3, 4 and 4 dashes
  CHECK(contains(rows.substr(0, second), " 1.0 3 1 "));
  CHECK_FALSE(contains(rows.substr(0, second), " 1.0 4 1 "));
  CHECK(contains(rows.substr(second), " 1.0 4 1 "));
  CHECK(place.run("lra_data generate pathfinder --out " + place / "x --distractors -2 --count 1")
            .code == 2);
  CHECK(place.run("lra_data generate pathfinder --out " + place / "x --contour 4,one --count 1")
            .code == 2);
}
