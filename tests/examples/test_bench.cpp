// bench: which cases run, what it writes, and what it refuses.
#include <filesystem>
#include <map>

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/io/safetensors.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

TEST_CASE("bench: every case runs; a table, a chart and JSON lines with the named fields") {
  const Place place;
  const Outcome o =
      place.run("bench --quick --n 8,16 --length 16 --dim 8 --repeats 1 --threads 1 --out " +
                place / "bench");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "op/ski/train"));
  const std::string svg = slurp(place / "bench/bench.svg");
  CHECK(svg.starts_with("<svg"));
  CHECK(contains(svg, "n log n"));
  CHECK_FALSE(contains(svg, "nan"));
  CHECK_FALSE(contains(svg, "inf"));

  std::istringstream lines(slurp(place / "bench/bench.jsonl"));
  std::map<std::string, int> kinds;
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    const auto row = nlohmann::json::parse(line);
    ++kinds[row.at("kind").get<std::string>()];
    for (const char* field : {"name", "pass", "n", "batch", "dim", "threads", "repeats", "calls"})
      CHECK(row.contains(field));
    CHECK(row.at("threads") == 1);
    CHECK(row.at("min_s").get<double>() > 0);
    CHECK(row.at("min_s") <= row.at("q1_s"));
    CHECK(row.at("q1_s") <= row.at("median_s"));
    CHECK(row.at("median_s") <= row.at("q3_s"));
    CHECK(row.at("q3_s") <= row.at("max_s"));
    if (row.at("kind") == "floor") continue;
    const bool language = row.at("name").get<std::string>().starts_with("lm-");
    if (row.at("kind") == "step") CHECK(row.at("recipe") == (language ? "demo" : "tiny"));
    if (language) CHECK(row.at("n").get<int64_t>() * row.at("batch").get<int64_t>() == 16 * 16);
    CHECK(row.at("tokens_per_s").get<double>() > 0);
    CHECK(row.at("peak_tensor_bytes").get<int64_t>() > 0);
    CHECK(row.at("page_faults").get<double>() >= 0);
    CHECK(row.at("floor_s").get<double>() > 0);
    CHECK(row.at("floor_s").get<double>() == doctest::Approx(row.at("floor_gemm_s").get<double>() +
                                                             row.at("floor_copy_s").get<double>() +
                                                             row.at("floor_fft_s").get<double>()));
  }
  CHECK(kinds["op"] == 2 * 2 * 8);
  CHECK(kinds["layer"] == 2 * 2 * 8);
  CHECK(kinds["step"] == 3 * 4 + 2 * 5);
  CHECK(kinds["floor"] == 2 * 2 + 3);
}

TEST_CASE("bench: a file that cannot be written shows before anything is measured") {
  const Place place;
  const Outcome o = place.run("bench --quick --filter op/ski --json " + place / "no/such.jsonl");
  CHECK(o.code == 5);
  CHECK_FALSE(contains(o.err, "op/ski"));
}

TEST_CASE("bench: --n 2 is drawn, too") {
  const Place place;
  REQUIRE(place.run("bench --quick --filter op/ski --n 2 --out " + place / "bench").code == 0);
  CHECK_FALSE(contains(slurp(place / "bench/bench.svg"), "nan"));
}

TEST_CASE("bench: --json - prints JSON lines alone; a filter leaves the rest out") {
  const Place place;
  const Outcome o = place.run(
      "bench --quick --n 8 --repeats 1 --threads 1 --filter op/fd/train,layer/glu --json -");
  REQUIRE(o.code == 0);
  std::istringstream lines(o.out);
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row.at("kind") != "floor")
      names.push_back(row.at("name").get<std::string>() + " " + row.at("pass").get<std::string>());
  }
  CHECK(names == std::vector<std::string>{"fd train", "glu forward", "glu train"});
}

TEST_CASE("bench: --threads takes several numbers, and shows how cases scale") {
  const Place place;
  const Outcome o =
      place.run("bench --quick --n 8 --repeats 1 --threads 2,1,2 --filter op/fd/train --out " +
                place / "two");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "times faster than with 1 thread\n"));
  std::istringstream lines(slurp(place / "two/bench.jsonl"));
  std::map<std::string, std::vector<int>> threads;  // by name of the case
  for (std::string line; std::getline(lines, line);) {
    const auto row = nlohmann::json::parse(line);
    threads[row.at("name").get<std::string>()].push_back(row.at("threads").get<int>());
    if (row.at("kind") == "op") CHECK(row.at("floor_s").get<double>() > 0);
  }
  CHECK(threads.at("fd") == std::vector<int>{1, 2});
  CHECK(threads.at("barrier") == std::vector<int>{1, 2});
  CHECK_FALSE(contains(place.run("bench --quick --n 8 --repeats 1 --threads 1 --filter op/fd").out,
                       "times faster"));
}

