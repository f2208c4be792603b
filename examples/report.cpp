// Writes the report: one HTML file that shows kernels, spectra and gradients, every number in it
// computed when it is written or read from a measurement given to it.
// Run:     build/cpu/report --run runs/listops-tiny-ski-1 --out report.html; `make report` does it all
// Expect:  a file of half a MB that needs no network and no scripts; equal inputs give equal bytes
#include <CLI/CLI.hpp>

#include "core/io/atomic_file.h"
#include "examples/report/gradients.h"
#include "examples/report/operators.h"
#include "examples/report/run.h"
#include "examples/train/program.h"

using namespace skiff;

namespace {

struct Options {
  std::string run, bench, mutants, out = "report.html";
  uint64_t seed = 1;
};

// What is given is read before anything is computed: a wrong file is found at once.
void read_inputs(const Options& o) {
  if (!o.run.empty()) {
    report::read_model(o.run);
    report::read_csv(o.run + "/metrics.csv");
  }
  if (!o.bench.empty()) report::read_bench(o.bench);
  if (!o.mutants.empty()) report::read_mutants(o.mutants);
}

int write(const Options& o) {
  read_inputs(o);
  Page page;
  report::add_toeplitz(page, o.seed);
  report::add_ski(page, o.seed);
  report::add_errors(page);
  report::add_fd(page);
  report::add_gradients(page, o.seed);
  report::add_tape(page);
  report::add_mutants(page, o.mutants);
  report::add_learned(page, o.run, o.seed);
  report::add_cost(page, o.bench);
  const std::string file = page.finish(
      "Kernels, spectra and gradients",
      "<p class=\"lead\">How Toeplitz neural networks mix a sequence, how their gradients come "
      "about, and how one can tell that they are right. "
      "Made by skiff; every number on this page was computed by the code it describes.</p>\n");
  AtomicFile out(o.out);
  out.write(file);
  out.publish();
  std::printf("%s: %.2f MB\n", o.out.c_str(), double(file.size()) / 1e6);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Writes a page that shows kernels, spectra and gradients.", "report");
  Options o;
  app.add_option(
      "--run", o.run,
      "Run folder of train_lra, for the learned kernels; without it, an untrained model");
  app.add_option("--bench", o.bench, "Measurements of bench (JSON lines), for the section on cost");
  app.add_option("--mutants", o.mutants, "Results of planted bugs (JSON lines)");
  app.add_option("--seed", o.seed, "Of every random number")
      ->check(not_negative())
      ->capture_default_str();
  app.add_option("--out", o.out, "The file")->capture_default_str();
  app.footer(
      "Example:\n  report --run runs/listops-tiny-ski-1 --bench build/bench/bench.jsonl --out "
      "report.html");
  return run_program(argc, argv, app, [&] { return write(o); });
}
