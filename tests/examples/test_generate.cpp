// generate: texts, their ends, prompts, samples, and what a user can get wrong.
#include <nlohmann/json.hpp>

#include "examples/language/open_run.h"
#include "examples/language/sample.h"
#include "examples/language/writing.h"
#include "tests/support/testing.h"
#include "tests/support/text_run.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// What StopStrings lets through of a text that comes in pieces of n bytes.
std::string through(const std::string& text, size_t n, const std::vector<std::string>& stops,
                    bool* stopped = nullptr) {
  StopStrings stop(stops);
  std::string out;
  for (size_t i = 0; i < text.size(); i += n) out += stop.add(text.substr(i, n));
  if (stopped) *stopped = stop.stopped();
  return out + stop.finish();
}

// A trained run of the tiny text, made once.
const TextRun& trained() {
  static const TextRun place;
  static const Outcome once = place.train("run");
  REQUIRE(once.code == 0);
  return place;
}
Outcome generate(const std::string& words) {
  return trained().run("generate " + trained() / "run " + words);
}

}  // namespace

TEST_CASE("stop strings: a text ends before the first of them, however it is cut") {
  const std::string text = "abcabxabcabyz";
  for (size_t n = 1; n <= text.size(); ++n) {
    CAPTURE(n);
    bool stopped = false;
    CHECK(through(text, n, {}, &stopped) == text);
    CHECK_FALSE(stopped);
    CHECK(through(text, n, {"abcaby"}, &stopped) == "abcabx");
    CHECK(stopped);
    CHECK(through(text, n, {"xa", "cab"}, &stopped) == "ab");
    CHECK(through(text, n, {"z"}) == "abcabxabcaby");
    CHECK(through(text, n, {"zz", "yzz"}, &stopped) == text);  // held back, then given out
    CHECK_FALSE(stopped);
    CHECK(through(text, n, {"", "abcabx"}, &stopped) == "");
    CHECK(through("xabcd.", n, {"abcd", "bc"}) == "xa");  // one in the other: that ends first
  }
}

TEST_CASE("stop strings: what cannot begin one is not held back") {
  StopStrings stop({"end"});
  CHECK(stop.add("a word") == "a word");
  CHECK(stop.add(" e") == " ");
  CHECK(stop.add("ndless") == "");
  CHECK(stop.stopped());
  CHECK(stop.add("more") == "");
}

TEST_CASE(
    "terminals: control characters are shown as escapes, tab and line end and UTF-8 are kept") {
  CHECK(harmless("a\tb\n\x1b[2J\x7f\xc3\xa9") == "a\tb\n\\x1b[2J\\x7f\xc3\xa9");
  CHECK(harmless("\xc2\x9b"
                 "2J\xc2\xa9") ==
        "\\xc2\\x9b"
        "2J\xc2\xa9");
}

TEST_CASE("write: every way and every number of samples writes the same texts; stops end them") {
  const OpenedLmRun run = open_lm_run(trained() / "run");
  const std::vector<int32_t> prompt = run.vocabulary.encode("the cat ");
  std::string printed;
  const auto written = [&](Method method, WritingOptions o) {
    Generator g(&run.model(), {.method = method, .lags = 40});
    printed.clear();
    const Written w = write(
        g, run.vocabulary, prompt, o, [&](const std::string& piece) { printed += piece; },
        [] { return true; });
    CHECK((printed == w.samples[0].text || !o.keep_first));
    return w;
  };
  WritingOptions o{.tokens = 60, .seed = 7, .samples = 3};
  const Written three = written(Method::Dense, o);
  REQUIRE(three.samples.size() == 3);
  CHECK(three.samples[0].text.size() == 60);
  CHECK(three.samples[0].text != three.samples[1].text);
  CHECK(three.timing.tokens == 180);
  for (const Method method : {Method::Naive, Method::Online, Method::Prefix}) {
    const Written w = written(method, o);
    for (size_t s = 0; s < 3; ++s) CHECK(w.samples[s].text == three.samples[s].text);
  }
  o.keep_first = false;  // printed, as above, but not kept
  CHECK(written(Method::Dense, o).samples[0].tokens.empty());
  CHECK(printed == three.samples[0].text);
  CHECK(written(Method::Dense, o).samples[1].text == three.samples[1].text);
  o.keep_first = true;
  o.samples = 1;
  CHECK(written(Method::Dense, o).samples[0].text == three.samples[0].text);
  o.stops = {three.samples[0].text.substr(20, 5)};
  const std::string stopped = written(Method::Online, o).samples[0].text;
  CHECK(stopped == three.samples[0].text.substr(0, three.samples[0].text.find(o.stops[0])));
  // Temperature 0 asks no random number.
  o.stops.clear();
  o.choice.temperature = 0;
  const std::string greedy = written(Method::Dense, o).samples[0].text;
  o.seed = 8;
  CHECK(written(Method::Dense, o).samples[0].text == greedy);
}

TEST_CASE("write: a signal ends it, and <eos> ends a text of words unless it is to be ignored") {
  const OpenedLmRun run = open_lm_run(trained() / "run");
  Generator g(&run.model());
  int calls = 0;
  const Written w = write(
      g, run.vocabulary, {0}, {.tokens = -1}, [](const std::string&) {},
      [&] { return ++calls <= 5; });
  CHECK(w.interrupted);
  CHECK(w.samples[0].text.size() == 5);

  const Vocabulary words = Vocabulary::words({"<eos>", "a", "b", "<unk>"});
  Parameters store(1);
  ModelOptions o = language_model_options("tno");
  o.dim = 8;
  o.layers = 1;
  LanguageModel model(store.root(), o, {}, {.vocab = 4, .max_length = 8});
  store.set_training(false);
  const auto until_eos = [&](bool ignore) {
    Generator generator(&model);
    return write(
               generator, words, {1}, {.tokens = 200, .ignore_eos = ignore},
               [](const std::string&) {}, [] { return true; })
        .samples[0];
  };
  CHECK(until_eos(false).tokens.size() < 200);  // of four tokens, one ends it
  CHECK(until_eos(true).tokens.size() == 200);
  CHECK(contains(until_eos(true).text, "\n"));
}

