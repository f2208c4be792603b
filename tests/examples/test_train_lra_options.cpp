// train_lra: command lines, configuration files and data, right and wrong.
#include <algorithm>
#include <filesystem>

#include "core/memory.h"
#include "examples/program/flags.h"
#include "examples/train/config_file.h"
#include "examples/train/options.h"
#include "examples/train/recipes.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

TEST_CASE("train_lra: --list prints every recipe with what it reached") {
  const Place place;
  const Outcome o = place.run("train_lra --list");
  CHECK(o.code == 0);
  CHECK(std::count(o.out.begin(), o.out.end(), '\n') ==
        int64_t(recipes().size()) + 2);  // a header, and a line that explains '-'
  CHECK(contains(o.out, "pathx         paper"));
  CHECK(contains(o.out, "not yet measured"));
}

TEST_CASE("train_lra: notes on cut examples, too long a warm-up and options without effect") {
  const TinyRun place;
  const Outcome cut = place.train("cut", "--max-length 4 --inducing-points 4 --steps 11");
  CHECK(cut.code == 0);
  CHECK(contains(cut.err, " of 200 training examples are longer than --max-length 4 and are cut"));
  CHECK(contains(cut.err,
                 "note: 11 steps are less than the 200 of --warmup: the learning rate only rises, "
                 "to 0.0001 of 0.002\n"));
  const Outcome none = place.train_here("none", "--steps 2 --warmup 2");
  CHECK_FALSE(contains(none.err, "are cut"));
  CHECK_FALSE(contains(none.err, "--warmup"));
  CHECK_FALSE(contains(none.err, "no effect"));
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--heads 3", "--heads has no effect with --mixer ski"},
      {"--mixer fd --inducing-points 9", "--inducing-points has no effect with --mixer fd"},
      {"--mixer attention --gamma 0.5", "--gamma has no effect with --mixer attention"},
      {"--mixer tno --rpe-layers 2", "--rpe-layers has no effect with --tno-rpe lra"},
      {"--gamma 0.5", "--gamma has no effect with --warp auto"},
      {"--val-split 0.5", "--val-split has no effect with --task listops"},
      {"--layout image", "--layout has no effect with --task listops: it has no images"},
      {"--sync-norm --norm batch", "--sync-norm has no effect with --shards 1"},
      {"--sync-norm --shards 2 --norm layer", "--sync-norm has no effect with --norm layer"},
      {"--no-glu-dropout", "--glu-dropout has no effect without --dropout"},
      {"--epochs 3", "--epochs has no effect beside --steps"}};
  for (const auto& c : cases) {
    CAPTURE(c.first);
    const Outcome o = place.train_here("some", "--force --steps 1 " + c.first);
    CHECK(o.code == 0);
    CHECK(contains(o.err, "note: " + c.second + "\n"));
  }
  const Outcome quiet = place.train("some", "--force --quiet --steps 1 --heads 3");
  CHECK(quiet.code == 0);
  CHECK_FALSE(contains(quiet.err, "no effect"));
  const Outcome points =
      place.train_here("points", "--rank 33");  // the old name of --inducing-points
  CHECK(points.code == 2);
  CHECK(contains(points.err,
                 "--inducing-points: at most 32 inducing points fit the 32 positions of a "
                 "sequence, got 33"));
  const Outcome image = train_lra_here(
      place, "--task image --max-length 9 --data " + place / "none" + " --out " + place / "image");
  CHECK(contains(image.err,
                 "note: --max-length has no effect with --task image: its images have one size"));
}

TEST_CASE("options without effect: by the first protocol images are sequences, and texts bytes") {
  CommandLine c;
  c.options.data.task = "image";
  c.options.data.protocol = Protocol::Original;
  c.options.model.mixer = "ski";
  c.options.model.ski.inducing_points = 64;  // of 1024 positions
  c.given = {"inducing-points", "layout", "protocol"};
  CHECK(options_without_effect(c) ==
        std::vector<std::string>{"--layout has no effect with --protocol gr"});
  c.options.data.protocol = Protocol::S4;
  CHECK_THROWS_WITH_AS(options_without_effect(c), doctest::Contains("at most 32 inducing points"),
                       UsageError);
  c.options.data = {.task = "text", .protocol = Protocol::Original};
  c.given = {"bytes", "protocol"};
  CHECK(options_without_effect(c) ==
        std::vector<std::string>{"--bytes has no effect with --protocol gr"});
}

