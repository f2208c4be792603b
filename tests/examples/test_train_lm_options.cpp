// train_lm: recipes and their sizes, and one clear line for what cannot be used.
#include <filesystem>

#include "examples/language/options.h"
#include "examples/language/recipes.h"
#include "layers/language_model.h"
#include "tests/support/testing.h"
#include "tests/support/text_run.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

LmOptions recipe(const std::string& name, const std::string& mixer,
                 LanguageObjective objective = LanguageObjective::Causal) {
  LmOptions chosen;
  chosen.model.mixer = mixer;
  chosen.train.recipe = name;
  chosen.train.objective = objective;
  return recipe_of(chosen);
}

int64_t parameters_of(const LmOptions& o, int64_t vocab) {
  Parameters store(1);
  const LanguageModel model(store.root(), o.model_options(), o.language,
                            {.vocab = vocab, .max_length = o.windows.length});
  return store.trained_count();
}

// The count is linear in the layers: one is enough.
int64_t with_all_layers(LmOptions o, int64_t vocab) {
  const int64_t layers = o.model.layers;
  o.model.layers = 0;
  const int64_t none = parameters_of(o, vocab);
  o.model.layers = 1;
  return none + layers * (parameters_of(o, vocab) - none);
}

}  // namespace

TEST_CASE("train_lm: the recipes have the sizes of their models") {
  struct Size {
    const char *name, *mixer;
    int64_t vocab, parameters;
  };
  const Size sizes[] = {
      {"demo", "tno", 65, 118784},   {"demo", "fd", 65, 118784},   {"demo", "ski", 65, 131904},
      {"tiny", "tno", 65, 855296},   {"tiny", "fd", 65, 855296},   {"tiny", "ski", 65, 912256},
      {"small", "tno", 65, 1278656}, {"small", "fd", 65, 1278656}, {"small", "ski", 65, 1364096},
      {"small", "fd", 256, 1303104},
  };
  for (const Size& size : sizes) {
    CAPTURE(size.name);
    CAPTURE(size.mixer);
    CHECK(with_all_layers(recipe(size.name, size.mixer), size.vocab) == size.parameters);
  }
  LmOptions untied = recipe("demo", "tno");
  untied.language.tied = false;
  CHECK(parameters_of(untied, 65) == 118784 + 4160);
}

TEST_CASE("train_lm: the published recipes have the published sizes and rates") {
  const LmOptions tnn = recipe("paper", "tno");
  CHECK(with_all_layers(tnn, 64) == 48666624 - (50264 - 64) * 512);
  CHECK(with_all_layers(recipe("paper", "fd"), 64) == 48579264 - (50264 - 64) * 512);
  CHECK_FALSE(tnn.model.glu_dropout);
  CHECK(recipe("tiny", "tno").model.glu_dropout);
  LmOptions free = recipe("paper", "fd");
  free.model.kernel.rpe.layers = 0;
  CHECK(with_all_layers(free, 64) == 48491904 - (50264 - 64) * 512);
  const LmOptions masked = recipe("paper", "tno", LanguageObjective::Masked);
  CHECK(with_all_layers(masked, 65) == 126372441 - (50265 - 65) * (768 + 1));

  const Schedule rate{
      .kind = tnn.train.schedule, .warmup = tnn.train.warmup, .start = tnn.train.lr_start};
  const auto at = [&](int64_t update) { return tnn.train.lr * rate(update); };
  CHECK(at(0) == doctest::Approx(1e-7));
  CHECK(at(2000) == doctest::Approx(2.5005e-4));
  CHECK(at(4000) == doctest::Approx(5e-4));
  CHECK(at(16000) == doctest::Approx(2.5e-4));
  CHECK(at(50000) == doctest::Approx(1.414214e-4));
  const Schedule line{
      .kind = masked.train.schedule, .warmup = masked.train.warmup, .horizon = masked.train.steps};
  CHECK(masked.train.lr * line(1500) == doctest::Approx(2.5e-4));
  CHECK(masked.train.lr * line(26500) == doctest::Approx(2.5e-4));
}