TEST_CASE("compare: every way is measured on the same tokens, and all exact ones agree") {
  const OpenedLmRun run = open_lm_run(trained() / "run");
  const std::vector<int32_t> prompt = {0};
  const WritingOptions writing{.tokens = 30};
  Generator g(&run.model());
  const std::vector<int32_t> text =
      write(
          g, run.vocabulary, prompt, writing, [](const std::string&) {}, [] { return true; })
          .samples[0]
          .tokens;
  const std::vector<Compared> rows =
      compare_methods(&run.model(), {}, prompt, text, writing, [](const std::string&) {});
  CHECK(rows.size() == 5);
  for (const Compared& r : rows) {
    CAPTURE(word_for(r.method));
    CHECK(r.timing.tokens == 29);
    if (r.method == Method::States) continue;
    CHECK(r.same == 30);
    CHECK(r.difference < 2e-5);
  }
  const std::string table = table_of(rows, 30, seconds_to_read(1000));
  for (const char* part : {"dense", "online", "prefix", "states", "naive", "tokens/s", "floor"})
    CHECK_MESSAGE(contains(table, part), part);
}

TEST_CASE("generate: the prompt and its continuation on stdout, the speed on stderr") {
  const Outcome o = generate("--prompt 'the bird ' -n 20 --seed 3");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(o.out.starts_with("the bird "));
  CHECK(o.out.size() == 9 + 20 + 1);
  for (const char* part : {"20 tokens", "tokens/s", "longest step", "prompt of 9", "lags"})
    CHECK_MESSAGE(contains(o.err, part), part);
  CHECK(contains(generate("-n 2 --states 3").err, "note: --states has no effect"));
  const Outcome states = generate("-n 2 --states 3 --method states");
  CHECK_FALSE(contains(states.err, "note:"));
  CHECK(contains(states.err, "states: an output is wrong by at most "));
  CHECK_FALSE(contains(o.err, "wrong by at most"));
  // From a file, from stdin, with other threads: the same bytes.
  spill(trained() / "prompt.txt", "the bird ");
  CHECK(generate("-p FILE:" + trained() / "prompt.txt" + " -n 20 --seed 3 --threads 2").out ==
        o.out);
  CHECK(trained()
            .run_with("printf 'the bird ' |",
                      "generate " + trained() / "run --prompt-file - -n 20 --seed 3 --quiet")
            .out == o.out);
  const Outcome json = generate("--prompt 'the bird ' -n 20 --seed 3 --samples 2 --json --compare");
  REQUIRE(json.code == 0);
  const auto parsed = nlohmann::json::parse(json.out);
  CHECK("the bird " + parsed.at("samples")[0].get<std::string>() + "\n" == o.out);
  CHECK(parsed.at("samples").size() == 2);
  CHECK_FALSE(contains(json.err, "floor: reading all weights once"));
  const auto& compared = parsed.at("compared");
  CHECK(compared.size() >= 4);
  for (const auto& row : compared) {
    CHECK(row.at("tokens") == 19);  // the first is that of the prompt
    CHECK(row.contains("largest_error") == (row.at("method") == "states"));
  }
  CHECK(contains(generate("-n 3 --compare").err, "floor: reading all weights once"));
  // Nobody reads on: it ends as other programs do.
  const Outcome cut =
      trained().run_with("", "generate " + trained() / "run --tokens -1 --quiet | head -c 9");
  CHECK(cut.out.size() == 9);
  CHECK_FALSE(contains(cut.err, "error"));
}

TEST_CASE("generate: every wrong command gets one line and its exit code") {
  const auto refused = [](const std::string& words, int code, const std::string& text) {
    CAPTURE(words);
    const Outcome o = generate(words);
    CHECK(o.code == code);
    CHECK_MESSAGE(contains(o.err, text), o.err);
    CHECK(std::count(o.err.begin(), o.err.end(), '\n') <= 2);  // the second points to --help
    CHECK(o.out.empty());
  };
  refused("--prompt 'Z\xc3\xa9'", 3, "U+00E9");
  refused("--prompt a --prompt-file b", 2, "only one of them");
  refused("--prompt-file /no/such/file", 3, "--prompt-file: cannot open '/no/such/file'");
  refused("--prompt FILE:/no/such/file", 3, "--prompt: cannot open '/no/such/file'");
  refused("--prompt FILE:", 2, "--prompt: a name must follow FILE:");
  refused("-p --quiet", 2, "; --prompt=--quiet would give it as the value");
  refused("--seed 9007199254740993", 2, "--seed: must be a number from 0 to 9007199254740991");
  refused("--prompt-file - <&-", 3, "cannot read standard input");
  refused("--tokens -2", 2, "--tokens");
  refused("--top-p 2", 2, "--top-p");
  refused("--method fast", 2, "--method");
  refused("--context 4 --method states --states 9999", 2, "--states");
  spill(trained() / "bad/best.safetensors", "x");
  const Outcome bad = trained().run("generate " + trained() / "bad");
  CHECK(bad.code == 3);
}
