// --shards: a batch in parts is the same function in less memory, and one run whatever happens to
// it.
#include <cmath>

#include <nlohmann/json.hpp>

#include "core/io/safetensors.h"
#include "tests/support/testing.h"
#include "tests/support/text_run.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// |a - b| / |b| over all parameters and buffers of two checkpoints.
double difference(const std::string& a, const std::string& b) {
  const safetensors::File file = safetensors::read(a), other = safetensors::read(b);
  double apart = 0, size = 0;
  for (const safetensors::Entry& e : file.tensors) {
    if (e.name.starts_with("optimizer.")) continue;
    const std::vector<double> x = to_vector(e.tensor), y = to_vector(other.at(e.name));
    for (size_t i = 0; i < x.size(); ++i) {
      apart += (x[i] - y[i]) * (x[i] - y[i]);
      size += y[i] * y[i];
    }
  }
  return std::sqrt(apart / size);
}

// Documents of 1 to 6 words, in pairs.
void write_documents(const Folder& folder) {
  for (const char* split : {"train", "eval", "test"}) {
    std::string rows;
    for (int i = 0; i < 16; ++i) {
      rows += std::to_string(i % 2) + ".0\tA\tB\tb'";
      for (int word = 0; word < 1 + i % 6; ++word) rows += "some " + std::to_string(i * word);
      rows += "'\tb'other words'\n";
    }
    folder.write("data/tsv_data/new_aan_pairs." + std::string(split) + ".tsv", rows);
  }
}

// Float64 and plain steps: Adam would blow up what is 0 but for rounding.
const char* const kExact =
    " --dtype float64 --dropout 0.3 --encoder-dropout 0.3 --optimizer sgd --lr 0.1 --warmup 0 "
    "--schedule constant --threads 1 ";

int64_t peak_of(const Place& place, const std::string& run) {
  return nlohmann::json::parse(slurp(place / (run + "/result.json"))).at("peak_tensor_bytes");
}

}  // namespace

TEST_CASE("shards: labels and pretraining are the same function in any number of parts") {
  const TinyRun place;
  write_documents(place);
  const struct {
    const char *name, *options;
    int shards;
  } cases[] = {
      {"labels", "--bucket", 3},
      {"masked", "--pretrain masked --mask-share 0.02", 8},  // most parts have no target
      {"pairs", "--task retrieval", 3},
      {"masked-pairs", "--task retrieval --pretrain masked --mask-share 0.02", 8},
      {"causal-pairs", "--task retrieval --pretrain causal --causal", 4},
  };
  for (const auto& c : cases) {
    CAPTURE(std::string(c.name));
    const std::string options = std::string(kExact) + "--norm layer --steps 20 --save-every 20 " +
                                "--eval-every 20 " + c.options + " --shards ";
    const std::string whole = c.name + std::string("-whole"),
                      parts = c.name + std::string("-parts");
    REQUIRE(place.train_here(whole, options + "1").code == 0);
    REQUIRE(place.train_here(parts, options + std::to_string(c.shards)).code == 0);
    const std::string last = "/ckpt-00000020.safetensors";
    CHECK(difference(place / (parts + last), place / (whole + last)) < 1e-12);
    const auto result = [&](const std::string& run) {
      return nlohmann::json::parse(slurp(place / (run + "/result.json")));
    };
    for (const char* score : {"last_val_loss", "best_val_loss", "train_loss"})
      CHECK(result(parts).at(score).get<double>() ==
            doctest::Approx(result(whole).at(score).get<double>()).epsilon(1e-11));
  }
}

TEST_CASE("shards: a language model is the same function in any number of parts") {
  const TextRun place;
  const struct {
    const char *name, *options;
    int shards;
  } cases[] = {
      {"causal", "", 3},
      {"masked", "--objective masked --mask-share 0.05", 4},  // a window may have no target
  };
  for (const auto& c : cases) {
    CAPTURE(std::string(c.name));
    const std::string options = std::string(kExact) + c.options + " --shards ";
    const std::string whole = c.name + std::string("-whole"),
                      parts = c.name + std::string("-parts");
    REQUIRE(place.train(whole, options + "1").code == 0);
    REQUIRE(place.train(parts, options + std::to_string(c.shards)).code == 0);
    const std::string last = "/ckpt-00000012.safetensors";
    CHECK(difference(place / (parts + last), place / (whole + last)) < 1e-12);
  }
}

