// train_lra --init: from runs on other data of the same task.
#include <algorithm>

#include "core/io/safetensors.h"
#include "examples/train/init.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

TEST_CASE("init: where the data gives other ids, the rows of the embedding follow their tokens") {
  const TinyRun place;
  REQUIRE(place.train_here("first", "--steps 2 --dim 4").code == 0);
  const safetensors::File file = safetensors::read(place / "first/best.safetensors");
  ModelCard card = card_of(file);
  const std::vector<std::string> then = card.vocabulary;
  const auto started = [&] {
    Parameters parameters(/*seed=*/9);
    const Model model(parameters.root(), card.options, card.shape);
    const std::string text = start_from(place / "first", card, parameters);
    return std::pair(to_vector(parameters.find("encoder.weight")->variable.value()), text);
  };
  const std::vector<double> table = to_vector(file.at("encoder.weight"));
  CHECK((started() == std::pair(table, std::string())));

  std::reverse(card.vocabulary.begin() + 3, card.vocabulary.end());
  card.vocabulary.back() = "unheard of";
  const auto other = started();
  const std::vector<double>& rows = other.first;
  CHECK(contains(other.second, "the rows of the embedding follow their tokens"));
  const auto row_of = [](const std::vector<double>& all, size_t row) {
    return std::vector<double>(all.begin() + 4 * int64_t(row), all.begin() + 4 * int64_t(row) + 4);
  };
  for (size_t id = 0; id + 1 < then.size(); ++id) {
    CAPTURE(id);
    const auto old = std::find(then.begin(), then.end(), card.vocabulary[id]) - then.begin();
    CHECK((row_of(rows, id) == row_of(table, size_t(old))));
  }
  Parameters fresh(/*seed=*/9);
  const Model untrained(fresh.root(), card.options, card.shape);
  CHECK((row_of(rows, then.size() - 1) ==
         row_of(to_vector(fresh.find("encoder.weight")->variable.value()), then.size() - 1)));
}

TEST_CASE("init: another model is refused with the options that make it another one") {
  const TinyRun place;
  REQUIRE(place.train_here("run").code == 0);
  const auto refused = [&](const std::string& options) {
    const Outcome o = place.train_here("next", "--force --init " + place / "run" + " " + options);
    CHECK(o.code == 3);
    return o.err;
  };
  const std::string wider = refused("--dim 16 --dropout 0.3");
  CHECK(contains(wider, "--init: --dim 16, was 8; "));
  CHECK(contains(wider, "'encoder.weight' is"));
  CHECK(contains(refused("--mixer tno"), "--mixer tno, was ski"));
  Parameters store(1);
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"})
    store.root().parameter(name, {1}, normal(1));
  const std::string many = message_of([&] { store.load(safetensors::File()); });
  CHECK(contains(many, "missing 'e'"));
  CHECK_FALSE(contains(many, "missing 'f'"));
  CHECK(contains(many, "; and 2 more"));
}