TEST_CASE("bench: wrong options exit with 2, a folder that cannot be written with 5") {
  const Place place;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--fliter op", "did you mean '--filter'"},
      {"--filter nothing", "--list shows the names"},
      {"--n 1", "--n"},
      {"--n 64,x", "--n"},
      {"--n ''", "--n: "},
      {"--n 64,", "--n: words with a comma between them and no blank are needed, got '64,'"},
      {"--filter ,op/ski", "--filter: words with a comma"},
      {"--filter 'op/ski, op/tno'", "--filter: words with a comma"},
      {"--filter op/ski,op/softmax", "--filter: no case has 'op/softmax' in its name"},
      {"--recipe pepar", "did you mean 'paper'"},
      {"--repeats 0", "--repeats"},
      {"--threads -1", "--threads"},
      {"--threads 1,x", "--threads"},
      {"--threads 1,2 --generation", "--epoch take one number, got '1,2'"}};
  for (const auto& c : cases) {
    CAPTURE(c.first);
    const Outcome o = place.run("bench --quick " + c.first);
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, c.second));
    CHECK(o.out.empty());
  }
  spill(place / "file", "x");
  const std::string inside =
      place / "new/x.jsonl --n 8 --repeats 1 --threads 1 --out " + place / "new";
  CHECK(place.run("bench --quick --filter op/conv1d --json " + inside).code == 0);
  const std::string quick = "bench --quick --n 8 --repeats 1 --threads 1 --filter op/conv1d --out ";
  CHECK(place.run(quick + place / "file").code == 5);
  CHECK(place.run("bench --list").code == 0);
}

TEST_CASE("bench: attention is left out where it would take too long") {
  const Place place;
  const Outcome o = place.run("bench --list");
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "step/text-attention/train 4096"));
  CHECK(contains(o.out, "step/lm-attention/train 256"));
  CHECK(contains(o.out, "step/lm-long-fd-free/train 4096"));
  CHECK(contains(o.out, "step/lm-long-attention/train 4096"));
  const Outcome longer = place.run("bench --list --length 65536");
  CHECK(contains(longer.out, "step/text-tno/train 65536"));
  CHECK_FALSE(contains(longer.out, "step/text-attention/train 65536"));
  CHECK(contains(longer.err, "left out: step/text-attention/train over 65536 positions"));
}

TEST_CASE("bench: --generation --json - prints rows alone, and writes no file") {
  const Place place;
  const Outcome o = place.run_with("cd " + place.path.string() + " && ",
                                   "bench --generation --quick --threads 1 --json -");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  std::istringstream lines(o.out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    CHECK(nlohmann::json::parse(line).is_object());
  CHECK(count >= 2);
  CHECK_FALSE(fs::exists(place / "bench"));
}

TEST_CASE("bench: --generation measures every way at every position, and draws them") {
  const Place place;
  const Outcome o = place.run("bench --generation --quick --threads 1 --out " + place / "measured");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  for (const char* way : {"online", "states", "dense", "naive", "prefix"}) {
    CHECK_MESSAGE(contains(o.out, way), way);
    CHECK_MESSAGE(contains(slurp(place / "measured/generation.svg"), way), way);
  }
  std::istringstream lines(slurp(place / "measured/generation.jsonl"));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto cost = nlohmann::json::parse(line);
    CHECK(cost.at("mean_s").get<double>() > 0);
    CHECK(cost.at("longest_s").get<double>() >= cost.at("mean_s").get<double>());
  }
  CHECK(count == 5 * 2);
}

TEST_CASE("bench: --epoch measures real batches in both orders, and saves them") {
  const Place place;
  REQUIRE(place
              .run("lra_data generate listops --out " + place / "listops" +
                   " --seed 5 --train 70 --val 8 --test 8 --min-length 2 --max-length 40")
              .code == 0);
  const std::string command =
      "bench --epoch listops --quick --recipe tiny --batch 8 --batches 3 "
      "--mixers ski,fd --threads 1 --data " +
      std::string(place / "listops");
  const Outcome o = place.run(command + " --json - --save-batches " + place / "saved");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  std::istringstream lines(o.out);
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(lines, line);) rows.push_back(nlohmann::json::parse(line));
  REQUIRE(rows.size() == 4);
  for (const auto& row : rows) {
    CHECK(row.at("steps") == 70 / 8);
    CHECK(row.at("measured") == 3);
    CHECK(row.at("median_s").get<double>() > 0);
    CHECK(row.at("tokens").get<int64_t>() <= row.at("positions").get<int64_t>());
  }
  CHECK(rows[0].at("name") == "listops-ski");
  CHECK(rows[0].at("batches") == "shuffled");
  CHECK(rows[1].at("batches") == "bucketed");
  CHECK(rows[1].at("positions") < rows[0].at("positions"));

  const safetensors::File saved = safetensors::read(place / "saved");
  CHECK(saved.tensors.size() == 9);
  CHECK(saved.metadata.at("measured") == "3");
  for (const char* number : {"0", "1", "2"}) {
    const Tensor& tokens = saved.at(number + std::string(".tokens"));
    const Tensor& lengths = saved.at(number + std::string(".lengths"));
    REQUIRE(tokens.size(0) == 8);
    int32_t longest = 0;
    for (int64_t i = 0; i < 8; ++i) longest = std::max(longest, lengths.data<int32_t>()[i]);
    CHECK(tokens.size(1) == longest);
  }
  CHECK(contains(place.run(command).out, "tokens: without padding"));
}

TEST_CASE("bench: --epoch refuses tasks, folders and mixers that are not there") {
  const Place place;
  for (const auto& c : std::vector<std::pair<std::string, std::string>>{
           {"--epoch fashoin", "--epoch: must be one of"},
           {"--epoch listops --data " + place / "none", "none"},
           {"--epoch listops --mixers sky", "--mixers: must be one of"}}) {
    CAPTURE(c.first);
    const Outcome o = place.run("bench --quick " + c.first);
    CHECK(o.code > 1);
    CHECK(contains(o.err, c.second));
  }
}