TEST_CASE("shards: neither threads, stops nor --checkpoint-activations change a byte") {
  const TinyRun place;
  const std::string options =
      "--norm batch --dropout 0.1 --layers 2 --bucket --clip 1 --accumulate 3 ";
  const Outcome whole = place.train_here("whole", options + "--threads 1");
  CAPTURE(whole.err);
  REQUIRE(whole.code == 0);
  CHECK(contains(whole.err, "30 steps of 8 in 3 shards;"));
  CHECK(contains(whole.err, "those of fewer than 4 examples are poor"));
  CHECK(contains(slurp(place / "whole/config.toml"), "shards=3\n"));
  REQUIRE(place.train_here("again", options + "--checkpoint-activations --threads 2").code == 0);
  check_same_run(place, "whole", "again");
  for (const int stop : {7, 20}) {
    const std::string name = "stop" + std::to_string(stop);
    REQUIRE(place.train_here(name, options + "--stop-at " + std::to_string(stop)).code == 0);
    REQUIRE(place.train_here(name, options + "--resume").code == 0);
    check_same_run(place, "whole", name);
  }
}

TEST_CASE("shards: with --sync-norm, batch norm is the same function in any number of parts") {
  const TinyRun place;
  const std::string options = std::string(kExact) +
                              "--norm batch --layers 2 --batch-size 10 --steps 20 --save-every 20 "
                              "--eval-every 20 --bucket --shards ";
  const std::string last = "/ckpt-00000020.safetensors";
  REQUIRE(place.train_here("whole", options + "1").code == 0);
  for (const char* shards : {"2", "4"}) {
    CAPTURE(shards);
    const std::string parts = std::string("parts-") + shards;
    const Outcome o = place.train_here(parts, options + shards + " --sync-norm");
    REQUIRE(o.code == 0);
    CHECK_FALSE(contains(o.err, "examples are poor"));
    CHECK(difference(place / (parts + last), place / ("whole" + last)) < 1e-11);
  }
  const Outcome apart = place.train_here("apart", options + "2");
  REQUIRE(apart.code == 0);
  CHECK(difference(place / ("apart" + last), place / ("whole" + last)) > 1e-3);
}

TEST_CASE("shards: --sync-norm gives the same bytes with any threads, stops and recomputation") {
  const TinyRun place;
  const std::string options =
      "--norm batch --dropout 0.1 --layers 2 --bucket --clip 1 --shards 3 --sync-norm ";
  REQUIRE(place.train_here("whole", options + "--threads 1").code == 0);
  CHECK(contains(slurp(place / "whole/config.toml"), "sync-norm=true\n"));
  REQUIRE(place.train_here("again", options + "--checkpoint-activations --threads 2").code == 0);
  check_same_run(place, "whole", "again");
  REQUIRE(place.train_here("stop", options + "--stop-at 7").code == 0);
  const Outcome other = place.train_here("stop", options + "--no-sync-norm --resume");
  CHECK(other.code == 2);
  CHECK(contains(other.err, "--sync-norm is false, was true"));
  REQUIRE(place.train_here("stop", options + "--resume").code == 0);
  check_same_run(place, "whole", "stop");
}

TEST_CASE("shards: another number is refused by --resume, and one that no batch has at all") {
  const TinyRun place;
  REQUIRE(place.train_here("run", "--shards 2 --stop-at 5").code == 0);
  const Outcome other = place.train_here("run", "--shards 4 --resume");
  CHECK(other.code == 2);
  CHECK(contains(other.err, "--shards is 4, was 2"));
  const Outcome many = place.train_here("many", "--shards 9");
  CHECK(many.code == 2);
  CHECK(contains(many.err, "--shards: must be from 1 to the 8 of --batch-size, got 9"));
}

TEST_CASE("shards: a batch in eight parts needs a fraction of the memory") {
  const TinyRun place;
  const std::string options = "--layers 2 --batch-size 32 --steps 3 --save-every 3 --shards ";
  REQUIRE(place.train_here("whole", options + "1").code == 0);
  REQUIRE(place.train_here("parts", options + "8").code == 0);
  CHECK(3 * peak_of(place, "parts") < peak_of(place, "whole"));
}

TEST_CASE("shards: a loss that is not finite names the op, whichever part it is in") {
  const TinyRun place;
  const Outcome o = place.train_here("run", "--lr 1e30 --clip 0 --warmup 0 --norm none --shards 3");
  CHECK(o.code == 4);
  CHECK(contains(o.err, "is the first that is not finite"));
  const Outcome together = place.train_here(
      "together", "--lr 1e30 --clip 0 --warmup 0 --norm batch --shards 3 --sync-norm");
  CHECK(together.code == 4);
  CHECK(contains(together.err, "is the first that is not finite"));
}
