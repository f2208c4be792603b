// Programs that use a language model: texts that have changed, names and prompts of any bytes,
// large vocabularies, models of token files.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "examples/language/open_run.h"
#include "examples/language/writing.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"
#include "tests/support/text_run.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

constexpr const char* kSmall =
    "--recipe demo --mixer tno --dim 8 --layers 1 --steps 2 --length 16 --batch-size 2 --ngram 0 "
    "--sample-tokens 0 --quiet ";

// A run on words, "run" in the place.
void train_on_words(const Place& place, const std::string& text) {
  spill(place / "words.txt", text);
  const Outcome o = train_lm_here(
      place, kSmall + ("--units words --data " + place / "words.txt") + " --out " + place / "run");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
}

std::string sentences() {
  std::string text;
  for (int i = 0; i < 300; ++i) text += i % 3 == 0 ? "he was here\n" : "he was there\n";
  return text;
}

// Folders with train.bin and val.bin of ids 0 to 6.
void write_ids(const std::string& folder) {
  fs::create_directories(folder);
  for (const char* name : {"/train.bin", "/val.bin"}) {
    std::string ids;
    for (int i = 0; i < 400; ++i) ids += {char(i % 7), 0};
    spill(folder + name, ids);
  }
}

}  // namespace

TEST_CASE("train_lm: a vocabulary of several megabytes is saved and read again") {
  const Place place;
  std::string text;
  for (int i = 0; i < 4000; ++i)
    text += "w" + std::to_string(i) + std::string(600, char('a' + i % 26)) + "\n";
  train_on_words(place, text + text);
  CHECK(open_lm_run(place / "run").vocabulary.size() >= 4000);
}

TEST_CASE("train_lm: what does not fit into a checkpoint is refused before the first step") {
  const Place place;
  std::string text;
  for (int i = 0; i < 300; ++i) text += "w" + std::to_string(i) + std::string(60000, 'x') + "\n";
  spill(place / "words.txt", text + text);
  const Outcome o = train_lm_here(
      place, kSmall + ("--units words --data " + place / "words.txt") + " --out " + place / "run");
  CHECK(o.code == 3);
  CHECK(contains(o.err, "does not fit into its header"));
  CHECK_FALSE(fs::exists(place / "run/metrics.csv"));
}

TEST_CASE("train_lm: paths may have bytes that are no UTF-8") {
  const TextRun place;
  const std::string strange = place / "caf\xe9.txt";
  spill(strange, TextRun::text());
  REQUIRE(place.train("runs\xe9", "--steps 2 --data " + strange).code == 0);
  const OpenedLmRun run = open_lm_run(place / "runs\xe9");
  CHECK(run.options.data.place == strange);
  CHECK(place.run("evaluate_lm '" + place / "runs\xe9" + "' --quiet").code == 0);
  const Outcome next = place.train("next", "--steps 2 --init " + place / "runs\xe9");
  CAPTURE(next.err);
  CHECK(next.code == 0);
  CHECK(open_lm_run(place / "next").options.train.init == place / "runs\xe9");

  const TinyRun task;
  REQUIRE(task.train_here("a\xe9").code == 0);
  CHECK(task.train_here("b", "--init " + task / "a\xe9").code == 0);
}

TEST_CASE("evaluate_lm: a text that has changed since the training is refused") {
  const TextRun place;
  REQUIRE(place.train("run").code == 0);
  const std::string evaluate = "evaluate_lm --quiet " + place / "run";
  CHECK(place.run(evaluate).code == 0);
  spill(place / "text.txt", TextRun::text().substr(0, 2900));  // the same characters
  const Outcome o = place.run(evaluate);
  CHECK(o.code == 3);
  CHECK(contains(o.err, "has changed since"));
  CHECK(place.run(evaluate + " --data " + place / "text.txt").code == 0);
}

TEST_CASE("evaluate_lm: a text of another kind is refused with the kind that the model reads") {
  const TextRun place;
  REQUIRE(place.train("run").code == 0);
  write_ids(place / "ids");
  const Outcome trained =
      train_lm_here(place, kSmall + ("--data " + place / "ids") + " --out " + place / "of-ids");
  CAPTURE(trained.err);
  REQUIRE(trained.code == 0);
  const Outcome ids =
      place.run("evaluate_lm " + place / "run" + " --quiet --data " + place / "ids");
  CHECK(ids.code == 3);
  CHECK(contains(ids.err, "cannot be read as characters, which the model reads"));
  const Outcome text =
      place.run("evaluate_lm " + place / "of-ids" + " --quiet --data " + place / "text.txt");
  CHECK(text.code == 3);
  CHECK(contains(text.err, "which the model reads"));
  const Outcome one = place.run("evaluate_lm " + place / "run" + " --quiet --limit 1");
  CHECK(one.code == 2);
  CHECK(contains(one.err, "--limit: must be 0 or at least 2"));
  CHECK(place.train("bad", "--split 1,0").code == 2);
}

TEST_CASE("generate: a model of token files writes ids, and reads no text") {
  const Place place;
  write_ids(place / "ids");
  REQUIRE(
      train_lm_here(place, kSmall + ("--data " + place / "ids") + " --out " + place / "run").code ==
      0);
  const Outcome o = place.run("generate " + place / "run" + " -n 5");
  CAPTURE(o.err);
  CHECK(o.code == 0);
  std::istringstream in(o.out);
  int count = 0;
  for (int id = 0; in >> id; ++count) CHECK((id >= 0 && id < 7));
  CHECK(count == 5);
  const Outcome text = place.run("generate " + place / "run" + " -n 5 -p x");
  CHECK(text.code == 3);
  CHECK(contains(text.err, "whose tokeniser is not known"));
}

TEST_CASE("generate: --raw leaves words apart, and a byte order mark is no part of a prompt") {
  const Place place;
  train_on_words(place, sentences());
  const std::string generate = "generate " + place / "run" + " --ignore-eos -n 6 --quiet";
  const std::string text = place.run(generate + " -p 'he was'").out;
  CHECK(text == place.run(generate + " -p 'he was' --raw").out + "\n");
  spill(place / "marked.txt", "\xEF\xBB\xBFhe was");
  CHECK(prompt_text("", place / "marked.txt") == "he was");
  CHECK(prompt_text("FILE:" + place / "marked.txt", "") == "he was");
  CHECK(text == place.run(generate + " -f " + place / "marked.txt").out);
  const Outcome blank = place.run(generate + " -p ' '");  // no word: as without a prompt
  CAPTURE(blank.err);
  CHECK(blank.code == 0);
}

TEST_CASE("minimal_generate: the first word keeps its distance to the prompt") {
  const Place place;
  train_on_words(place, sentences());
  const std::string program = "minimal_generate " + place / "run/best.safetensors";
  for (const char* prompt : {"he was", "he was "}) {
    const Outcome o = place.run(program + " '" + prompt + "'");
    CAPTURE(o.out);
    REQUIRE(o.code == 0);
    const std::string after = o.out.substr(std::string(prompt).size());
    CHECK((after[0] == ' ' || after[0] == '\n') == (std::string(prompt).back() != ' '));
  }
}