TEST_CASE("train_lm: what cannot be meant is refused before anything is read") {
  const TextRun place;
  const auto refused = [&](const std::string& options, const std::string& part) {
    const Outcome o = place.train("run", options);
    CAPTURE(options);
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, part));
    CHECK_FALSE(fs::exists(place / "run/config.toml"));
  };
  refused("--recipe tinny",
          "--recipe: must be demo, tiny, small or paper, got 'tinny'; did you mean 'tiny'?");
  refused("--mixer tnoo", "--mixer: must be one of");
  refused("--objective backwards", "--objective: must be one of causal, masked, got 'backwards'");
  refused("--norm batch", "cannot have the norm 'batch'");
  refused("--objective masked --eval-rule sliding", "must be scored by blocks, got sliding");
  refused("--objective masked --extrapolate 1,2",
          "--extrapolate: must be empty with --objective masked");
  refused("--mixer attention --eval-rule stream", "a stream needs mixers that are kernels alone");
  refused("--mixer tno --tno-normalize --eval-rule stream",
          "a stream needs mixers that are kernels");
  refused("--sinusoids --eval-rule stream", "a stream needs mixers that are kernels alone");
  refused("--extrapolate 1,x", "--extrapolate: must be 0.5 or whole numbers from 1 to 100000");
  refused("--extrapolate 1,", "--extrapolate: must end with a number");
  refused("--extrapolate 0", "--extrapolate: must be 0.5 or whole numbers");
  refused("--eval-rule sliding --eval-stride 17", "--eval-stride: must be at most the 16 tokens");
  refused("--mask-share 2", "--mask-share: must be a number from 0.001 to 0.999, got '2'");
  refused("--length 0", "--length: must be a number from 1");
  refused("--length 4000", "use a smaller --length");
  refused("--batch-size 400", "use a smaller --length or --batch-size");
  refused("--causal", "unknown option '--causal'");
  refused("--bucket", "unknown option '--bucket'");
  refused("--split 0.5,0.2", "--split");
  CHECK(train_lm_here(place, "--recipe demo --out " + place / "run").code == 2);
  spill(place / "c.toml", "recipe=\"demo\"\nlr=fast\n");
  const Outcome o = train_lm_here(place, "--config " + place / "c.toml");
  CHECK(o.code == 2);
  CHECK(contains(o.err, "c.toml:2: --lr: must be a number"));
}

TEST_CASE("train_lm: a text that cannot be used gets one line") {
  const TextRun place;
  const auto refused = [&](const std::string& file, const std::string& part,
                           const std::string& more = "") {
    const Outcome o = train_lm_here(place, place.words("run", more + " --data " + place / file));
    CAPTURE(file);
    CAPTURE(o.err);
    CHECK(o.code == 3);
    CHECK(contains(o.err, part));
    CHECK(o.err.find("error: ") == o.err.rfind("error: "));
  };
  spill(place / "empty.txt", "");
  spill(place / "letter.txt", "a");
  spill(place / "latin1.txt", "caf\xe9 and more\n");
  fs::create_directories(place / "folder");
  refused("none.txt", "none.txt");
  refused("empty.txt", "the file is empty");
  refused("letter.txt", "has no tokens");
  refused("latin1.txt", "UTF-8");
  refused("folder", "expected wiki.");
  spill(place / "odd.zip", "PK\x03\x04 cut");
  refused("odd.zip", "odd.zip");
}

TEST_CASE("train_lm: --resume refuses another text and other options") {
  const TextRun place;
  CHECK(place.train("run", "--resume").code == 3);
  REQUIRE(place.train("run", "--stop-at 4").code == 0);
  const Outcome twice = place.train("run");
  CHECK(twice.code == 2);
  CHECK(contains(twice.err, "holds a run already"));
  const Outcome other = place.train("run", "--resume --lr-end 0.5 --beta2 0.9");
  CHECK(other.code == 2);
  CHECK(contains(other.err, "--beta2 is 0.9, was 0.99"));
  CHECK(contains(other.err, "--lr-end is 0.5, was 0.1"));
  spill(place / "text.txt", place.text() + "and");
  const Outcome text = place.train("run", "--resume");
  CHECK(text.code == 3);
  CHECK(contains(text.err, "was started on another text"));
  spill(place / "text.txt", place.text());
  // What a run only reports may be asked for anew.
  CHECK(place.train("run", "--resume --extrapolate 2 --ngram 2 --sample-tokens 4").code == 0);
}

TEST_CASE("train_lm: --epochs counts passes over the text, whatever steps the recipe has") {
  const TextRun place;
  std::string words = place.words("run", "--epochs 1 --stop-at 1");
  words.erase(words.find("--steps 12"), 10);
  const Outcome o = train_lm_here(place, words);
  REQUIRE(o.code == 0);
  CHECK(contains(o.err, " 50 steps of 4 windows of 16"));  // of 3240 tokens
  CHECK_FALSE(contains(o.err, "--epochs has no effect"));
}

TEST_CASE("train_lm: an option that changes nothing is noted") {
  const TextRun place;
  const Outcome o =
      place.train("run",
                  "--stop-at 1 --epochs 2 --mask-share 0.2 --eval-stride 3 --heads 2 --horizon 5 "
                  "--schedule constant");
  REQUIRE(o.code == 0);
  for (const char* part :
       {"note: --epochs has no effect beside --steps", "note: --mask-share has no effect",
        "note: --eval-stride has no effect with --eval-rule blocks",
        "note: --heads has no effect with --mixer ski",
        "note: --horizon has no effect with --schedule constant"})
    CHECK_MESSAGE(contains(o.err, part), part);
}
