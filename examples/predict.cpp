// Classifies new examples with the model of a run. The checkpoint is enough; no data is needed.
// Run:     build/cpu/predict runs/text-small-ski-1 review.txt
//          echo '[MAX 4 [MIN 2 3 ] 1 ]' | build/cpu/predict runs/listops-tiny-ski-1 -
// Expect:  one row per example: the most probable classes, tokens, time
#include <cstdio>
#include <nlohmann/json.hpp>

#include "examples/program/flags.h"
#include "examples/program/program.h"
#include "examples/train/inference.h"

using namespace skiff;

namespace {

struct PredictOptions {
  std::string run;
  std::vector<std::string> files;
  int64_t top = 5;
  InferenceOptions inference;

  static constexpr const char* kTitle = "Options";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field(
        {.name = "top", .help = "Classes to show, the most probable first", .low = 1, .high = 1e6},
        o.top);
    field({.name = "inference", .help = ""}, o.inference);
  }
};

void print_row(const NamedExample& e, const Prediction& p, const std::vector<std::string>& classes,
               size_t top) {
  std::printf("%s:", e.name.c_str());
  for (size_t i = 0; i < top; ++i) {
    const size_t c = size_t(p.ranking[i]);
    std::printf("%s %s %.1f %%", i == 0 ? "" : ",", classes[c].c_str(), 100 * p.probabilities[c]);
  }
  std::printf("  (%lld positions, %.3f s)\n", (long long)e.tokens, p.seconds);
}

void print_json(const NamedExample& e, const Prediction& p, const std::vector<std::string>& classes,
                size_t top) {
  nlohmann::ordered_json json = {{"input", e.name},
                                 {"class", p.ranking[0]},
                                 {"name", classes[size_t(p.ranking[0])]},
                                 {"probability", p.probabilities[size_t(p.ranking[0])]}};
  for (size_t i = 0; i < top; ++i) {
    const int64_t c = p.ranking[i];
    json["top"].push_back(
        {{"class", c}, {"name", classes[size_t(c)]}, {"probability", p.probabilities[size_t(c)]}});
  }
  json["positions"] = e.tokens;
  json["unknown"] = e.unknown;
  json["cut"] = e.example.cut;
  json["seconds"] = p.seconds;
  const auto replace = nlohmann::ordered_json::error_handler_t::replace;  // of names of files
  std::printf("%s\n", json.dump(-1, ' ', false, replace).c_str());
}

int run(const PredictOptions& o) {
  const Device device = prepare(o.inference);
  const OpenedRun run = open_run(o.run, device);
  const std::vector<std::string> classes = class_names(run);
  const size_t top = std::min(size_t(o.top), classes.size());
  for (const NamedExample& e : read_examples(run, o.files)) {
    if (e.unknown > 0)
      std::fprintf(stderr,
                   "note: %s: %lld of %lld positions hold symbols that are unknown to the "
                   "model, which reads them as <unk>\n",
                   e.name.c_str(), (long long)e.unknown, (long long)e.tokens);
    if (e.example.cut)
      std::fprintf(stderr,
                   "note: %s: longer than the %lld positions of the model; its end is cut "
                   "off\n",
                   e.name.c_str(), (long long)run.options.data.max_length);
    const Prediction p = predict(run, e.example, device);
    (o.inference.json ? print_json : print_row)(e, p, classes, top);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  PredictOptions options;
  Flags flags("Classifies new examples with a trained model.", "predict");
  flags.positional("run", options.run, "Run folder of train_lra, or a checkpoint");
  flags.positional("file", options.files,
                   "What to classify; -: standard input. Text: a file is a review; ListOps: a line "
                   "is an expression; images: a gray PNG; Retrieval: two documents");
  flags.add(options);
  flags.footer("Example:\n  predict runs/fashion-small-fd-1 shoe.png --top 3");
  return run_program(argc, argv, flags, [&] { return run(options); });
}