TEST_CASE("train_lra: wrong options exit with 2 and one line that names the option") {
  const TinyRun place;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--modle ski", "unknown option '--modle'"},
      {"--mixr ski", "did you mean '--mixer'"},
      {"--mixer sky", "did you mean 'ski'"},
      {"--mixer recurrent", "must be one of ski, tno, fd, attention, conv, none, got 'recurrent'"},
      {"--task listop", "did you mean 'listops'"},
      {"--task chess", "--task: must be one of listops, text, "},
      {"--recipe tny", "did you mean 'tiny'"},
      {"--recipe huge", "listops has paper, demo, tiny, small; got 'huge'"},
      {"--steps -1", "--steps"},
      {"--steps ten", "must be a number from 0"},
      {"--lr nan", "--lr"},
      {"--lr -1", "--lr"},
      {"--dropout 1", "must be a number from 0 to 0.999, got '1'"},
      {"--gamma 1.5", "--gamma"},
      {"--norm batc", "did you mean 'batch'"},
      {"--schedule cosine_unclamped --warmup 20 --horizon 20",
       "it must be above the 20 steps of --warmup, got 20"},
      {"--schedule cosin", "did you mean 'cosine'"},
      {"--seed -3", "--seed"},
      {"--rank 1", "--inducing-points: must be a number from 2"},
      {"--batch-size 0", "--batch-size"},
      {"--batch-size 100000", "is more than the 200 training examples"},
      {"--epochs 0 --steps 0", "--steps or --epochs must be positive"},
      {"--expand 0.05", "width"},
      {"--max-length 1", "--max-length"},
      {"--dtype float16", "must be one of float32, float64"},
      {"extra", "unexpected argument 'extra'"},
      {"--config " + place / "none.toml", "none.toml"},
      {"--steps", "--steps"},
      {"--resume --force", "--resume and --force: one goes on, the other starts over"},
  };
  for (const auto& c : cases) {
    const std::string &options = c.first, &part = c.second;
    CAPTURE(options);
    // Of an option given twice the last one counts, so these override the tiny ones.
    const Outcome o = place.train_here("run", options);
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, part));
    CHECK(contains(o.err, "error: "));
    CHECK(o.out.empty());
    CHECK_FALSE(fs::exists(place / "run/ckpt-00000030.safetensors"));
    fs::remove_all(place / "run");
  }
  const Outcome o = place.train("run", "--mixr ski");
  CHECK(o.code == 2);
  CHECK(o.err ==
        "error: unknown option '--mixr'; did you mean '--mixer'?\n"
        "'train_lra --help' lists the options\n");
}

TEST_CASE("train_lra: wrong configuration files exit with 2") {
  const TinyRun place;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"stepz=10\n", "stepz"},
      {"steps=abc\n", "steps"},
      {"mixer=\"sky\"\n", "mixer"},
      {"task=\"chess\"\n", "chess"},
      {"recipe=\"none\"\n", "none"},
      {"task=[]\n", "config:1:6: a value must be"},
      {"seed=1\nfoo\n", "config:2:4: '=' must follow the key 'foo'"},
      {"\nsteps=-1\n", "config:2: --steps: must be a number"},
      {"stepz=10\n", "config:1: unknown option 'stepz'; did you mean 'steps'?"},
      {"resume=true\n", "config:1: 'resume' belongs on the command line"},
      {std::string(2 << 20, '\0'), "longer than"}};
  for (const auto& c : cases) {
    const std::string &text = c.first, &part = c.second;
    CAPTURE(text);
    spill(place / "config", text);
    const Outcome o = train_lra_here(
        place, "--config " + place / "config --data " + place / "data --out " + place / "run");
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, part));
  }
  spill(place / "config", "stepz=10\n");
  CHECK(place.run("train_lra --config " + place / "config").code == 2);
}

TEST_CASE("train_lra: bad data exits with 3, naming file, line and reason") {
  const TinyRun place;
  const std::string train_file = place / "data/listops/basic_train.tsv", good = slurp(train_file);
  struct Case {
    std::string text, part;
  };
  const std::string header = "Source\tTarget\r\n";
  const std::vector<Case> cases = {
      {"", "basic_train.tsv"},
      {header, "no rows"},
      {"Source,Target\r\n" + good.substr(header.size()), ":1:"},
      {header + "( [MAX 4 ) ] )\t4\textra\r\n", ":2:"},
      {header + "( ( ( [MAX 4 ) 3 ) ] )\r\n", ":2:"},
      {header + "( ( ( [MAX 4 ) 3 ) ] )\t10\r\n", "10"},
      {header + "( ( ( [MAX 4 ) 3 ) ] )\t-1\r\n", "-1"},
      {header + "( ( ( [MAX 4 ) 3 ) ] )\tfour\r\n", "four"},
      {header + "( ( ( [SUM 4 ) 3 ) ] )\t4\r\n", "[SUM"},
      {header + "\t4\r\n", ":2:"},
      {good + std::string(3, '\0'), "basic_train.tsv"},
      {good.substr(0, good.size() - 6), "basic_train.tsv"},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    spill(train_file, cases[i].text);
    const Outcome o = place.train_here("run", "--force");
    CAPTURE(o.err);
    CHECK(o.code == 3);
    CHECK(contains(o.err, cases[i].part));
  }
  spill(train_file, good);
  const Outcome missing =
      place.run("train_lra --data " + place / "nowhere --out " + place / "run" + kTiny);
  CHECK(missing.code == 3);
  CHECK(contains(missing.err, "lra_data generate listops"));
  fs::remove(place / "data/listops/basic_test.tsv");
  const Outcome partial = place.train_here("run", "--force");
  CHECK(partial.code == 3);
  CHECK(contains(partial.err, "basic_test.tsv"));
}

TEST_CASE("train_lra: odd texts survive --print-config and --config") {
  const Place place;
  const std::vector<std::string> texts = {
      "a#b",   "#",    "a b",          " a ", "'",    "\"",   "'\"", "a'b", "a\"b",
      "\\",    "\\n",  "a\nb",         "\n",  "\r",   "a\tb", "=",   "a=b", "[]",
      "[a,b]", "a,b",  "true",         "1e5", "0x1f", "nan",  "{}",  "%%",  "$x",
      "\x01",  "\xff", "\xE6\x97\xA5", ";",   "-",    "--",   "++",  "a\\"};
  const auto printed = [](std::vector<std::string> words) {
    words.insert(words.begin(), "train_lra");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    Flags flags("", "train_lra");
    std::string text;
    const int code =
        run_with_options(int(arguments.size()), arguments.data(), flags, [&](CommandLine& c) {
          text = config_text(c.options);
          return 0;
        });
    CHECK(code == 0);
    return text;
  };
  for (size_t i = 0; i < texts.size(); i += 3) {
    const std::string &out = texts[i], &data = texts[(i + 1) % texts.size()],
                      &init = texts[(i + 2) % texts.size()];
    CAPTURE(out);
    CAPTURE(data);
    CAPTURE(init);
    const std::string config = printed({"--out=" + out, "--data=" + data, "--init=" + init});
    spill(place / "config", config);
    CHECK(printed({"--config", place / "config"}) == config);
  }
  // Older files know no escapes: a text that holds one kind of quotes has the other kind around it.
  spill(place / "config", "task=\"text\"\nsteps=7\nlr=0.5\nout='a\"b'\nmask-padding=false\n");
  const Outcome old = place.run("train_lra --print-config --config " + place / "config");
  CHECK(old.code == 0);
  for (const char* line :
       {"task=\"text\"\n", "steps=7\n", "lr=0.5\n", "out=\"a\\\"b\"\n", "mask-padding=false\n"})
    CHECK(contains(old.out, line));
  // The file is read once, so it may be a pipe.
  const std::string piped = "cat " + place / "config" + " | " + programs() +
                            "/train_lra --print-config --config /dev/stdin >" + place / "out";
  CHECK(std::system(piped.c_str()) == 0);
  CHECK(slurp(place / "out") == old.out);
}

TEST_CASE("train_lra: the printed configuration, fed back, is the same run") {
  const TinyRun place;
  const Outcome printed = place.train("a", "--print-config --mixer fd --no-bucket --seed 5");
  REQUIRE(printed.code == 0);
  CHECK_FALSE(fs::exists(place / "a"));
  spill(place / "config", printed.out);
  REQUIRE(place.train("a", "--mixer fd --no-bucket --seed 5").code == 0);
  REQUIRE(place.run("train_lra --config " + place / "config --out " + place / "b").code == 0);
  check_same_run(place, "a", "b");
}

TEST_CASE("train_lra: a device that is missing is refused, or the CPU is taken with a reason") {
  if (memory::cuda_available()) return;  // tests/core/test_cuda.cpp computes on it
  const std::string reason = memory::cuda_unavailable_reason();
  const TinyRun place;
  const Outcome refused = place.train_here("a", "--device cuda");
  CHECK(refused.code == 2);
  CHECK(contains(refused.err, "--device cuda"));
  CHECK(contains(refused.err, reason));
  const Outcome chosen = place.train("b", "--device auto");
  CHECK(chosen.code == 0);
  CHECK(contains(chosen.err, "the CPU, because " + reason));
}
